"""Retry policies: every field, and one logical call over all attempts."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from durable.engine.context import DurableOrchestrationContext as Context
from durable.errors import InvalidRequestError
from durable.model.events import (
    ExecutionTerminated,
    SubOrchestrationInstanceCreated,
    SubOrchestrationInstanceFailed,
    TaskScheduled,
    TimerCreated,
    TimerFired,
)
from durable.model.failure import FailureDetails
from durable.model.instance import OrchestrationRuntimeStatus as Status
from durable.model.retry import RetryPolicy
from tests.engine.driving import START, Driven, done, failed

SECOND = timedelta(seconds=1)
FAILURE = FailureDetails("no", "ValueError")


def caller(**policy: Any) -> Driven:
    policy = {"first_retry_interval": SECOND, "max_number_of_attempts": 3, **policy}
    retry = RetryPolicy(**policy)

    async def calls(context: Context) -> Any:
        return await context.call_activity("a", "in", retry=retry)

    return Driven(calls)


def waits(run: Driven, limit: int = 20) -> list[float]:
    """Fail each attempt and fire each timer; the waits between attempts in seconds."""
    found: list[float] = []
    commit = run.turn()
    while commit.status == Status.RUNNING and len(found) < limit:
        commit = run.turn(failed(commit.turn.events[-1].task_id), after=0)  # type: ignore[union-attr]
        timer = commit.turn.events[-1]
        if isinstance(timer, TimerCreated):
            delay = (timer.fire_at - run.now).total_seconds()
            found.append(delay)
            commit = run.turn(TimerFired(timer.task_id), after=delay)
        elif isinstance(timer, TaskScheduled):
            found.append(0.0)
    return found


def test_all_attempts_are_one_logical_call() -> None:
    run = caller()
    assert run.turn().turn.events[-1] == TaskScheduled(0, "a", '"in"', 0, 1)
    assert run.turn(failed(0)).turn.events[-1] == TimerCreated(1, run.now + SECOND)
    assert run.turn(TimerFired(1)).turn.events[-1] == TaskScheduled(2, "a", '"in"', 0, 2)
    run.turn(failed(2))
    assert run.turn(TimerFired(3)).turn.events[-1] == TaskScheduled(4, "a", '"in"', 0, 3)
    commit = run.turn(failed(4, "the last"))
    assert commit.failure is not None
    assert "the last" in commit.failure.message


def test_a_later_attempt_may_succeed() -> None:
    run = caller()
    run.turn()
    run.turn(failed(0))
    run.turn(TimerFired(1))
    assert run.turn(done(2, "at last")).output == '"at last"'


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ({}, [1, 1]),
        ({"max_number_of_attempts": 1}, []),
        ({"first_retry_interval": timedelta(0)}, [0, 0]),
        ({"backoff_coefficient": 2.0, "max_number_of_attempts": 6}, [1, 2, 4, 8, 16]),
        (
            {
                "backoff_coefficient": 3.0,
                "max_number_of_attempts": 6,
                "max_retry_interval": 5 * SECOND,
            },
            [1, 3, 5, 5, 5],
        ),
        # the attempts begin after 0, 1, 3 and 7 s
        (
            {
                "backoff_coefficient": 2.0,
                "max_number_of_attempts": 9,
                "retry_timeout": 7 * SECOND,
            },
            [1, 2, 4],
        ),
        ({"retry_timeout": timedelta(milliseconds=999)}, []),
        ({"retry_if": lambda failure: failure.error_type == "OSError"}, []),
        ({"retry_if": lambda failure: failure.is_caused_by(ValueError)}, [1, 1]),
    ],
)
def test_the_waits_of_a_policy(policy: dict[str, Any], expected: list[float]) -> None:
    assert waits(caller(**policy)) == expected


def test_a_predicate_that_raises_fails_the_task_with_its_error() -> None:
    def broken(failure: FailureDetails) -> bool:
        raise KeyError("in the predicate")

    run = caller(retry_if=broken)
    run.turn()
    failure = run.turn(failed(0)).failure
    assert failure is not None
    assert (failure.error_type, failure.message) == ("KeyError", "'in the predicate'")


class Panic(BaseException):
    """As native code raises one."""


def _panics(*_: object) -> Any:
    raise Panic("overrun")


def test_what_is_no_exception_fails_the_code_that_raised_it_wherever_that_is() -> None:
    async def maps(context: Context) -> Any:
        await context.map("a", [1, 2], limit=1, key_of=lambda item: _panics() if item > 1 else "k")

    async def cleans_up(context: Context) -> Any:
        try:
            await context.wait_for_external_event("e")
        finally:
            _panics()

    predicate, mapped = caller(retry_if=_panics), Driven(maps)
    predicate.turn()
    mapped.turn()
    ended = [predicate.turn(failed(0)), mapped.turn(done(0)), Driven(_panics).turn()]
    assert [str(each.failure) for each in ended] == [f"{__name__}.Panic: overrun"] * 3
    waiting = Driven(cleans_up)
    waiting.turn()
    assert waiting.turn(ExecutionTerminated("stop")).status == Status.TERMINATED


def test_intervals_that_overflow_are_capped() -> None:
    policy = RetryPolicy(
        first_retry_interval=SECOND, max_number_of_attempts=10_000, backoff_coefficient=10
    )
    assert policy.next_attempt(9_000, FAILURE, START, START) == timedelta(days=36_500)
    capped = RetryPolicy(
        first_retry_interval=SECOND,
        max_number_of_attempts=10_000,
        backoff_coefficient=10,
        max_retry_interval=timedelta(hours=1),
    )
    assert capped.next_attempt(9_000, FAILURE, START, START) == timedelta(hours=1)


@pytest.mark.parametrize(
    ("policy", "field"),
    [
        ({"first_retry_interval": -SECOND}, "first_retry_interval"),
        ({"max_number_of_attempts": 0}, "max_number_of_attempts"),
        ({"backoff_coefficient": 0.5}, "backoff_coefficient"),
        ({"max_retry_interval": timedelta(0)}, "max_retry_interval"),
        ({"retry_timeout": -SECOND}, "retry_timeout"),
        ({"first_retry_interval": 5}, "first_retry_interval is a timedelta, not 5"),
        ({"retry_timeout": 0}, "retry_timeout is a timedelta, not 0"),
    ],
)
def test_a_policy_that_cannot_be(policy: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidRequestError, match=field):
        RetryPolicy(**{"first_retry_interval": SECOND, "max_number_of_attempts": 2, **policy})


def test_what_is_no_policy_is_refused_before_anything_fails() -> None:
    async def calls(context: Context) -> Any:
        wrong: Any = 3
        with pytest.raises(InvalidRequestError, match="retry takes a RetryPolicy, not int"):
            context.call_activity("a", retry=wrong)
        with pytest.raises(InvalidRequestError, match="retry takes a RetryPolicy, not int"):
            context.call_sub_orchestrator("child", retry=wrong)

    commit = Driven(calls).turn()
    assert commit.status == Status.COMPLETED
    assert commit.outbox == ()


def test_each_attempt_of_a_sub_orchestration_is_an_instance_of_its_own() -> None:
    async def parent(context: Context) -> Any:
        retry = RetryPolicy(first_retry_interval=SECOND, max_number_of_attempts=2)
        return await context.call_sub_orchestrator("child", retry=retry)

    run = Driven(parent)
    run.turn()
    run.turn(SubOrchestrationInstanceFailed(0, FAILURE))
    again = run.turn(TimerFired(1)).turn.events[-1]
    assert isinstance(again, SubOrchestrationInstanceCreated)
    assert (again.task_id, again.instance_id) == (2, "execution-0:0002")


def test_a_chosen_id_is_kept_over_the_attempts() -> None:
    async def parent(context: Context) -> Any:
        retry = RetryPolicy(first_retry_interval=timedelta(0), max_number_of_attempts=2)
        return await context.call_sub_orchestrator("child", instance_id="mine", retry=retry)

    run = Driven(parent)
    run.turn()
    again = run.turn(SubOrchestrationInstanceFailed(0, FAILURE)).turn.events[-1]
    assert isinstance(again, SubOrchestrationInstanceCreated)
    assert (again.task_id, again.instance_id) == (1, "mine")


def test_retries_and_other_tasks_do_not_disturb_each_other() -> None:
    async def both(context: Context) -> Any:
        retry = RetryPolicy(first_retry_interval=SECOND, max_number_of_attempts=2)
        tasks = [context.call_activity(name, retry=retry) for name in "ab"]
        return await context.when_all(tasks)

    run = Driven(both)
    run.turn()
    run.turn(failed(0), failed(1))
    run.turn(TimerFired(3), TimerFired(2))
    names = {e.task_id: (e.name, e.call) for e in run.events if isinstance(e, TaskScheduled)}
    assert names == {0: ("a", 0), 1: ("b", 1), 4: ("b", 1), 5: ("a", 0)}
    run.turn(done(4, "b"))
    assert run.turn(done(5, "a")).output == '["a","b"]'
