"""What apps take from `durabletask.task` besides contexts, retries and the two `when_`s."""

from __future__ import annotations

import logging
from collections.abc import Generator
from datetime import timedelta
from typing import Any

import pytest

import durable as df
from durable.compat.v2.worker import TaskHubGrpcWorker
from tests.compat.running import aliased, hub_of, result

with aliased():
    from durabletask import entities, task  # type: ignore[import-not-found]

Code = Generator[Any, Any, Any]


def functions() -> TaskHubGrpcWorker:
    worker = TaskHubGrpcWorker()

    def double(ctx: task.ActivityContext, value: int) -> int:
        return value * 2

    worker.add_activity(double)
    return worker


async def test_a_logger_is_silent_while_history_is_replayed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    worker = functions()
    seen: list[tuple[bool, bool]] = []

    def steps(ctx: task.OrchestrationContext, _: Any) -> Code:
        log = ctx.create_replay_safe_logger(logging.getLogger("tests.compat"))
        assert isinstance(log, task.ReplaySafeLogger)
        log.warning("begun as %s", ctx.instance_id)
        first = yield ctx.call_activity("double", input=1)
        seen.append((ctx.is_replaying, log.isEnabledFor(logging.WARNING)))
        event = yield ctx.wait_for_external_event("go")
        log.error("going on with %s", event)
        return first + event

    worker.add_orchestrator(steps)
    async with hub_of(worker.app) as hub:
        with caplog.at_level(logging.WARNING, "tests.compat"):
            await hub.client.start_new("steps", "one")
            await hub.run(5)
            await hub.kill(hub.runtimes[0])
            await hub.add_runtime(worker.app.durable.registry)
            await hub.outside.raise_event("one", "go", 3)
            assert result(await hub.wait("one")) == 5
    messages = [each.message for each in caplog.records if each.name == "tests.compat"]
    assert messages == ["begun as one", "going on with 3"]
    assert seen == [(False, True), (True, False)]


async def test_code_that_does_not_fit_its_history_is_named() -> None:
    def before(ctx: task.OrchestrationContext, _: Any) -> Code:
        yield ctx.call_activity("double", input=1)
        yield ctx.wait_for_external_event("go")

    def after(ctx: task.OrchestrationContext, _: Any) -> Code:
        yield ctx.create_timer(timedelta(hours=1))

    first, second = functions(), functions()
    before.__name__ = after.__name__ = "flow"
    first.add_orchestrator(before)
    second.add_orchestrator(after)
    async with hub_of(first.app) as hub:
        await hub.client.start_new("flow", "one")
        await hub.run(5)
        await hub.kill(hub.runtimes[0])
        await hub.add_runtime(second.app.durable.registry)
        await hub.outside.raise_event("one", "go")
        await hub.run(30)
        status = await hub.outside.get_status("one")
        assert status is not None
        assert str(status.runtime_status) == "Stuck"
        assert status.failure is not None
        assert status.failure.is_caused_by(task.NonDeterminismError)
    assert issubclass(task.NonDeterminismError, Exception)
    assert task.NonDeterminismError is df.NonDeterminismError


async def test_tasks_that_can_be_given_up() -> None:
    worker = functions()
    told: list[str] = []

    def giving_up(ctx: task.OrchestrationContext, _: Any) -> Code:
        mine: task.CancellableTask[int] = task.CancellableTask()
        mine.set_cancel_handler(lambda: told.append("cancelled"))
        done = task.CancellableTask(int)
        done.complete(7)
        assert not done.cancel()
        race = task.when_any([mine, ctx.create_timer(timedelta(hours=1))])
        assert isinstance(race, task.WhenAnyTask)
        assert race.get_tasks()[0] is mine
        assert not race.is_complete
        assert mine.cancel()
        assert mine.is_cancelled
        assert mine.is_complete
        assert not mine.is_failed
        assert not mine.cancel()
        winner = yield race
        with pytest.raises(task.TaskCancelledError):
            mine.get_result()
        with pytest.raises(ValueError, match="already completed"):
            mine.complete(1)
        assert not done.is_cancelled
        return [winner is mine, done.get_result()]

    worker.add_orchestrator(giving_up)
    async with hub_of(worker.app) as hub:
        await hub.client.start_new("giving_up", "one")
        assert result(await hub.wait("one")) == [True, 7]
    assert told == ["cancelled"]


async def test_the_first_of_several_is_the_task_itself() -> None:
    worker = functions()

    def race(ctx: task.OrchestrationContext, _: Any) -> Code:
        call = ctx.call_activity("double", input=4)
        late = ctx.wait_for_external_event("never")
        first: task.WhenAnyTask[int] = task.when_any([late, call])
        with pytest.raises(ValueError, match="not completed"):
            first.get_result()
        winner = yield first
        assert first.get_result() is first.result is winner
        again = yield task.WhenAnyTask([winner, late])
        return [winner is call, again is winner, winner.get_result(), late.is_complete]

    worker.add_orchestrator(race)
    async with hub_of(worker.app) as hub:
        await hub.client.start_new("race", "one")
        assert result(await hub.wait("one")) == [True, True, 8, False]


def test_names_of_functions_and_of_entities() -> None:
    class Cart(entities.DurableEntity):  # type: ignore[misc]
        pass

    def add(ctx: task.EntityContext, amount: int) -> int:
        return amount

    def named(ctx: task.EntityContext, amount: int) -> int:
        return amount

    named.__durable_entity_name__ = "Basket"  # type: ignore[attr-defined]
    assert [task.get_entity_name(each) for each in (Cart, add, named)] == ["Cart", "add", "Basket"]
    assert task.get_name(add) == "add"
    for name in (task.get_name, task.get_entity_name):
        with pytest.raises(ValueError, match="lambda"):
            name(lambda ctx, given: given)


def test_the_types_of_functions_take_parameters() -> None:
    step: task.Activity[int, str] = lambda ctx, value: str(value)  # noqa: E731
    flow: task.Orchestrator[int, str] = lambda ctx, value: step(ctx, value)  # noqa: E731
    assert flow(None, 3) == "3"
    assert task.Activity[int, str].__args__ == (task.ActivityContext, int, str)
    for generic in (task.Task, task.CompositeTask, task.CompletableTask, task.CancellableTask):
        assert generic[int].__args__ == (int,)
    assert task.WhenAllTask[int].__origin__ is task.WhenAllTask
    assert task.WhenAnyTask[int].__origin__ is task.WhenAnyTask
    assert task.Entity[int, str]
