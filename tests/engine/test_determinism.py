"""What is said when code and history part, and which histories replay."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from durable.engine.context import DurableOrchestrationContext as Context
from durable.engine.execution import Execution
from durable.errors import NonDeterminismError
from durable.model.events import ExecutionTerminated
from tests.engine.driving import Driven, done, event

HOUR = timedelta(hours=1)


async def code(context: Context) -> Any:
    await context.call_activity("a")
    timer = context.create_timer(HOUR)
    await context.call_activity("b")
    timer.cancel()
    context.send_event("other", "go")
    await context.call_sub_orchestrator("child")
    return "end"


def running() -> Driven:
    run = Driven(code)
    run.turn()
    run.turn(done(0))
    run.turn(done(2))
    return run


def complaint(run: Driven, changed: Callable[..., Any]) -> str:
    with pytest.raises(NonDeterminismError) as caught:
        run.replay(changed)
    text = str(caught.value)
    begin = "orchestrator 'code' of instance 'instance' does not fit its history: "
    assert text.startswith(begin)
    assert text.endswith(
        "The code was changed, or depends on something that is not recorded; restore it, or give "
        "the change a new version, and the instance goes on"
    )
    error = caught.value
    said = f"history has {error.expected}, the code has {error.actual}"
    assert text.removeprefix(begin).startswith(said)
    return said


def test_another_name_is_named() -> None:
    async def changed(context: Context) -> Any:
        await context.call_activity("renamed")

    assert complaint(running(), changed) == (
        "history has activity 'a' (task 0), the code has activity 'renamed' (task 0)"
    )


def test_a_call_added_before_another() -> None:
    async def changed(context: Context) -> Any:
        await context.call_activity("a")
        context.call_activity("new")
        context.create_timer(HOUR)
        await context.call_activity("b")

    assert complaint(running(), changed) == (
        "history has a timer (task 1), the code has activity 'new' (task 1)"
    )


def test_a_call_removed() -> None:
    async def changed(context: Context) -> Any:
        await context.call_activity("a")
        await context.wait_for_external_event("never")

    assert complaint(running(), changed) == "history has a timer (task 1), the code has waited"


def test_a_call_added_at_the_end() -> None:
    async def changed(context: Context) -> Any:
        await code(context.__class__(context._decider))

    async def longer(context: Context) -> Any:
        child = code(context)
        child.send(None)
        context.call_activity("more")
        await context.call_activity("even more")

    run = Driven(code)
    run.turn()
    assert complaint(run, longer) == (
        "history has nothing more, the code has activity 'more' (task 1)"
    )
    assert run.replay(changed).sequence == 1


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("returns", "history has a timer (task 1), the code has returned"),
        ("raises", "history has a timer (task 1), the code has failed with KeyError: 'x'"),
        ("continues", "history has a timer (task 1), the code has continued as new"),
    ],
)
def test_code_that_ends_too_early(name: str, expected: str) -> None:
    async def changed(context: Context) -> Any:
        await context.call_activity("a")
        if name == "raises":
            raise KeyError("x")
        if name == "continues":
            context.continue_as_new()

    assert complaint(running(), changed) == expected


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (("no cancel",), "cancelling timer 1, the code has event 'go' to 'other' (task 3)"),
        (("another target",), "event 'go' to 'other' (task 3), the code has event 'go' to 'me'"),
        (
            ("activity for child",),
            "sub-orchestration 'child' (task 4), the code has activity 'child' (task 4)",
        ),
        (("timer for activity",), "activity 'b' (task 2), the code has a timer (task 2)"),
    ],
)
def test_each_kind_of_decision_is_told_apart(edit: tuple[str], expected: str) -> None:
    async def changed(context: Context) -> Any:
        await context.call_activity("a")
        timer = context.create_timer(HOUR)
        if "timer for activity" in edit:
            await context.create_timer(HOUR)
        await context.call_activity("b")
        if "no cancel" not in edit:
            timer.cancel()
        context.send_event("me" if "another target" in edit else "other", "go")
        if "activity for child" in edit:
            await context.call_activity("child")
        await context.call_sub_orchestrator("child")

    assert expected in complaint(running(), changed)


def test_inputs_and_times_may_change() -> None:
    async def changed(context: Context) -> Any:
        await context.call_activity("a", "another input")
        timer = context.create_timer(2 * HOUR)
        await context.call_activity("b")
        timer.cancel()
        context.send_event("other", "go", "other data")
        await context.call_sub_orchestrator("child", "another input")

    run = running()
    fire_at = run.now - timedelta(seconds=1) + HOUR
    assert run.replay(changed).sequence == 3
    again = Driven(code)
    again.turn()
    again.turn(done(0))
    # history's time is the one that counts
    assert again.replay(changed).next_timer() == fire_at


# ---- histories that have ended ----


async def ends(context: Context) -> Any:
    kind = context.get_input()
    await context.call_activity("a")
    if kind == "continue" and await context.wait_for_external_event("go"):
        context.continue_as_new("return")
    if kind == "fail":
        raise ValueError("no")
    return kind


def ended(kind: str) -> Driven:
    run = Driven(ends, kind)
    run.turn()
    run.turn(done(0), event("go", True))
    return run


def replay_ended(run: Driven, function: Callable[..., Any]) -> Execution:
    run.history, run.first = run.finished[0], run.finished[0][0].events[0]  # type: ignore[assignment]
    return run.replay(function)


@pytest.mark.parametrize("kind", ["return", "fail", "continue"])
def test_an_ended_execution_replays_to_its_end(kind: str) -> None:
    execution = replay_ended(ended(kind), ends)
    assert execution.sequence == 2
    assert execution.is_open is False


@pytest.mark.parametrize(
    ("kind", "instead", "expected"),
    [
        ("return", "fail", "history has the end, the code has failed with ValueError: no"),
        ("return", "continue", "history has the end, the code has continued as new"),
        ("return", "wait", "history has the end, the code has waited"),
        ("return", "more", "history has the end, the code has activity 'more' (task 1)"),
        ("fail", "return", "history has a failure, the code has returned"),
        ("continue", "return", "history has continue-as-new, the code has returned"),
    ],
)
def test_an_ending_must_match(kind: str, instead: str, expected: str) -> None:
    async def changed(context: Context) -> Any:
        await context.call_activity("a")
        if instead == "more":
            await context.call_activity("more")
        if instead in ("continue", "wait"):
            await context.wait_for_external_event("go" if instead == "continue" else "never")
            context.continue_as_new()
        if instead == "fail":
            raise ValueError("no")

    with pytest.raises(NonDeterminismError) as caught:
        replay_ended(ended(kind), changed)
    assert expected in str(caught.value)


def test_a_terminated_execution_replays_whatever_the_code_was_about_to_do() -> None:
    run = Driven(code)
    run.turn()
    run.turn(done(0), ExecutionTerminated("t"))

    async def changed(context: Context) -> Any:
        await context.call_activity("a")
        await context.call_activity("another")

    assert run.replay(changed).sequence == 2


def test_an_ending_that_waited_replays() -> None:
    run = Driven(ends, "return")
    run.turn()
    run.turn(done(0), more=True)
    assert run.replay().needs_inbox
    run.turn(event("late"))
    assert run.replay().sequence == 3
