"""Updates: events that are answered, by a handler or by the code that takes them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from durable.codec import encode
from durable.engine.context import DurableOrchestrationContext as Context
from durable.engine.execution import Execution
from durable.errors import (
    InvalidRequestError,
    NonDeterminismError,
    PayloadError,
    TaskFailedError,
)
from durable.model.commit import Commit
from durable.model.events import (
    Arrival,
    ContinueAsNew,
    EventSent,
    ExecutionResumed,
    ExecutionRewound,
    ExecutionSuspended,
    TaskScheduled,
    TimerFired,
    UpdateAnswered,
    UpdateRequested,
)
from durable.model.instance import OrchestrationRuntimeStatus as Status
from tests.engine.driving import Driven, done, event, failed


def update(name: str, data: object = None, message: str = "u") -> UpdateRequested:
    return UpdateRequested(name, message, None if data is None else encode(data))


def answers(commit: Commit) -> list[tuple[str, str]]:
    """Who was answered what by a turn; a refusal's type and message."""
    events = (*commit.turn.closing, *commit.turn.events)
    return [
        (e.message_id, str(e.result if e.failure is None else e.failure))
        for e in events
        if isinstance(e, UpdateAnswered)
    ]


async def cart(context: Context) -> Any:
    items: list[str] = []

    @context.on_update("add")
    def add(item: str) -> int:
        if item in items:
            raise ValueError(f"{item} is in the cart")
        items.append(item)
        return len(items)

    context.set_update_handler("clear", items.clear)
    await context.call_activity("a")
    checkout = await context.wait_for_update("Checkout", list[str])
    context.send_event("shop", "sold", items)
    checkout.answer([*items, *checkout.data])
    await context.call_activity("b")
    return items


def test_a_handler_answers_what_arrives_and_what_came_before_it() -> None:
    run = Driven(cart)
    first = run.turn(update("ADD", "x", "1"))
    assert answers(first) == [("1", "1")]
    assert first.answers == ("1",)
    refused = run.turn(update("add", "x", "2"), update("add", "y", "3"), update("add", 7, "4"))
    assert answers(refused) == [
        ("2", "ValueError: x is in the cart"),
        ("3", "2"),
        ("4", "durable.errors.PayloadError: $: expected str, got the number 7"),
    ]
    assert answers(run.turn(update("clear", message="5"))) == [("5", "null")]
    assert run.turn(update("add", "x", "3")).answers == (), "a repeat is answered once"


def test_the_code_takes_an_update_and_answers_in_the_order_of_what_it_does() -> None:
    run = Driven(cart)
    run.turn(update("add", "x", "1"), update("checkout", ["y"], "2"))
    taken = run.turn(done(0))
    assert answers(taken) == [("2", '["x","y"]')]
    kinds = [type(e) for e in taken.turn.events[1:]]
    assert kinds == [EventSent, UpdateAnswered, TaskScheduled]
    assert run.turn(done(2)).output == '["x"]'


def test_data_that_does_not_fit_is_refused_and_the_next_one_is_taken() -> None:
    run = Driven(cart)
    run.turn(done(0))
    run.turn(update("checkout", 1, "1"), done(0))
    assert [who for who, _ in answers(run.commits[-1])] == ["1"]
    assert answers(run.turn(update("checkout", [], "2"))) == [("2", "[]")]


def test_an_answer_may_come_later_and_once_or_as_a_refusal() -> None:
    async def slow(context: Context) -> Any:
        first = await context.wait_for_update("x")
        second = await context.wait_for_update("x")
        await context.call_activity("a")
        second.reject("not now")
        with pytest.raises(PayloadError):
            first.answer(object())
        first.reject(LookupError("gone"))
        with pytest.raises(InvalidRequestError, match="answered already"):
            first.answer(1)
        assert (first.is_answered, first.update_id, first.name) == (True, "1", "x")

    run = Driven(slow)
    assert answers(run.turn(update("x", message="1"), update("X", message="2"))) == []
    last = run.turn(done(0))
    assert answers(last) == [("2", "durable.Rejected: not now"), ("1", "LookupError: gone")]
    assert last.status == Status.COMPLETED


def test_with_a_timeout_the_wait_ends_and_the_next_waiter_gets_it() -> None:
    async def limited(context: Context) -> Any:
        try:
            await context.wait_for_update("x", timeout=timedelta(minutes=5))
        except TimeoutError as error:
            said = str(error)
        later = await context.wait_for_update("x", timeout=timedelta(minutes=5))
        later.answer(said)

    run = Driven(limited)
    run.turn()
    run.turn(TimerFired(0), after=300)
    assert answers(run.turn(update("x"))) == [("u", "\"no update 'x' came within 0:05:00\"")]


