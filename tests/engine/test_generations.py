"""Continue-as-new: a fresh history that forgets nothing it was given."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from durable.engine.context import DurableOrchestrationContext as Context
from durable.engine.ledger import REMEMBER
from durable.model.commit import OutboxItem, Send
from durable.model.events import (
    ContinueAsNew,
    EventRaised,
    ExecutionResumed,
    ExecutionStarted,
    ExecutionSuspended,
    ExecutionTerminated,
    TaskScheduled,
)
from durable.model.instance import OrchestrationRuntimeStatus as Status
from tests.engine.driving import Driven, done, event


async def eternal(context: Context) -> Any:
    left, got = context.get_input()
    if left == 0:
        return got
    got.append(await context.wait_for_external_event("go"))
    context.continue_as_new([left - 1, got])
    return None


def test_a_new_generation_begins_with_its_input_under_a_new_execution_id() -> None:
    run = Driven(eternal, [1, []], version="v2")
    run.turn()
    commit = run.turn(event("go", "a"))
    assert (commit.continued, commit.status) == (True, Status.RUNNING)
    assert commit.turn.execution_id == "execution-0"
    assert commit.turn.closing == (
        EventRaised("go", 'go-"a"', '"a"'),
        ContinueAsNew('[0,["a"]]', "v2"),
    )
    start = ExecutionStarted("eternal", "execution-2", '[0,["a"]]', "v2")
    assert (commit.turn.events, commit.turn.open) == ((start,), True)
    assert (commit.execution_id, commit.input) == ("execution-2", '[0,["a"]]')
    assert commit.outbox == (OutboxItem(Send.TRIM),)
    # nothing need arrive for the next turn
    assert run.turn().output == '["a"]'


def test_events_that_nobody_awaited_are_carried_over() -> None:
    run = Driven(eternal, [3, []])
    run.turn()
    commit = run.turn(event("go", 1), event("other", 0), event("go", 2), event("go", 3))
    assert [type(e).__name__ for e in commit.turn.events] == [
        "ExecutionStarted",
        "EventRaised",
        "EventRaised",
        "EventRaised",
    ]
    assert run.turn().continued
    assert run.turn().continued
    assert run.turn().output == "[1,2,3]"


def test_a_repeat_of_a_consumed_message_is_known_in_the_next_generation() -> None:
    run = Driven(eternal, [2, []])
    run.turn()
    run.turn(event("go", 1, "m"))
    run.turn()
    assert run.turn(event("go", 1, "m")).turn.events == ()
    run.turn(event("go", 2, "n"))
    assert run.turn().output == "[1,2]"


def test_message_ids_are_forgotten_after_an_hour_and_an_empty_inbox() -> None:
    run = Driven(eternal, [5, []])
    run.turn()
    run.turn(event("go", 1, "old"))
    run.turn()
    hour = REMEMBER.total_seconds()
    commit = run.turn(event("go", 2, "m2"), after=hour, more=True)
    assert [message for message, _ in commit.turn.seen] == ["old", "m2"]
    run.turn()
    commit = run.turn(event("go", 3, "m3"))
    assert [message for message, _ in commit.turn.seen] == ["m2", "m3"]


async def returns_at_once(context: Context) -> Any:
    if context.get_input() == "second":
        return await context.call_activity("a")
    await context.wait_for_external_event("go")
    context.continue_as_new("second")
    return None


def test_a_termination_that_came_with_the_end_of_a_generation_ends_the_next() -> None:
    run = Driven(returns_at_once)
    run.turn()
    assert run.turn(event("go"), ExecutionTerminated("t", "enough")).continued
    commit = run.turn()
    assert (commit.status, commit.output, commit.outbox) == (Status.TERMINATED, '"enough"', ())


def test_a_suspension_that_came_with_the_end_of_a_generation_holds_in_the_next() -> None:
    run = Driven(returns_at_once)
    run.turn()
    assert run.turn(event("go"), ExecutionSuspended("s")).continued
    assert run.turn().status == Status.SUSPENDED
    run.turn(done(0, 1))
    assert run.turn(ExecutionResumed("r")).output == "1"


def test_events_held_while_suspended_are_carried_over() -> None:
    run = Driven(eternal, [2, []])
    run.turn(ExecutionSuspended("s"))
    run.turn(event("go", 1), event("go", 2))
    assert run.turn(ExecutionResumed("r")).continued
    assert run.turn().continued
    assert run.turn().output == "[1,2]"


def test_open_tasks_are_abandoned_and_far_timers_dropped() -> None:
    async def careless(context: Context) -> Any:
        context.call_activity("a")
        context.create_timer(timedelta(days=1))
        await context.call_activity("b")
        context.continue_as_new()
        assert context.will_continue_as_new

    run = Driven(careless)
    run.turn()
    commit = run.turn(done(2))
    assert [item.kind for item in commit.outbox] == [Send.DROP_TIMER, Send.TRIM]
    assert run.execution.outstanding == {}
    assert run.turn(done(0), of="execution-0").turn.events == run.history[-1].events
    assert [type(e) for e in run.history[-1].events].count(TaskScheduled) == 2


def test_the_last_call_counts_and_an_error_after_it_wins() -> None:
    async def undecided(context: Context) -> Any:
        context.continue_as_new(1)
        context.continue_as_new(2)
        if context.get_input() == "fail":
            raise ValueError("after all")
        return "ignored"

    assert Driven(undecided).turn().input == "2"
    assert Driven(undecided, "fail").turn().status == Status.FAILED


def test_the_custom_status_stays() -> None:
    async def showy(context: Context) -> Any:
        if context.get_input() is None:
            context.set_custom_status("first")
            context.continue_as_new(1)

    run = Driven(showy)
    assert run.turn().custom_status == '"first"'


def test_suspended_and_resumed_after_the_code_went_on_as_new() -> None:
    run = Driven(eternal, [1, []])
    run.turn()
    run.turn(event("go", 1), ExecutionSuspended("s"), ExecutionResumed("r"))
    commit = run.turn()
    assert (commit.status, commit.output) == (Status.COMPLETED, "[1]")


def test_suspended_after_the_code_went_on_as_new_the_next_generation_rests() -> None:
    run = Driven(eternal, [2, []])
    run.turn()
    run.turn(event("go", 1), ExecutionSuspended("s"))
    assert run.turn(event("go", 2)).status == Status.SUSPENDED
    assert run.turn(ExecutionResumed("r")).continued
    assert run.turn().output == "[1,2]"
