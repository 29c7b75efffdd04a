"""Calls, fan-out and fan-in, in every form an orchestrator may have."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from durable.engine.context import DurableOrchestrationContext as Context
from durable.engine.several import when_all, when_any
from durable.engine.tasks import DurableTask
from durable.errors import (
    ActivityFailedError,
    InvalidRequestError,
    PayloadError,
    TaskFailedError,
)
from durable.model.commit import OutboxItem, Send
from durable.model.events import ExecutionCompleted, ExecutionStarted, TaskCompleted, TaskScheduled
from durable.model.instance import OrchestrationRuntimeStatus as Status
from tests.engine.driving import START, Driven, done, failed


@dataclass
class Order:
    number: int


def double(order: Order) -> Order:
    return Order(order.number * 2)


async def test_a_chain_schedules_each_step_with_the_completion_of_the_one_before() -> None:
    async def chain(context: Context) -> Any:
        first = await context.call_activity("a", 1)
        return await context.call_activity("b", first)

    run = Driven(chain, "in")
    commit = run.turn()
    assert commit.status == Status.RUNNING
    assert commit.turn.events == (
        ExecutionStarted("chain", "execution-0", '"in"'),
        TaskScheduled(0, "a", "1", 0),
    )
    assert commit.outbox == (OutboxItem(Send.ACTIVITY, 0),)
    assert run.turn(done(0, 7)).turn.events == (
        TaskCompleted(0, "7"),
        TaskScheduled(1, "b", "7", 1),
    )
    commit = run.turn(done(1, "out"))
    assert (commit.status, commit.output) == (Status.COMPLETED, '"out"')
    assert commit.turn.events[-1] == ExecutionCompleted('"out"')
    assert commit.outbox == ()


def test_generators_and_plain_functions_are_orchestrators_too() -> None:
    def generator(context: Context) -> Generator[DurableTask[Any], Any, Any]:
        try:
            yield context.call_activity("a")
        except ActivityFailedError as error:
            value = yield context.call_activity("b", error.details.message)
            return value
        raise AssertionError("not reached")

    run = Driven(generator)
    run.turn()
    assert run.turn(failed(0, "no")).turn.events[-1] == TaskScheduled(1, "b", '"no"', 1)
    assert run.turn(done(1, 3)).output == "3"

    def plain(context: Context) -> str:
        return context.instance_id

    assert Driven(plain).turn().output == '"instance"'


def test_an_awaitable_object_is_an_orchestrator_too() -> None:
    class Code:
        def __init__(self, context: Context) -> None:
            self.context = context

        def __await__(self) -> Generator[Any, Any, int]:
            value = yield from self.context.call_activity("a").__await__()
            return int(value) + 1

    def start(context: Context) -> Code:
        return Code(context)

    run = Driven(start)
    run.turn()
    assert run.turn(done(0, 1)).output == "2"


async def fan_out(context: Context) -> Any:
    return await context.when_all([context.call_activity("a", i) for i in range(3)])


def test_fan_in_keeps_the_order_of_the_calls() -> None:
    run = Driven(fan_out)
    assert len(run.turn().outbox) == 3
    run.turn(done(2, "c"))
    assert run.turn(done(0, "a")).status == Status.RUNNING
    assert run.turn(done(1, "b")).output == '["a","b","c"]'


def test_when_all_waits_for_all_and_then_raises_what_failed_first() -> None:
    run = Driven(fan_out)
    run.turn()
    run.turn(failed(2, "the first to fail"))
    assert run.turn(failed(0, "the second")).status == Status.RUNNING
    commit = run.turn(done(1))
    assert commit.status == Status.FAILED
    assert commit.failure is not None
    assert commit.failure.error_type == "durable.errors.ActivityFailedError"
    assert "the first to fail" in commit.failure.message


def test_task_all_fails_as_soon_as_one_fails() -> None:
    async def hasty(context: Context) -> Any:
        return await context.task_all([context.call_activity("a"), context.call_activity("b")])

    run = Driven(hasty)
    run.turn()
    assert run.turn(failed(1)).status == Status.FAILED


def test_when_any_gives_the_first_and_leaves_the_others_open() -> None:
    async def race(context: Context) -> Any:
        tasks = [context.call_activity("a"), context.call_activity("b")]
        first = await when_any(tasks)
        second = await tasks[1 - tasks.index(first)]
        return [first.result, second, first in tasks, tasks[0].is_completed]

    run = Driven(race)
    run.turn()
    assert run.turn(done(1, "fast")).status == Status.RUNNING
    assert run.execution.is_outstanding(0)
    assert run.turn(done(0, "slow")).output == '["fast","slow",true,true]'


def test_when_any_ends_with_a_failed_task_too() -> None:
    async def race(context: Context) -> Any:
        first = await context.task_any([context.call_activity("a"), context.call_activity("b")])
        return [first.is_failed, first.is_faulted, str(first.get_exception())]

    run = Driven(race)
    run.turn()
    output = run.turn(failed(0, "no")).output
    assert output == """[true,true,"activity 'a' failed: ValueError: no"]"""


def test_composites_of_nothing_and_of_other_things() -> None:
    async def odd(context: Context) -> Any:
        errors = []
        for tasks in ([], ["not a task"]):
            try:
                await when_any(tasks)  # type: ignore[arg-type]
            except InvalidRequestError as error:
                errors.append(str(error))
        return [await when_all([]), *errors]

    output = Driven(odd).turn().output
    assert output is not None
    assert output.startswith('[[],"when_any needs at least one task","expected durable tasks')


@pytest.mark.parametrize("several", ["when_all", "when_any", "task_all", "task_any"])
def test_a_task_alone_is_no_list_of_tasks(several: str) -> None:
    async def mistaken(context: Context) -> Any:
        return await getattr(context, several)(context.call_activity("a"))

    failure = Driven(mistaken).turn().failure
    assert failure is not None
    assert (failure.error_type, failure.message) == (
        "TypeError",
        f"{several} takes a list of tasks, not one task: write {several}([task, …])",
    )


def test_nested_composites_and_a_task_awaited_twice() -> None:
    async def nested(context: Context) -> Any:
        one = context.call_activity("a")
        both = context.when_all([one, context.call_activity("b")])
        first = await context.when_any([both, context.create_timer(timedelta(hours=1))])
        return [first is both, await one, await both, both.get_tasks()[0] is one]

    run = Driven(nested)
    run.turn()
    run.turn(done(0, 1))
    assert run.turn(done(1, 2)).output == "[true,1,[1,2],true]"


def test_a_result_is_asked_for_too_early() -> None:
    async def hasty(context: Context) -> Any:
        return context.call_activity("a").result

    failure = Driven(hasty).turn().failure
    assert failure is not None
    assert failure.message == "the task has not completed: await it first"


def test_results_have_the_types_of_the_annotations() -> None:
    async def typed(context: Context) -> Any:
        order = context.get_input(Order)
        order = await context.call_activity(double, order)
        plain = await context.call_activity("double", order)
        named = await context.call_activity("double", order, expected_type=Order)
        return [type(order).__name__, type(plain).__name__, named.number]

    run = Driven(typed, {"number": 4})
    assert run.turn().turn.events[-1] == TaskScheduled(0, "double", '{"number":4}', 0)
    run.turn(done(0, {"number": 8}))
    run.turn(done(1, {"number": 9}))
    assert run.turn(done(2, {"number": 10})).output == '["Order","dict",10]'


def test_a_result_that_does_not_fit_fails_the_task() -> None:
    async def typed(context: Context) -> Any:
        try:
            await context.call_activity(double, Order(1))
        except PayloadError as error:
            return str(error)

    run = Driven(typed)
    run.turn()
    output = run.turn(done(0, {"number": "many"})).output
    assert output is not None
    assert "number" in output


def test_failures_cross_with_type_message_stack_and_cause() -> None:
    async def fails(context: Context) -> Any:
        try:
            await context.call_activity("a")
        except TaskFailedError as error:
            causes = [error.failure.is_caused_by(kind) for kind in (ValueError, OSError)]
            context.set_custom_status(causes)
            raise RuntimeError("the order is lost") from error

    run = Driven(fails)
    run.turn()
    commit = run.turn(failed(0, "bad card"))
    assert commit.custom_status == "[true,false]"
    failure = commit.failure
    assert failure is not None
    assert (failure.error_type, failure.message) == ("RuntimeError", "the order is lost")
    assert failure.stack_trace is not None
    assert failure.stack_trace.lstrip().startswith('File "' + __file__)
    assert failure.is_caused_by(ActivityFailedError)
    assert failure.is_caused_by("ValueError")
    innermost = failure.inner_failure and failure.inner_failure.inner_failure
    assert innermost is not None
    assert (innermost.error_type, innermost.message) == ("ValueError", "bad card")


def test_a_result_without_a_json_form_fails_the_orchestration() -> None:
    async def odd(context: Context) -> Any:
        return object()

    commit = Driven(odd).turn()
    assert commit.status == Status.FAILED
    assert commit.failure is not None
    assert commit.failure.error_type == "durable.errors.PayloadError"


def test_stale_and_repeated_arrivals_leave_no_trace() -> None:
    async def waits(context: Context) -> Any:
        return await context.call_activity("a"), await context.call_activity("b")

    run = Driven(waits)
    run.turn()
    assert run.turn(done(0), of="another-execution").turn.events == ()
    assert run.turn(done(5)).turn.events == ()
    run.turn(done(0, 1))
    assert run.turn(done(0, 2), failed(0)).turn.events == ()
    assert run.turn(done(1, 3)).output == "[1,3]"


def test_time_never_goes_back() -> None:
    async def waits(context: Context) -> Any:
        await context.call_activity("a")
        return context.current_utc_datetime

    run = Driven(waits)
    run.turn(after=10)
    run.now = START
    commit = run.turn(done(0), after=0)
    assert commit.turn.time == run.commits[0].turn.time
    assert commit.output is not None
    assert "12:00:10" in commit.output


@pytest.mark.parametrize("bad", ["", None, 3])
def test_a_call_needs_a_name(bad: Any) -> None:
    async def calls(context: Context) -> Any:
        await context.call_activity(bad)

    failure = Driven(calls).turn().failure
    assert failure is not None
    assert failure.error_type == "durable.errors.InvalidRequestError"