def test_one_name_has_a_handler_or_waiters() -> None:
    async def both(context: Context) -> Any:
        context.set_update_handler("x", lambda: None)
        with pytest.raises(InvalidRequestError, match="has a handler"):
            context.wait_for_update("X")
        context.wait_for_update("y")
        with pytest.raises(InvalidRequestError, match="is awaited"):
            context.set_update_handler("Y", lambda: None)

    assert Driven(both).turn().status == Status.COMPLETED


async def _coroutine(value: object) -> None: ...


def test_a_handler_that_wants_to_wait_is_told_what_waits() -> None:
    async def calls(context: Context) -> Any:
        context.set_update_handler("x", lambda: context.call_activity("a"))
        await context.wait_for_external_event("e")

    ((_, said),) = answers(Driven(calls).turn(update("x")))
    assert "taken with wait_for_update" in said


def test_a_timeout_that_is_none_is_refused_and_leaves_no_waiter() -> None:
    async def waits(context: Context) -> Any:
        wrong: Any = 5
        for wait in (context.wait_for_update, context.wait_for_external_event):
            with pytest.raises(InvalidRequestError, match="timeout is a timedelta or a datetime"):
                wait("x", timeout=wrong)
        event = await context.wait_for_external_event("x")
        taken = await context.wait_for_update("x")
        taken.answer(event)

    run = Driven(waits)
    run.turn()
    run.turn(event("x", 1))
    assert answers(run.turn(update("x"))) == [("u", "1")]


@pytest.mark.parametrize("handler", [None, 7, _coroutine, lambda a, b: None, lambda *, key: None])
def test_what_cannot_answer_is_refused_where_it_is_set(handler: Any) -> None:
    async def wrong(context: Context) -> Any:
        for setting in (context.set_update_handler, context.set_query_handler):
            with pytest.raises(InvalidRequestError, match="is answered by a"):
                setting("x", handler)
            with pytest.raises(InvalidRequestError, match="has a name"):
                setting("", lambda: None)
        for decorator in (context.on_update, context.on_query):
            with pytest.raises(InvalidRequestError, match="has a name"):
                decorator(lambda: None)  # type: ignore[arg-type]

    assert Driven(wrong).turn().status == Status.COMPLETED


async def rounds(context: Context) -> Any:
    number = context.get_input(int)
    if number == 0:
        await context.wait_for_update("x")
        context.continue_as_new(1)
        return
    taken = await context.wait_for_update("x")
    taken.answer(number)


def test_a_new_generation_gets_what_nobody_took_and_what_was_taken_is_refused() -> None:
    run = Driven(rounds, 0)
    last = run.turn(*(update("x", message=str(n)) for n in range(2)))
    assert answers(last) == [
        ("0", "durable.Unanswered: the orchestration continued as new without answering")
    ]
    assert isinstance(last.turn.closing[-1], ContinueAsNew)
    assert last.answers == ("0",)
    assert answers(run.turn()) == [("1", "1")]


def test_a_suspended_one_answers_once_it_is_resumed() -> None:
    run = Driven(cart)
    run.turn()
    assert answers(run.turn(ExecutionSuspended("s"), update("add", "x", "1"))) == []
    assert answers(run.turn(ExecutionResumed("r"))) == [("1", "1")]


def test_answers_are_held_against_history() -> None:
    async def silent(context: Context) -> Any:
        await context.call_activity("a")

    async def refusing(context: Context) -> Any:
        @context.on_update("add")
        def add(item: str) -> int:
            raise ValueError("no more")

        await context.call_activity("a")

    run = Driven(cart)
    run.turn(update("add", "x", "1"))
    with pytest.raises(NonDeterminismError, match=r"answering update 'add' \(1\)"):
        run.replay(silent)
    with pytest.raises(NonDeterminismError, match="the code has refusing update 'add'"):
        run.replay(refusing)


async def fragile(context: Context) -> Any:
    @context.on_update("x")
    def x() -> int:
        return 1

    try:
        await context.call_activity("a")
    except TaskFailedError:
        taken = await context.wait_for_update("y")
        taken.answer("after the failure")
        raise
    taken = await context.wait_for_update("y")
    taken.answer("after the rewind")


def test_what_was_answered_before_a_rewind_is_not_answered_again() -> None:
    run = Driven(fragile)
    run.turn(update("x", message="1"), update("y", message="2"))
    last = run.turn(failed(0))
    assert (last.status, last.answers) == (Status.FAILED, ("2",))
    history = [*run.history]
    execution = run.execution.failed(run.definition, "instance", run.first, None, history).rewound(
        ExecutionRewound("r"), run.now
    )
    commit = execution.commit(nonce="n")
    turn = execution.turn([], now=run.now, nonce="m")
    assert commit.answers == turn.answers == ()
    again = Execution.replay(run.definition, "instance", run.first, None, [*history, commit.turn])
    ended = again.turn([Arrival(done(0), run.first.execution_id)], now=run.now, nonce="k")
    assert (ended.status, ended.answers) == (Status.COMPLETED, ())
    assert answers(ended) == [("2", '"after the rewind"')]
