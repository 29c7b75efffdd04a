"""Many payouts through a bank that takes so many a second, and not two to a customer at once."""

from __future__ import annotations

import durable as df
from orchestrators.models import PayoutInput, PayoutResult, PayoutRun, Receipt

bp = df.Blueprint()

AT_ONCE = 50
"""Payouts of one run that wait for the bank at once: a run of thousands is not all queued."""


@bp.orchestration_trigger(context_name="context")
async def pay_out(context: df.DurableOrchestrationContext) -> PayoutResult:
    """Pay every one of a run, before those of other runs where it is urgent."""
    run: PayoutRun = context.get_input(PayoutRun)
    inputs = [PayoutInput(context.instance_id, payout) for payout in run.payouts]
    receipts = await context.map(
        "send_payout",
        inputs,
        limit=AT_ONCE,
        key_of=lambda given: given.payout.customer,
        priority=1 if run.urgent else 0,
        expected_type=Receipt,
    )
    return PayoutResult(len(receipts), sum(receipt.cents for receipt in receipts))
