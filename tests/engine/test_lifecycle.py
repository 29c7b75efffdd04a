"""Children, suspension, termination, endings that wait, and what the context tells."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any

import pytest

from durable.engine.context import DurableOrchestrationContext as Context
from durable.errors import (
    InvalidInstanceIdError,
    InvalidRequestError,
    SubOrchestrationFailedError,
)
from durable.model.commit import OutboxItem, Send
from durable.model.events import (
    Arrival,
    ExecutionResumed,
    ExecutionSuspended,
    ExecutionTerminated,
    SubOrchestrationInstanceCompleted,
    SubOrchestrationInstanceCreated,
    SubOrchestrationInstanceFailed,
    TaskScheduled,
)
from durable.model.failure import FailureDetails
from durable.model.instance import OrchestrationRuntimeStatus as Status
from durable.model.instance import Parent
from tests.engine.driving import Driven, done, event

# ---- children ----


async def parent_of_two(context: Context) -> Any:
    chosen = context.call_sub_orchestrator("child", 1, "chosen-id", "v2")
    derived = context.call_sub_orchestrator("child", 2)
    try:
        return await context.when_all([chosen, derived])
    except SubOrchestrationFailedError as error:
        return [str(error), error.details.error_type]


def test_children_have_the_id_given_or_one_derived() -> None:
    run = Driven(parent_of_two)
    commit = run.turn()
    assert commit.turn.events[1:] == (
        SubOrchestrationInstanceCreated(0, "child", "chosen-id", "1", "v2"),
        SubOrchestrationInstanceCreated(1, "child", "execution-0:0001", "2"),
    )
    assert commit.outbox == (
        OutboxItem(Send.CHILD, 0, "chosen-id"),
        OutboxItem(Send.CHILD, 1, "execution-0:0001"),
    )
    run.turn(SubOrchestrationInstanceCompleted(1, '"two"'))
    assert run.turn(SubOrchestrationInstanceCompleted(0, '"one"')).output == '["one","two"]'


def test_a_childs_failure_is_the_tasks() -> None:
    run = Driven(parent_of_two)
    run.turn()
    run.turn(SubOrchestrationInstanceFailed(0, FailureDetails("no", "KeyError")))
    output = run.turn(SubOrchestrationInstanceCompleted(1)).output
    assert output == """["sub-orchestration 'child' failed: KeyError: no","KeyError"]"""


def test_a_completion_of_another_kind_does_not_count() -> None:
    run = Driven(parent_of_two)
    run.turn()
    assert run.turn(done(0)).turn.events == ()
    assert run.execution.is_outstanding(0)


def test_a_childs_id_is_checked() -> None:
    async def careless(context: Context) -> Any:
        try:
            await context.call_sub_orchestrator("child", instance_id="a/b")
        except InvalidInstanceIdError:
            return "refused"

    assert Driven(careless).turn().output == '"refused"'


def test_names_that_storage_cannot_take_are_refused_where_they_are_given() -> None:
    async def careless(context: Context) -> Any:
        with pytest.raises(InvalidRequestError, match="is not valid Unicode"):
            context.call_activity("a\ud800")
        with pytest.raises(InvalidRequestError, match="is not valid Unicode"):
            context.call_sub_orchestrator("a\ud800")
        with pytest.raises(InvalidRequestError, match="is not valid Unicode"):
            context.call_sub_orchestrator("a", version="1\ud800")

    assert Driven(careless).turn().status == Status.COMPLETED


def test_a_child_answers_its_parent_with_its_end() -> None:
    async def child(context: Context) -> Any:
        return context.parent_instance_id

    commit = Driven(child, parent=Parent("above", "inc", "eid", 4)).turn()
    assert commit.output == '"above"'
    assert commit.outbox == (OutboxItem(Send.REPLY, target="above"),)


# ---- suspend, resume, terminate ----


async def steps(context: Context) -> Any:
    await context.call_activity("a")
    await context.wait_for_external_event("go")
    return await context.call_activity("b")


def test_suspended_code_rests_and_nothing_is_lost() -> None:
    run = Driven(steps)
    run.turn()
    assert run.turn(ExecutionSuspended("s1", "lunch")).status == Status.SUSPENDED
    assert run.turn(ExecutionSuspended("s2")).turn.events == ()
    assert run.turn(done(0), event("go")).status == Status.SUSPENDED
    assert run.execution.is_suspended
    commit = run.turn(ExecutionResumed("r1"))
    assert commit.status == Status.RUNNING
    assert commit.turn.events == (ExecutionResumed("r1"), TaskScheduled(1, "b", "null", 1))
    assert run.turn(ExecutionResumed("r2")).turn.events == ()
    assert run.turn(done(1, 5)).output == "5"


def test_suspended_before_the_first_step() -> None:
    run = Driven(steps)
    commit = run.turn(ExecutionSuspended("s1"))
    # what the code decided before it was told to rest still counts
    assert (commit.status, len(commit.outbox)) == (Status.SUSPENDED, 1)
    run.turn(done(0))
    run.turn(event("go"))
    assert run.turn(ExecutionResumed("r1")).turn.events[-1] == TaskScheduled(1, "b", "null", 1)


def test_termination_wins_over_what_the_code_decided_in_the_same_turn() -> None:
    run = Driven(steps)
    run.turn(event("go"))
    commit = run.turn(done(0), ExecutionTerminated("t", "enough"))
    assert (commit.status, commit.output) == (Status.TERMINATED, '"enough"')
    assert (commit.outbox, commit.failure) == ((), None)
    assert not any(isinstance(e, TaskScheduled) for e in commit.turn.events)


def test_a_suspended_instance_can_be_terminated() -> None:
    run = Driven(steps)
    run.turn(ExecutionSuspended("s"))
    assert run.turn(ExecutionTerminated("t")).status == Status.TERMINATED


@pytest.mark.parametrize("recurse", [True, False])
def test_termination_reaches_open_children_by_choice(recurse: bool) -> None:
    run = Driven(parent_of_two)
    run.turn()
    run.turn(SubOrchestrationInstanceCompleted(0))
    commit = run.turn(ExecutionTerminated("t", "enough", recurse))
    terminate = OutboxItem(Send.TERMINATE, 1, "execution-0:0001")
    assert commit.outbox == ((terminate,) if recurse else ())


def test_a_terminated_child_answers_its_parent() -> None:
    run = Driven(steps, parent=Parent("above", "inc", "eid", 4))
    run.turn()
    commit = run.turn(ExecutionTerminated("t"))
    assert commit.outbox == (OutboxItem(Send.REPLY, target="above"),)


def test_clean_up_in_terminated_code_decides_nothing() -> None:
    async def tidy(context: Context) -> Any:
        try:
            await context.call_activity("a")
        finally:
            context.call_activity("undo")
            raise RuntimeError("in the clean-up")

    run = Driven(tidy)
    run.turn()
    commit = run.turn(ExecutionTerminated("t"))
    assert (commit.status, commit.outbox) == (Status.TERMINATED, ())


# ---- endings that wait ----


def test_an_ending_waits_while_the_inbox_holds_more() -> None:
    async def quick(context: Context) -> Any:
        await context.call_activity("a")
        context.set_custom_status("done")
        return "end"

    run = Driven(quick)
    run.turn()
    commit = run.turn(done(0), more=True)
    assert (commit.status, commit.turn.open, commit.output) == (Status.RUNNING, True, None)
    assert run.execution.needs_inbox
    commit = run.turn(event("late", 1), more=True)
    assert (commit.status, commit.turn.open) == (Status.RUNNING, True)
    commit = run.turn()
    assert (commit.status, commit.output) == (Status.COMPLETED, '"end"')
    assert commit.custom_status == '"done"'


# ---- what the context tells ----


def test_the_context_tells_who_and_when_the_same_in_each_replay() -> None:
    async def curious(context: Context) -> Any:
        seen = [context.new_uuid(), context.current_utc_datetime]
        await context.call_activity("a")
        seen += [str(context.new_guid()), context.current_utc_datetime]
        seen += [context.name, context.version, context.instance_id, context.parent_instance_id]
        return [*seen, context.will_continue_as_new]

    run = Driven(curious, version="v7")
    run.turn()
    first = run.turn(done(0), after=60).output
    assert first is not None
    assert '"2026-03-01T12:00:01Z"' in first or '"2026-03-01T12:00:01+00:00"' in first
    assert '"curious","v7","instance",null,false' in first
    assert first.split(",")[0] != first.split(",")[2]
    again = Driven(curious, version="v7")
    again.turn()
    assert again.turn(done(0), after=60).output == first


def test_a_new_execution_gets_other_uuids() -> None:
    async def unique(context: Context) -> Any:
        context.set_custom_status(context.new_uuid())
        await context.call_activity("a")
        context.continue_as_new()

    run = Driven(unique)
    first = run.turn().custom_status
    run.turn(done(0))
    assert run.turn().custom_status != first


def test_the_custom_status_is_any_json_and_stays() -> None:
    async def showy(context: Context) -> Any:
        context.set_custom_status({"step": 1})
        await context.call_activity("a")
        assert context.custom_status == {"step": 1}
        await context.call_activity("b")

    run = Driven(showy)
    assert run.turn().custom_status == '{"step":1}'
    assert run.turn(done(0)).custom_status == '{"step":1}'
    assert run.turn(done(1)).custom_status == '{"step":1}'


def test_a_replay_safe_logger_speaks_once(caplog: pytest.LogCaptureFixture) -> None:
    replays = []

    async def chatty(context: Context) -> Any:
        log = context.create_replay_safe_logger(logging.getLogger("chatty"))
        log.warning("begun", extra={"more": 1})
        await context.call_activity("a")
        replays.append(context.is_replaying)
        log.warning("step %d", 2)
        await context.call_activity("b")

    run = Driven(chatty)
    run.execution.turn([], now=datetime(2026, 1, 1, tzinfo=UTC), nonce="n")
    assert [r.getMessage() for r in caplog.records] == ["begun"]
    assert caplog.records[0].instance_id == "instance"  # type: ignore[attr-defined]
    assert caplog.records[0].more == 1  # type: ignore[attr-defined]
    run = Driven(chatty)
    run.turn()
    run.turn(done(0))
    caplog.clear()
    replays.clear()
    run.replay()
    assert caplog.records == []
    assert replays == [True]


def test_what_came_before_a_scheduled_start_is_taken_in_its_order() -> None:
    async def job(context: Context) -> Any:
        return 1

    run = Driven(job)
    arrivals = [
        Arrival(ExecutionSuspended("first")),
        Arrival(ExecutionSuspended("again")),
        Arrival(ExecutionResumed("resume")),
    ]
    run.execution.take(arrivals, now=run.now, scheduled=True)
    assert run.execution.commit(nonce="n").status == Status.COMPLETED
