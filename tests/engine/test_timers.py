"""Durable timers: when they fire, and what a cancelled one sends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from durable.engine.context import DurableOrchestrationContext as Context
from durable.model.commit import OutboxItem, Send
from durable.model.events import TimerCanceled, TimerCreated, TimerFired
from durable.model.instance import OrchestrationRuntimeStatus as Status
from tests.engine.driving import START, Driven, done

HOUR = timedelta(hours=1)


def sleeper(until: Any) -> Driven:
    async def sleeps(context: Context) -> Any:
        await context.create_timer(until)
        return context.current_utc_datetime

    return Driven(sleeps)


@pytest.mark.parametrize(
    ("until", "due"),
    [
        (HOUR, START + HOUR),
        (timedelta(days=400), START + timedelta(days=400)),
        (datetime(2026, 3, 2, 0, 0, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC)),
        (datetime(2026, 3, 2, 0, 0), datetime(2026, 3, 2, tzinfo=UTC)),
        (
            datetime(2026, 3, 2, 0, 0, tzinfo=timezone(timedelta(hours=2))),
            datetime(2026, 3, 1, 22, tzinfo=UTC),
        ),
        (START - HOUR, START - HOUR),
        (-HOUR, START - HOUR),
        (timedelta(0), START),
    ],
)
def test_a_timer_is_due_at_a_time_or_after_a_duration(until: Any, due: datetime) -> None:
    run = sleeper(until)
    commit = run.turn(after=0)
    assert commit.outbox == (OutboxItem(Send.TIMER, 0, due=due),)
    assert run.execution.next_timer() == due
    assert run.execution.due(due - timedelta(microseconds=1)) == []
    [arrival] = run.execution.due(due)
    assert (arrival.event, arrival.execution_id) == (TimerFired(0), "execution-0")
    assert run.turn(TimerFired(0)).status == Status.COMPLETED


@pytest.mark.parametrize(
    ("until", "error", "message"),
    [
        (timedelta.min, "InvalidRequestError", "between the years 1 and 9999"),
        (timedelta.max, "InvalidRequestError", "does not end between the years 1 and 9999"),
        (
            datetime.max.replace(tzinfo=timezone(-HOUR)),
            "InvalidRequestError",
            "does not end between the years 1 and 9999",
        ),
        (30, "InvalidRequestError", "takes a datetime or a timedelta, not int"),
    ],
)
def test_a_timer_that_cannot_be(until: Any, error: str, message: str) -> None:
    failure = sleeper(until).turn().failure
    assert failure is not None
    assert failure.error_type == f"durable.errors.{error}"
    assert message in failure.message


def test_due_timers_come_in_the_order_of_their_times() -> None:
    async def several(context: Context) -> Any:
        for minutes in (3, 1, 2, 9):
            context.create_timer(timedelta(minutes=minutes))
        await context.call_activity("a")

    run = Driven(several)
    run.turn()
    due = run.execution.due(run.now + timedelta(minutes=3))
    assert [arrival.event for arrival in due] == [TimerFired(1), TimerFired(2), TimerFired(0)]
    assert run.execution.next_timer() == run.now + timedelta(minutes=1)


async def deadline(context: Context) -> Any:
    minutes = context.get_input(int)
    timer = context.create_timer(timedelta(minutes=minutes))
    work = context.call_activity("a")
    first = await context.when_any([timer, work])
    timer.cancel()
    await context.call_activity("b")
    return [first is timer, timer.is_cancelled, timer.is_completed]


def test_a_cancelled_far_timer_leaves_the_index() -> None:
    run = Driven(deadline, 60)
    due = run.turn().outbox[0].due
    commit = run.turn(done(1))
    assert TimerCanceled(0) in commit.turn.events
    assert OutboxItem(Send.DROP_TIMER, 0, due=due) in commit.outbox
    assert run.execution.next_timer() is None
    assert run.turn(TimerFired(0)).turn.events == ()
    assert run.turn(done(2)).output == "[false,true,false]"


def test_a_cancelled_near_timer_has_nothing_to_drop() -> None:
    run = Driven(deadline, 1)
    run.turn()
    assert [item.kind for item in run.turn(done(1)).outbox] == [Send.ACTIVITY]


def test_cancelling_one_that_fired_does_nothing() -> None:
    run = Driven(deadline, 60)
    due = run.turn().outbox[0].due
    commit = run.turn(TimerFired(0))
    assert TimerCanceled(0) not in commit.turn.events
    # its row in the index stays until this very commit
    assert OutboxItem(Send.DROP_TIMER, 0, due=due) in commit.outbox
    assert run.turn(done(2)).output == "[true,false,true]"


def test_cancelled_in_the_turn_that_made_it_it_is_never_sent() -> None:
    async def undecided(context: Context) -> Any:
        timer = context.create_timer(HOUR)
        timer.cancel()
        timer.cancel()
        await context.call_activity("a")

    run = Driven(undecided)
    commit = run.turn()
    assert [type(event) for event in commit.turn.events].count(TimerCreated) == 1
    assert [type(event) for event in commit.turn.events].count(TimerCanceled) == 1
    assert [item.kind for item in commit.outbox] == [Send.ACTIVITY]
    assert not run.execution.is_outstanding(0)


def test_an_end_takes_open_far_timers_out_of_the_index() -> None:
    async def leaves(context: Context) -> Any:
        context.create_timer(HOUR)
        context.create_timer(timedelta(minutes=1))
        await context.call_activity("a")

    run = Driven(leaves)
    run.turn()
    commit = run.turn(done(2))
    assert [(item.kind, item.task_id) for item in commit.outbox] == [(Send.DROP_TIMER, 0)]
