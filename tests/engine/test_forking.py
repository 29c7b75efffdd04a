from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from durable.codec import decode, encode
from durable.engine.context import DurableOrchestrationContext as Context
from durable.engine.execution import Execution
from durable.engine.forking import check_step, prefix_of
from durable.errors import ForkError, InvalidRequestError
from durable.model.commit import OutboxItem, Send
from durable.model.entities import EntityId
from durable.model.event_json import event_from_dict, event_to_dict
from durable.model.events import (
    Arrival,
    EntityLockGranted,
    EntityOperationCompleted,
    ExecutionResumed,
    ExecutionRewound,
    ExecutionStarted,
    ExecutionSuspended,
    OrchestratorStarted,
    SubOrchestrationInstanceCreated,
    TaskScheduled,
    TimerFired,
)
from durable.model.instance import OrchestrationRuntimeStatus as Status
from durable.replaying.grouping import turns_of
from tests.engine.driving import Driven, done, event, failed


class Forked(Driven):
    """A fork of another instance, an hour later; `execution-F` is its execution."""

    def __init__(
        self,
        source: Driven,
        step: int,
        function: Callable[..., Any] | None = None,
        input_: object = "same",
    ) -> None:
        super().__init__(function or source.definition.function)
        text = source.first.input if input_ == "same" else encode(input_)
        name = source.definition.name
        self.definition = type(self.definition)(name, self.definition.function)
        self.first = ExecutionStarted(name, "execution-F", text)
        self.now = source.now + timedelta(hours=1)
        self.prefix = prefix_of(source.execution.execution_id, source.history, step)
        self.execution = self._begun()
        commit = self.execution.commit(nonce="execution-F1")
        assert self._begun().commit(nonce="execution-F1") == commit
        self._store(commit)

    def _begun(self) -> Execution:
        execution = Execution.replay(self.definition, "fork", self.first, None, ())
        execution.take_over(self.prefix, self.now)
        return execution

    def _store(self, commit: Any) -> None:
        super()._store(commit)
        # who has only events and the times of their turns gets the same state
        timed = [(turn.time, event) for turn in self.history for event in turn.events]
        again = Execution.replay(
            self.definition, "fork", self.first, None, turns_of(timed, "execution-F")
        )
        cold = self.replay()
        assert set(again.outstanding) == set(cold.outstanding)
        assert again.decider.custom_status == cold.decider.custom_status
        assert again.decider.time == cold.decider.time


def sent(commit: Any) -> list[tuple[Send, int]]:
    return [(item.kind, item.task_id) for item in commit.outbox]


async def order(context: Context) -> list[Any]:
    began = context.current_utc_datetime
    reservation = context.new_uuid()
    a = await context.call_activity("reserve", [context.get_input(), reservation])
    context.set_custom_status({"at": context.current_utc_datetime.isoformat()})
    b = await context.call_activity("charge", [a, context.new_uuid()])
    c = await context.call_activity("ship", [b, reservation, context.new_uuid()])
    return [began.isoformat(), reservation, a, b, c]


def failed_order() -> Driven:
    source = Driven(order, {"to": "Pari"})
    source.turn()
    source.turn(done(0, "reserved"), after=10)
    source.turn(done(1, "charged"), after=20)
    source.turn(failed(2, "no such town"), after=30)
    assert source.last.status == Status.FAILED
    return source


def test_a_failed_order_is_forked_at_its_step_with_another_input() -> None:
    source = failed_order()
    fork = Forked(source, 2, input_={"to": "Paris"})
    assert sent(fork.last) == [(Send.ACTIVITY, 2)]
    assert [type(e).__name__ for e in fork.events] == [
        "OrchestratorStarted",
        "ExecutionStarted",
        "TaskScheduled",
        "OrchestratorStarted",
        "TaskCompleted",
        "TaskScheduled",
        "OrchestratorStarted",
        "TaskCompleted",
        "TaskScheduled",
    ]
    fork.turn(done(2, "shipped"))
    began, reservation, *results = decode(fork.last.output)
    assert results == ["reserved", "charged", "shipped"]
    # what was taken over happened then, and under the source's uuids
    assert datetime.fromisoformat(began) == source.history[0].time
    inputs = [decode(str(e.input)) for e in source.events if isinstance(e, TaskScheduled)]
    assert reservation == inputs[0][1]
    anew = [decode(str(e.input)) for e in fork.events if isinstance(e, TaskScheduled)]
    assert anew[0] == [{"to": "Paris"}, reservation]
    assert anew[1] == inputs[1]
    # and step 2 is another one
    assert anew[2][:2] == inputs[2][:2]
    assert anew[2][2] != inputs[2][2]


