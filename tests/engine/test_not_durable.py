"""Awaiting anything else fails at once, and says where and what to write instead."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from typing import Any

import pytest

from durable.engine.context import DurableOrchestrationContext as Context
from durable.errors import NotDurableError
from durable.model.failure import FailureDetails
from durable.runtime.loopless import without_event_loop
from tests.engine.driving import Driven

ADVICE = (
    "Use context.create_timer instead of sleeping, context.call_activity for I/O, and "
    "context.when_all or when_any to wait for several tasks"
)


def failure_of(function: Callable[..., Any]) -> FailureDetails:
    with without_event_loop():
        failure = Driven(function).turn().failure
    assert failure is not None
    return failure


async def sleeps(context: Context) -> Any:
    await asyncio.sleep(1)


async def sleeps_a_moment(context: Context) -> Any:
    await asyncio.sleep(0)


async def gathers(context: Context) -> Any:
    await asyncio.gather(context.call_activity("a"), context.call_activity("b"))


async def helper() -> None:
    await asyncio.sleep(1)


async def sleeps_in_a_helper(context: Context) -> Any:
    await context.call_activity("a") if context.get_input() else await helper()


async def waits_for_a_task(context: Context) -> Any:
    await asyncio.wait_for(context.call_activity("a"), 1)


USES = "an orchestrator uses asyncio here, which replay cannot repeat. "
AWAITS = "an orchestrator awaits something that is not a durable task. "


@pytest.mark.parametrize(
    ("function", "line", "what"),
    [
        (sleeps, sleeps.__code__.co_firstlineno + 1, USES),
        (sleeps_a_moment, sleeps_a_moment.__code__.co_firstlineno + 1, AWAITS),
        (sleeps_in_a_helper, helper.__code__.co_firstlineno + 1, USES),
        (waits_for_a_task, waits_for_a_task.__code__.co_firstlineno + 1, USES),
    ],
)
async def test_asyncio_fails_at_its_line(
    function: Callable[..., Any], line: int, what: str
) -> None:
    failure = failure_of(function)
    assert failure.error_type == "durable.errors.NotDurableError"
    assert failure.message == f"{__file__}:{line}: {what}{ADVICE}"


@pytest.mark.filterwarnings("ignore:coroutine .*_wrap_awaitable.* was never awaited")
@pytest.mark.filterwarnings("ignore:There is no current event loop")
async def test_gathering_durable_tasks_fails_too() -> None:
    failure = failure_of(gathers)
    assert failure.error_type == "durable.errors.NotDurableError"
    assert f"{__file__}:{gathers.__code__.co_firstlineno + 1}" in failure.message


async def test_awaiting_a_future_of_the_loop() -> None:
    loop = asyncio.get_running_loop()

    async def waits(context: Context) -> Any:
        await loop.create_future()

    line = waits.__code__.co_firstlineno + 1
    assert failure_of(waits).message == (
        f"{__file__}:{line}: an orchestrator awaits a Future that is not a durable task. {ADVICE}"
    )


def test_a_generator_that_yields_something_else() -> None:
    def yields(context: Context) -> Generator[Any, Any, Any]:
        yield context.call_activity
        raise AssertionError("not reached")

    line = yields.__code__.co_firstlineno + 1
    assert failure_of(yields).message == (
        f"{__file__}:{line}: an orchestrator yields a method that is not a durable task. {ADVICE}"
    )


def test_an_article_fits_its_noun() -> None:
    def yields(context: Context) -> Generator[Any, Any, Any]:
        yield 7

    assert "an orchestrator yields an int that" in failure_of(yields).message


def test_it_cannot_be_swallowed_once_awaited() -> None:
    async def stubborn(context: Context) -> Any:
        try:
            await asyncio.sleep(0)
        except Exception:
            return "swallowed"

    assert failure_of(stubborn).is_caused_by(NotDurableError)


async def test_the_loop_is_back_afterwards() -> None:
    loop = asyncio.get_running_loop()
    with without_event_loop(), pytest.raises(RuntimeError, match="no running event loop"):
        asyncio.get_running_loop()
    assert asyncio.get_running_loop() is loop
    with pytest.raises(KeyError), without_event_loop():
        raise KeyError
    assert asyncio.get_running_loop() is loop


def test_without_a_loop_nothing_changes() -> None:
    with without_event_loop(), pytest.raises(RuntimeError):
        asyncio.get_running_loop()
