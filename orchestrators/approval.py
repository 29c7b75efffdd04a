"""A human in the loop: ask, escalate when nobody answers, give up at the deadline."""

from __future__ import annotations

from datetime import datetime, timedelta

import durable as df
from orchestrators.models import ApprovalRequest, ApprovalResult, Decision, Notice

bp = df.Blueprint()

RETRY = df.RetryPolicy(
    first_retry_interval=timedelta(seconds=5), max_number_of_attempts=5, backoff_coefficient=3
)


@bp.orchestration_trigger(context_name="context")
async def request_approval(context: df.DurableOrchestrationContext) -> ApprovalResult:
    """Wait for the event `decision`: 24 hours for the approver's, then for anybody's until 48
    hours have passed since the start, unless the request says otherwise. While it waits, the
    instance is a few rows and uses no worker."""
    request: ApprovalRequest = context.get_input(ApprovalRequest)
    asked = context.current_utc_datetime
    escalation = asked + timedelta(seconds=request.escalate_after_seconds)
    deadline = asked + timedelta(seconds=request.timeout_seconds)

    await _notify(context, request.approver, f"Please decide: {request.subject}")
    context.set_custom_status({"waiting_for": request.approver, "until": escalation})
    decision = await _decision(context, escalation)
    if decision is not None:
        return _result(decision, escalated=False)

    await _notify(context, request.manager, f"Nobody has decided yet: {request.subject}")
    context.set_custom_status({"waiting_for": request.manager, "until": deadline})
    decision = await _decision(context, deadline)
    if decision is not None:
        return _result(decision, escalated=True)

    await _notify(context, request.approver, f"Nobody decided in time: {request.subject}")
    return ApprovalResult("expired", escalated=True)


async def _decision(context: df.DurableOrchestrationContext, until: datetime) -> Decision | None:
    try:
        decision: Decision = await context.wait_for_external_event(
            "decision", Decision, timeout=until
        )
    except TimeoutError:
        return None
    return decision


async def _notify(context: df.DurableOrchestrationContext, to: str, subject: str) -> None:
    await context.call_activity("send_notice", Notice(to, subject), retry=RETRY)


def _result(decision: Decision, *, escalated: bool) -> ApprovalResult:
    return ApprovalResult("approved" if decision.approved else "rejected", escalated, decision)
