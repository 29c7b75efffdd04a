"""A saga: charge, reserve, confirm, wait for a cancellation, ship; undo it all if that fails."""

from __future__ import annotations

import logging
from datetime import timedelta

import durable as df
from orchestrators.models import Charge, Goods, Notice, Order, OrderResult, Receipt

bp = df.Blueprint()


def _is_worth_another_try(failure: df.FailureDetails) -> bool:
    return not failure.is_caused_by("CardDeclined", "OutOfStock")


RETRY = df.RetryPolicy(
    first_retry_interval=timedelta(seconds=1),
    max_number_of_attempts=5,
    backoff_coefficient=2,
    retry_if=_is_worth_another_try,
)
PERSISTENT = df.RetryPolicy(
    first_retry_interval=timedelta(seconds=1),
    max_number_of_attempts=20,
    backoff_coefficient=2,
    max_retry_interval=timedelta(minutes=10),
)


@bp.orchestration_trigger(context_name="context")
async def process_order(context: df.DurableOrchestrationContext, order: Order) -> OrderResult:
    """Ends as shipped, cancelled (an event `cancel` came within the window) or failed."""
    order_id = context.instance_id
    log = context.create_replay_safe_logger(logging.getLogger(__name__))
    goods = Goods(order_id, order.lines)
    # A compensation is noted before its step begins: a step that failed may have happened.
    undo: list[tuple[str, object]] = []
    try:
        context.set_custom_status("charging")
        undo.append(("refund_card", order_id))
        charge = Charge(order_id, order.card, order.total_cents)
        receipt = await context.call_activity(
            "charge_card", charge, retry=RETRY, expected_type=Receipt
        )
        context.set_custom_status("reserving")
        undo.append(("release_stock", goods))
        await context.call_activity("reserve_stock", goods, retry=RETRY)
        await context.call_activity("confirm_order", order_id, retry=RETRY)
        log.info("order %s is paid by %s and reserved", order_id, receipt.payment_id)

        context.set_custom_status("waiting for a cancellation")
        window = timedelta(seconds=order.cancel_window_seconds)
        if await _is_cancelled(context, window):
            undone = await _compensate(context, undo)
            return OrderResult(order_id, "cancelled", "the customer cancelled", undone=undone)

        context.set_custom_status("shipping")
        tracking = await context.call_activity("ship_order", goods, retry=RETRY, expected_type=str)
    except df.TaskFailedError as error:
        log.warning("order %s failed: %s", order_id, error)
        undone = await _compensate(context, undo)
        return OrderResult(order_id, "failed", str(error.details), undone=undone)

    # What is shipped stays shipped, whether the customer hears of it or not.
    context.set_custom_status("notifying")
    notice = Notice(order.customer, f"Your order {order_id} is on its way: {tracking}")
    try:
        await context.call_activity("send_notice", notice, retry=RETRY)
    except df.TaskFailedError as error:
        log.warning("nobody told the customer of order %s: %s", order_id, error)
    context.set_custom_status("shipped")
    return OrderResult(order_id, "shipped", tracking=tracking)


async def _is_cancelled(context: df.DurableOrchestrationContext, window: timedelta) -> bool:
    try:
        await context.wait_for_external_event("cancel", timeout=window)
    except TimeoutError:
        return False
    return True


async def _compensate(
    context: df.DurableOrchestrationContext, undo: list[tuple[str, object]]
) -> tuple[str, ...]:
    """Undo in reverse order. One that fails stops none of the others, and then fails the order:
    a person has to look at it."""
    undone: list[str] = []
    failure: df.TaskFailedError | None = None
    for activity, argument in reversed(undo):
        context.set_custom_status(f"undoing: {activity}")
        try:
            await context.call_activity(activity, argument, retry=PERSISTENT)
        except df.TaskFailedError as error:
            failure = failure or error
        else:
            undone.append(activity)
    if failure is not None:
        raise failure
    context.set_custom_status("undone")
    return tuple(undone)
