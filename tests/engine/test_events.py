"""External events: buffered, matched without regard to case, and waited for with a limit."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from durable.engine.context import DurableOrchestrationContext as Context
from durable.errors import PayloadError
from durable.model.commit import OutboxItem, Send
from durable.model.events import EventRaised, EventSent, TimerCanceled, TimerFired
from durable.model.instance import OrchestrationRuntimeStatus as Status
from tests.engine.driving import START, Driven, done, event


async def two(context: Context) -> Any:
    await context.call_activity("a")
    return [
        await context.wait_for_external_event("Go"),
        await context.wait_for_external_event("gO", int),
    ]


def test_events_that_come_early_are_kept_in_order_whatever_their_case() -> None:
    run = Driven(two)
    run.turn(event("GO", 1))
    run.turn(event("go", 2), event("other", 3))
    assert run.turn(done(0)).output == "[1,2]"


def test_a_repeated_message_counts_once() -> None:
    run = Driven(two)
    run.turn(event("go", 1, "m"), done(0))
    run.turn(done(0))
    assert run.turn(event("go", 1, "m")).turn.events == ()
    assert run.turn(event("go", 1, "n")).status == Status.COMPLETED


def test_two_waiters_are_served_in_the_order_they_began() -> None:
    async def both(context: Context) -> Any:
        first = context.wait_for_external_event("go")
        second = context.wait_for_external_event("GO")
        return await context.when_all([second, first])

    run = Driven(both)
    run.turn()
    run.turn(event("go", "a"))
    assert run.turn(event("go", "b")).output == '["b","a"]'


async def limited(context: Context) -> Any:
    try:
        got = await context.wait_for_external_event("go", str, timeout=timedelta(minutes=5))
    except TimeoutError as error:
        return [str(error), await context.wait_for_external_event("go")]
    return got


def test_an_event_in_time_cancels_its_timer() -> None:
    run = Driven(limited)
    [timer] = run.turn().outbox
    commit = run.turn(event("go", "yes"))
    assert commit.output == '"yes"'
    assert TimerCanceled(0) in commit.turn.events
    assert commit.outbox == (OutboxItem(Send.DROP_TIMER, 0, due=timer.due),)


def test_an_event_after_the_limit_is_left_to_the_next_waiter() -> None:
    run = Driven(limited)
    run.turn()
    run.turn(TimerFired(0), after=300)
    assert run.turn(event("go", 7)).output == "[\"no event 'go' came within 0:05:00\",7]"


def test_event_and_timer_in_one_turn_the_first_counts_and_no_event_is_lost() -> None:
    run = Driven(limited)
    run.turn()
    assert run.turn(TimerFired(0), event("go", 7), after=300).output is not None
    run = Driven(limited)
    run.turn()
    assert run.turn(event("go", "x"), TimerFired(0), after=300).output == '"x"'


def test_a_limit_may_be_a_moment() -> None:
    async def until(context: Context) -> Any:
        await context.wait_for_external_event("go", timeout=START + timedelta(hours=2))

    run = Driven(until)
    run.turn()
    failure = run.turn(TimerFired(0), after=7200).failure
    assert failure is not None
    assert failure.error_type == "TimeoutError"
    assert failure.message == "no event 'go' came until 2026-03-01 14:00:00+00:00"


def test_a_buffered_event_needs_no_timer() -> None:
    async def late(context: Context) -> Any:
        await context.call_activity("a")
        return await context.wait_for_external_event("go", timeout=timedelta(days=30))

    run = Driven(late)
    run.turn(event("go", 1))
    commit = run.turn(done(0))
    assert (commit.output, commit.outbox) == ("1", ())


@pytest.mark.parametrize("timeout", [None, timedelta(hours=1)])
def test_data_that_does_not_fit_fails_the_wait(timeout: timedelta | None) -> None:
    async def picky(context: Context) -> Any:
        try:
            await context.wait_for_external_event("go", int, timeout=timeout)
        except PayloadError:
            return await context.wait_for_external_event("go", str)

    run = Driven(picky)
    run.turn()
    assert run.turn(event("go", "many")).status == Status.RUNNING
    assert run.turn(event("go", "few")).output == '"few"'


@pytest.mark.parametrize("name", ["", None])
def test_an_event_needs_a_name(name: Any) -> None:
    async def nameless(context: Context) -> Any:
        await context.wait_for_external_event(name)

    failure = Driven(nameless).turn().failure
    assert failure is not None
    assert failure.message == "wait_for_external_event needs the event's name"


def test_events_are_sent_to_other_instances() -> None:
    async def sends(context: Context) -> Any:
        context.send_event("other", "go", {"a": 1})
        await context.call_activity("a")

    commit = Driven(sends).turn()
    assert EventSent(0, "other", "go", '{"a":1}') in commit.turn.events
    assert commit.outbox[0] == OutboxItem(Send.EVENT, 0, "other")


def test_an_event_nobody_waits_for_is_history_all_the_same() -> None:
    async def ends(context: Context) -> Any:
        await context.call_activity("a")

    run = Driven(ends)
    run.turn()
    commit = run.turn(done(0), event("unheard", 1))
    assert commit.status == Status.COMPLETED
    assert EventRaised("unheard", "unheard-1", "1") in commit.turn.events
