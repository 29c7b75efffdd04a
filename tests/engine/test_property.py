"""Replay is a fixed point: for any program, fed in any way, cold and warm decide the same.

`Driven` compares both at every turn; here programs and arrivals are random.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from durable.engine.context import DurableOrchestrationContext as Context
from durable.engine.tasks import DurableTask
from durable.errors import TaskFailedError
from durable.model.events import (
    ExecutionResumed,
    ExecutionSuspended,
    SubOrchestrationInstanceCompleted,
    SubOrchestrationInstanceCreated,
    SubOrchestrationInstanceFailed,
    TaskScheduled,
    TimerCreated,
    TimerFired,
)
from durable.model.failure import FailureDetails
from durable.model.instance import OrchestrationRuntimeStatus as Status
from durable.model.retry import RetryPolicy
from tests.engine.driving import Driven, done, event, failed

MAX_TURNS = 60
RETRY = RetryPolicy(
    first_retry_interval=timedelta(seconds=5), max_number_of_attempts=2, backoff_coefficient=2
)

leaf = st.sampled_from(("call", "retry", "timer", "far timer", "event", "limited", "child", "set"))
step = st.recursive(
    leaf,
    lambda inner: st.tuples(
        st.sampled_from(("all", "any", "hasty")), st.lists(inner, min_size=1, max_size=4)
    ),
    max_leaves=6,
)
programs = st.lists(st.one_of(step, st.just("again")), min_size=1, max_size=5)


def begin(context: Context, what: Any) -> Any:
    """The task of a step."""
    match what:
        case "call":
            return context.call_activity("a")
        case "retry":
            return context.call_activity("b", retry=RETRY)
        case "timer":
            return context.create_timer(timedelta(seconds=30))
        case "far timer":
            return context.create_timer(timedelta(hours=3))
        case "event":
            return context.wait_for_external_event("go")
        case "limited":
            return context.wait_for_external_event("go", timeout=timedelta(minutes=1))
        case "child":
            return context.call_sub_orchestrator("c")
        case "set":
            context.set_custom_status(context.new_uuid())
            return context.when_all([])
        case kind, inner:
            tasks = [begin(context, each) for each in inner]
            combine: dict[str, Callable[..., DurableTask[Any]]] = {
                "all": context.when_all,
                "any": context.when_any,
                "hasty": context.task_all,
            }
            return combine[kind](tasks)
    raise AssertionError(what)


def plain(result: Any) -> Any:
    if isinstance(result, DurableTask):
        return str(result.get_exception()) if result.is_failed else plain(result.result)
    return [plain(each) for each in result] if isinstance(result, list) else result


async def interpret(context: Context) -> Any:
    program, log = context.get_input()
    for position, what in enumerate(program):
        if what == "again":
            context.continue_as_new([program[position + 1 :], log])
            return None
        try:
            log.append(plain(await begin(context, what)))
        except (TaskFailedError, TimeoutError) as error:
            log.append(str(error))
        context.send_event("other", "progress", [len(log), context.current_utc_datetime])
    return log


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(programs, st.data())
def test_cold_and_warm_decide_the_same(program: list[Any], data: st.DataObject) -> None:
    run = Driven(interpret, [program, []])
    commit = run.turn()
    while len(run.commits) < MAX_TURNS and not commit.status.is_terminal:
        arrivals = [arrive(run, data) for _ in range(data.draw(st.integers(0, 3)))]
        due: list[Any] = [arrival.event for arrival in run.execution.due(run.now)]
        commit = run.turn(
            *[arrival for arrival in arrivals if arrival is not None],
            *due,
            after=data.draw(st.sampled_from((0, 1, 40, 20_000))),
            more=data.draw(st.booleans()),
        )
    if commit.status == Status.COMPLETED:
        assert commit.output is not None


def arrive(run: Driven, data: st.DataObject) -> Any:
    """Something that may come now: the end of an open task, an event, or a signal."""
    number = str(len(run.commits))
    kind = data.draw(st.sampled_from(("end", "end", "end", "fail", "event", "suspend", "resume")))
    if kind == "event":
        return event("GO", number, data.draw(st.sampled_from(("m1", "m2", number))))
    if kind == "suspend":
        return ExecutionSuspended("s" + number)
    if kind == "resume" or not run.execution.outstanding:
        return ExecutionResumed("r" + number)
    task_id = data.draw(st.sampled_from(sorted(run.execution.outstanding)))
    match run.execution.outstanding[task_id].event:
        case TaskScheduled():
            return done(task_id, number) if kind == "end" else failed(task_id)
        case TimerCreated():
            return TimerFired(task_id)
        case SubOrchestrationInstanceCreated():
            if kind == "end":
                return SubOrchestrationInstanceCompleted(task_id, '"c"')
            return SubOrchestrationInstanceFailed(task_id, FailureDetails("no", "OSError"))