def test_what_leads_to_the_step_happens_now() -> None:
    async def deadlines(context: Context) -> None:
        await context.call_activity("first")
        await context.create_timer(timedelta(hours=2))

    source = Driven(deadlines)
    source.turn()
    source.turn(done(0))
    fork = Forked(source, 1)
    assert [i.due for i in fork.last.outbox] == [fork.now + timedelta(hours=2)]
    earlier = Forked(source, 2)
    # the timer before the step is as the source had it
    assert [i.due for i in earlier.last.outbox] == [source.now + timedelta(hours=2)]


def test_a_fork_after_the_last_step_runs_the_code_that_follows() -> None:
    async def sums(context: Context) -> Any:
        results = [await context.call_activity("one"), await context.call_activity("two")]
        raise ValueError(results)

    async def mended(context: Context) -> Any:
        return [await context.call_activity("one"), await context.call_activity("two")]

    source = Driven(sums)
    source.turn()
    source.turn(done(0, 1))
    source.turn(done(1, 2))
    assert source.last.status == Status.FAILED
    fork = Forked(source, 2, mended)
    assert (fork.last.status, fork.last.output, fork.last.outbox) == (
        Status.COMPLETED,
        "[1,2]",
        (),
    )


async def _fan(context: Context) -> Any:
    tasks = [context.call_activity("part", [n, context.new_uuid()]) for n in range(4)]
    return await context.when_all(tasks)


def test_results_are_taken_in_the_order_they_came_and_open_tasks_are_sent_again() -> None:
    async def race(context: Context) -> Any:
        tasks = [context.call_activity("part", n) for n in range(3)]
        first = await context.when_any(tasks)
        return [tasks.index(first), await context.call_activity("last")]

    source = Driven(race)
    source.turn()
    source.turn(done(2, "c"))
    source.turn(done(0, "a"))
    fork = Forked(source, 3)
    assert sent(fork.last) == [(Send.ACTIVITY, 1), (Send.ACTIVITY, 3)]
    fork.turn(done(1))
    fork.turn(done(3, "z"))
    assert decode(fork.last.output) == [2, "z"]


def test_a_step_inside_a_fan_out() -> None:
    source = Driven(_fan)
    source.turn()
    source.turn(done(3, 3), done(0, 0), done(1, 1))
    fork = Forked(source, 2)
    assert sent(fork.last) == [(Send.ACTIVITY, 2), (Send.ACTIVITY, 3)]
    old, new = (
        [decode(str(e.input))[1] for e in each.events if isinstance(e, TaskScheduled)]
        for each in (source, fork)
    )
    assert new[:2] == old[:2]
    assert not {*new[2:]} & {*old[2:]}
    fork.turn(done(2, 2), done(3, 33))
    assert fork.last.output == "[0,1,2,33]"


async def _approval(context: Context) -> Any:
    first = await context.wait_for_external_event("say")
    context.signal_entity(EntityId("counter", "a"), "add")
    await context.call_activity("note", first)
    second = await context.wait_for_external_event("say")
    await context.call_activity("note", second)
    return [first, second]


def test_events_count_that_came_before_the_step_was_asked_for() -> None:
    source = Driven(_approval)
    source.turn()
    source.turn(event("say", 1), event("say", 2))
    source.turn(done(1), after=5)
    source.turn(event("say", 3))
    # both had come when step 2 was asked for; nothing is signalled twice
    fork = Forked(source, 2)
    assert sent(fork.last) == [(Send.ACTIVITY, 2)]
    fork.turn(done(2))
    assert fork.last.output == "[1,2]"
    # the second came before step 1 was
    again = Forked(source, 1)
    again.turn(done(1))
    assert sent(again.last) == [(Send.ACTIVITY, 2)]


