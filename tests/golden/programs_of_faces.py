"""Golden programs in the styles of Durable Functions 1.x and 2.x; append-only, see `programs`."""

from __future__ import annotations

from collections.abc import Generator
from datetime import timedelta
from typing import Any

import durable as df
from durable.compat.v1.context import DurableOrchestrationContext as ContextOfOneX
from durable.compat.v1.models import EntityId, RetryOptions
from durable.compat.v2 import task
from durable.compat.v2.context import OrchestrationContext as ContextOfTwoX
from durable.compat.v2.entities import EntityInstanceId

Code = Generator[Any, Any, Any]


def one_x(app: df.DFApp) -> None:
    """Generators of one argument."""

    @app.orchestration_trigger(context_name="context")
    def pipeline_1x(context: ContextOfOneX) -> Code:
        values = yield context.task_all([context.call_activity("slow", n) for n in (1, 2)])
        due = context.current_utc_datetime + timedelta(days=2)
        timer = context.create_timer(due)
        approval = context.wait_for_external_event("Approval")
        winner = yield context.task_any([approval, timer])
        if winner == timer:
            return "too late"
        timer.cancel()
        context.set_custom_status({"approved": approval.result})
        kept = EntityId("account", "of-1x")
        context.signal_entity(kept, "deposit", sum(values))
        total = yield context.call_entity(kept, "deposit", 1)
        try:
            yield context.call_activity_with_retry("broken", RetryOptions(5_000, 2), "it")
        except Exception as error:
            text = str(error)
        echoed = yield context.call_sub_orchestrator("echo", "hello", "echo-of-1x")
        return [values, total, "it is broken" in text, echoed, context.new_uuid()]


def two_x(app: df.DFApp) -> None:
    """Generators of two arguments."""

    @app.orchestration_trigger(context_name="context")
    def pipeline_2x(ctx: ContextOfTwoX, numbers: list[int]) -> Code:
        values = yield task.when_all([ctx.call_activity("slow", input=n) for n in numbers])
        kept = EntityInstanceId("account", "of-2x")
        with (yield ctx.lock_entities([kept])):
            total = yield ctx.call_entity(kept, "deposit", sum(values))
        event = yield ctx.wait_for_external_event("go")
        yield ctx.create_timer(timedelta(minutes=10))
        child = yield ctx.call_sub_orchestrator("echo", input="hello", instance_id="echo-of-2x")
        return [values, total, event, child]
