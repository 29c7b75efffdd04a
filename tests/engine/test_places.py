"""A mismatch names the line of the orchestrator, however far down it was asked for."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from durable.compat.faces import orchestrator_face
from durable.engine import decider as deciding
from durable.engine.context import DurableOrchestrationContext as Context
from durable.engine.execution import Execution
from durable.errors import NonDeterminismError
from durable.model.events import ExecutionStarted
from durable.model.failure import FailureDetails
from durable.model.functions import OrchestratorDefinition
from durable.model.retry import RetryPolicy
from tests.engine.driving import Driven, done, failed

HOUR = timedelta(hours=1)


async def code(context: Context) -> Any:
    await context.call_activity("a")
    await context.call_activity("b")
    return "end"


def history() -> Driven:
    run = Driven(code)
    run.turn()
    run.turn(done(0))
    return run


def mismatch(changed: Callable[..., Any], run: Driven | None = None) -> NonDeterminismError:
    run = run or history()
    definition = OrchestratorDefinition("code", changed, orchestrator_face(changed, None))
    started = ExecutionStarted("code", "execution-0")
    with pytest.raises(NonDeterminismError) as caught:
        Execution.replay(definition, "instance", started, None, run.history)
    return caught.value


def expect(error: NonDeterminismError, text: str, function: Callable[..., Any]) -> None:
    place = error.place
    assert place is not None
    assert (place.file, place.text, place.function) == (__file__, text, function.__qualname__)
    lines, first = inspect.getsourcelines(function)
    assert lines[place.line - first].strip() == text
    assert f" {place.file}:{place.line}, in {place.function}: {text}. The code" in str(error)


async def through(context: Context) -> Any:
    return await helper(context)


async def helper(context: Context) -> Any:
    return await asks(context)


def asks(context: Context) -> Any:
    return context.call_activity("other")


def test_a_call_in_a_helper_of_a_helper() -> None:
    expect(mismatch(through), 'return context.call_activity("other")', asks)


def test_the_call_and_not_the_await_that_came_later() -> None:
    async def changed(context: Context) -> Any:
        tasks = [context.call_activity("a")]
        tasks.append(context.call_activity("c"))
        await context.task_all(tasks)

    expect(mismatch(changed), 'tasks.append(context.call_activity("c"))', changed)


def test_where_code_waits_that_decides_nothing_more() -> None:
    async def waits(context: Context) -> Any:
        await context.wait_for_external_event("go")

    async def changed(context: Context) -> Any:
        await context.call_activity("a")
        await waits(context)

    error = mismatch(changed)
    expect(error, 'await context.wait_for_external_event("go")', waits)
    assert (error.expected, error.actual, error.turn) == ("activity 'b' (task 1)", "waited", 1)


def test_where_it_waits_for_several() -> None:
    async def changed(context: Context) -> Any:
        await context.call_activity("a")
        tasks = [context.wait_for_external_event("go")]
        return await context.task_any(tasks)

    expect(mismatch(changed), "return await context.task_any(tasks)", changed)


async def test_in_a_generator_that_yields_from_another() -> None:
    def inner(context: Any) -> Any:
        yield context.call_activity("a")
        yield context.wait_for_external_event("go")

    def changed(context: Any) -> Any:
        yield from inner(context)

    expect(mismatch(changed), 'yield context.wait_for_external_event("go")', inner)

    def asking(context: Any) -> Any:
        yield context.call_activity("z")

    expect(mismatch(asking), 'yield context.call_activity("z")', asking)


def test_of_two_arguments() -> None:
    def changed(context: Any, value: Any) -> Any:
        yield context.call_activity("z", input=value)

    expect(mismatch(changed), 'yield context.call_activity("z", input=value)', changed)


def test_code_that_fails() -> None:
    def breaks() -> None:
        raise KeyError("x")

    async def changed(context: Context) -> Any:
        await context.call_activity("a")
        breaks()

    error = mismatch(changed)
    expect(error, 'raise KeyError("x")', breaks)
    assert error.actual == "failed with KeyError: 'x'"


def test_code_that_returns_too_early_is_named_by_its_last_wait() -> None:
    async def changed(context: Context) -> Any:
        await context.call_activity("a")
        return "done"

    error = mismatch(changed)
    expect(error, 'await context.call_activity("a")', changed)
    assert "the code has returned after " in str(error)


def test_a_plain_function_that_returns_at_once_has_no_line() -> None:
    error = mismatch(lambda context: "done")
    assert error.place is None
    assert "the code has returned. The code was" in str(error)


def test_the_next_attempt_is_where_the_code_waits_for_it() -> None:
    retry = RetryPolicy(first_retry_interval=timedelta(0), max_number_of_attempts=2)

    async def once(context: Context) -> Any:
        try:
            await context.call_activity("a")
        except Exception:
            await context.call_activity("b")

    async def changed(context: Context) -> Any:
        await context.call_activity("a", retry=retry)

    run = Driven(once)
    run.turn()
    run.turn(failed(0))
    error = mismatch(changed, run)
    expect(error, 'await context.call_activity("a", retry=retry)', changed)
    assert error.actual == "activity 'a' (task 1)"


def test_in_a_critical_section() -> None:
    from durable.model.entities import EntityId

    async def locking(context: Context) -> Any:
        async with context.lock_entities([EntityId("counter", "a")]):
            await context.call_activity("a")

    error = mismatch(locking)
    expect(error, 'async with context.lock_entities([EntityId("counter", "a")]):', locking)


def test_what_is_awaited_in_asyncio_is_said_where_it_is_awaited() -> None:
    import asyncio

    async def changed(context: Context) -> Any:
        await context.call_activity("a")
        await asyncio.sleep(0)

    error = mismatch(changed)
    assert "test_places.py" in error.actual
    assert error.actual.startswith("failed with durable.errors.NotDurableError")


def test_code_that_differs_from_run_to_run_is_reported_all_the_same() -> None:
    runs: list[str] = []

    async def changed(context: Context) -> Any:
        runs.append("run")
        name = "a" if len(runs) == 2 else "z"
        await context.call_activity(name)
        await context.call_activity("b")

    error = mismatch(changed)
    assert len(runs) == 2
    assert (error.expected, error.actual, error.place) == (
        "activity 'a' (task 0)",
        "activity 'z' (task 0)",
        None,
    )


def test_no_mismatch_brings_its_first_report_along() -> None:
    async def changed(context: Context) -> Any:
        await context.call_activity("z")

    assert FailureDetails.from_exception(mismatch(changed)).inner_failure is None


def test_nothing_looks_for_lines_while_all_is_well(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        raise AssertionError("a stack was walked")

    for name in ("asking", "standing", "raising"):
        monkeypatch.setattr(deciding, name, never)
    run = history()
    run.turn(done(1))
    assert run.last.status.is_terminal
