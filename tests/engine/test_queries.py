"""Queries: a handler reads the state that history folds to, and nothing comes of what it does."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

import pytest

from durable.engine.answering import LONGEST_ANSWER, UNKNOWN_QUERY, QueryAnswer, ask
from durable.engine.context import DurableOrchestrationContext as Context
from durable.model.instance import OrchestrationRuntimeStatus as Status
from tests.engine.driving import Driven, done, event


@dataclass
class Span:
    first: int
    last: int


async def steps(context: Context) -> Any:
    seen: list[str] = []
    context.set_query_handler("seen", lambda: seen)

    @context.on_query("Part")
    def part(span: Span) -> list[str]:
        return seen[span.first : span.last]

    @context.on_query("spoil")
    def spoil(value: str = "z") -> int:
        seen.append(value)
        return len(seen)

    for _ in range(3):
        seen.append(await context.wait_for_external_event("e", str))
    return seen


def yields(context: Context) -> Generator[Any, Any, Any]:
    seen: list[str] = []
    context.set_query_handler("seen", lambda: seen)
    for _ in range(3):
        seen.append((yield context.wait_for_external_event("e", str)))
    return seen


def asked(run: Driven, name: str, text: str | None = None) -> QueryAnswer:
    execution = run.replay()
    try:
        return ask(execution.decider, name, text)
    finally:
        execution.close()


@pytest.mark.parametrize("code", [steps, yields])
def test_the_answer_is_the_state_as_it_is_then(code: Callable[..., Any]) -> None:
    run = Driven(code)
    run.turn()
    assert asked(run, "seen") == QueryAnswer("[]")
    run.turn(event("e", "a", "1"))
    run.turn(event("e", "b", "2"))
    assert asked(run, "SEEN") == QueryAnswer('["a","b"]')
    assert run.turn(event("e", "c", "3")).status == Status.COMPLETED
    assert asked(run, "seen") == QueryAnswer('["a","b","c"]')


def test_inputs_are_what_the_handler_says_and_its_changes_are_lost() -> None:
    run = Driven(steps)
    run.turn(event("e", "a", "1"), event("e", "b", "2"))
    assert asked(run, "part", '{"first":1,"last":2}') == QueryAnswer('["b"]')
    wrong = asked(run, "part", '{"first":"x","last":2}').failure
    assert wrong is not None
    assert "PayloadError: $.first" in str(wrong)
    assert asked(run, "spoil") == asked(run, "spoil", '"y"') == QueryAnswer("3")
    assert asked(run, "seen") == QueryAnswer('["a","b"]')


def test_an_unknown_query_is_told_which_there_are() -> None:
    run = Driven(steps)
    run.turn()
    failure = asked(run, "nothing").failure
    assert failure is not None
    assert failure.error_type == UNKNOWN_QUERY
    assert failure.message == (
        "orchestrator 'steps' answers no query 'nothing'; it has 'Part', 'seen', 'spoil'"
    )


async def doing(context: Context) -> Any:
    for name, act in {
        "activity": lambda: context.call_activity("b"),
        "child": lambda: context.call_sub_orchestrator("b"),
        "timer": lambda: context.create_timer(context.current_utc_datetime),
        "event": lambda: context.wait_for_external_event("e"),
        "send": lambda: context.send_event("i", "e"),
        "update": lambda: context.wait_for_update("u"),
        "status": lambda: context.set_custom_status(1),
        "again": lambda: context.continue_as_new(1),
        "handler": lambda: context.set_query_handler("x", lambda: 1),
    }.items():
        context.set_query_handler(name, act)
    context.set_query_handler("long", lambda: "x" * LONGEST_ANSWER)
    context.set_query_handler("raises", lambda: [][1])
    await context.call_activity("a")


def test_what_a_handler_begins_is_refused_and_nothing_comes_of_it() -> None:
    run = Driven(doing)
    run.turn()
    for name in ("activity", "child", "timer", "event", "send", "update", "status", "again"):
        failure = asked(run, name).failure
        assert failure is not None, name
        assert "its handler begins and changes nothing" in failure.message, name
    for name, said in (
        ("handler", "begins"),
        ("raises", "out of range"),
        ("long", "at most 200,000"),
    ):
        failure = asked(run, name).failure
        assert failure is not None
        assert said in failure.message
    assert run.turn(done(0)).outbox == ()