def test_an_event_after_the_step_is_waited_for() -> None:
    source = Driven(_approval)
    source.turn()
    source.turn(event("say", 1))
    source.turn(done(1))
    source.turn(event("say", 2))
    fork = Forked(source, 1)
    assert sent(fork.last) == [(Send.ACTIVITY, 1)]
    fork.turn(done(1))
    assert fork.execution.decider.awaited_events == ["say"]
    fork.turn(event("say", 9))
    fork.turn(done(2))
    assert fork.last.output == "[1,9]"


def test_a_rest_of_the_source_is_left_out_and_its_order_kept() -> None:
    async def waits(context: Context) -> Any:
        await context.call_activity("first")
        context.set_custom_status(context.current_utc_datetime.isoformat())
        await context.call_activity("second")
        await context.call_activity("third")

    source = Driven(waits)
    source.turn()
    source.turn(ExecutionSuspended("s"), after=5)
    source.turn(done(0), after=5)
    source.turn(ExecutionResumed("r"), after=5)
    resumed = source.now
    source.turn(done(1), after=5)
    source.turn(ExecutionSuspended("t"), after=5)
    fork = Forked(source, 2)
    assert fork.last.status == Status.RUNNING
    assert fork.last.custom_status == encode(resumed.isoformat())
    assert sent(fork.last) == [(Send.ACTIVITY, 2)]


def test_children_and_timers_that_are_open_begin_anew_under_the_forks_ids() -> None:
    async def family(context: Context) -> Any:
        child = context.call_sub_orchestrator("child", 1)
        timer = context.create_timer(timedelta(days=2))
        await context.call_activity("look")
        timer.cancel()
        await child
        return await context.call_activity("last")

    source = Driven(family)
    source.turn()
    fork = Forked(source, 2)
    assert sent(fork.last) == [(Send.CHILD, 0), (Send.TIMER, 1), (Send.ACTIVITY, 2)]
    child = next(e for e in fork.events if isinstance(e, SubOrchestrationInstanceCreated))
    assert child.instance_id == "execution-F:0000"
    source.turn(done(2))
    later = Forked(source, 3)
    assert sent(later.last) == [(Send.CHILD, 0)]
    assert 1 not in later.execution.outstanding


def test_a_critical_section_is_taken_over_whole_or_not_at_all() -> None:
    async def books(context: Context) -> Any:
        async with context.lock_entities([EntityId("account", "a")]):
            await context.call_entity(EntityId("account", "a"), "add", 1)
            await context.call_entity(EntityId("account", "a"), "add", 2)
        return await context.call_activity("tell")

    source = Driven(books)
    source.turn()
    source.turn(EntityLockGranted(0))
    source.turn(EntityOperationCompleted(1))
    with pytest.raises(InvalidRequestError, match="held entity locks then; fork from step 0"):
        check_step("s", source.history, 2)
    with pytest.raises(ForkError, match="critical section"):
        Forked(source, 2)
    source.turn(EntityOperationCompleted(2))
    for step in (1, 2):
        with pytest.raises(InvalidRequestError, match="held entity locks"):
            check_step("s", source.history, step)
    assert check_step("s", source.history, 0) == 0
    assert check_step("s", source.history, 3) == 3
    fork = Forked(source, 3)
    assert sent(fork.last) == [(Send.ACTIVITY, 3)]
    fork.turn(done(3, "told"))
    # nothing is unlocked that it never locked
    assert (fork.last.output, fork.last.outbox) == ('"told"', ())


def test_steps_that_there_are_not() -> None:
    source = failed_order()
    for step in (-1, 4, True, "1", None):
        with pytest.raises(InvalidRequestError, match="step"):
            check_step("s", source.history, step)
    with pytest.raises(InvalidRequestError, match="its last step is 2"):
        check_step("s", source.history, 4)
    with pytest.raises(InvalidRequestError, match="it has asked for nothing"):
        check_step("s", [], 1)


async def _renamed(context: Context) -> Any:
    await context.call_activity("reserve")
    await context.call_activity("bill")
    return await context.call_activity("ship")


async def _shorter(context: Context) -> Any:
    return await context.call_activity("reserve")


async def _elsewhere(context: Context) -> Any:
    await context.call_activity("reserve")
    await context.wait_for_external_event("go")


async def _raises(context: Context) -> Any:
    raise KeyError("gone")


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (_renamed, "at step 1 the source has activity 'charge' .*the code has activity 'bill'"),
        (_shorter, "at step 1 the source has activity 'charge' .*the code has returned"),
        (_elsewhere, "at step 1 the source has activity 'charge' .*waits for something else"),
        (_raises, "at step 0 the source has activity 'reserve' .*the code has failed with KeyErr"),
    ],
)
def test_code_that_does_not_fit_what_is_taken_over(function: Callable[..., Any], says: str) -> None:
    with pytest.raises(ForkError, match=says) as caught:
        Forked(failed_order(), 2, function)
    assert "test_forking.py" in str(caught.value)
    # from a step before which it does it may go another way
    assert Forked(failed_order(), 0, function).commits


def test_a_fork_of_a_fork_has_the_times_and_uuids_of_the_first() -> None:
    source = failed_order()
    fork = Forked(source, 2)
    fork.turn(failed(2))
    second = Forked(fork, 2)
    assert second.prefix.origins == ((2, "execution-0"),)
    third = Forked(fork, 3)
    assert third.prefix.origins == ((2, "execution-0"), (3, "execution-F"))
    for each in (second, third):
        taken = [e for e in each.events if isinstance(e, TaskScheduled)]
        assert taken[0].input == source.history[0].events[1].input  # type: ignore[union-attr]
        times = [e.time for e in each.events if isinstance(e, OrchestratorStarted)]
        assert times[0] == source.history[0].time


def test_a_rewound_source_counts_as_it_was_rewound() -> None:
    async def tries(context: Context) -> Any:
        a = await context.call_activity("a")
        try:
            b = await context.call_activity("b")
        except Exception:
            await context.call_activity("undo")
            raise
        return [a, b, await context.call_activity("c")]

    source = Driven(tries)
    source.turn()
    source.turn(done(0, "a"))
    source.turn(failed(1))
    source.turn(done(2))
    assert source.last.status == Status.FAILED
    ended = Execution.failed(source.definition, "instance", source.first, None, source.history)
    source.now += timedelta(seconds=5)
    source.execution = ended.rewound(ExecutionRewound("m"), source.now)
    source._store(source.execution.commit(nonce="execution-r"))
    source.execution = source.replay()
    source.turn(done(1, "b"))
    assert list(source.execution.outstanding) == [3]
    fork = Forked(source, 3)
    assert sent(fork.last) == [(Send.ACTIVITY, 3)]
    fork.turn(done(3, "c"))
    assert decode(fork.last.output) == ["a", "b", "c"]
    assert sent(Forked(source, 1).last) == [(Send.ACTIVITY, 1)]


def test_a_fork_that_fails_is_rewound_like_any_other() -> None:
    fork = Forked(failed_order(), 2)
    fork.turn(failed(2))
    ended = Execution.failed(fork.definition, "fork", fork.first, None, fork.history)
    fork.now += timedelta(seconds=5)
    fork.execution = ended.rewound(ExecutionRewound("m"), fork.now)
    fork._store(fork.execution.commit(nonce="execution-r"))
    assert sent(fork.last) == [(Send.ACTIVITY, 2)]
    fork.execution = fork.replay()
    fork.turn(done(2, "shipped"))
    assert decode(fork.last.output)[2:] == ["reserved", "charged", "shipped"]


def test_the_new_events_are_stored_as_plain_json() -> None:
    fork = Forked(failed_order(), 2)
    for each in fork.events:
        assert event_from_dict(event_to_dict(each)) == each
    plain = ExecutionStarted("f", "e")
    assert event_to_dict(plain) == {"type": "ExecutionStarted", "name": "f", "execution_id": "e"}


def test_results_of_its_sources_tasks_do_not_reach_a_fork() -> None:
    fork = Forked(failed_order(), 2)
    arrivals = [Arrival(TimerFired(0), "execution-0"), Arrival(done(2), "execution-0")]
    # results of the source's tasks are not the fork's
    fork.execution.take(arrivals, now=fork.now)
    commit = fork.execution.commit(nonce="n")
    assert (commit.status, commit.turn.events) == (Status.RUNNING, ())
    assert OutboxItem(Send.ACTIVITY, 2) in fork.commits[0].outbox
