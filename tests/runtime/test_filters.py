"""Workers that take some of an app's functions, and leave the rest to others, visibly."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from durable.engine.context import DurableOrchestrationContext as Context
from durable.engine.entities import EntityContext
from durable.errors import ConfigurationError
from durable.hub.rows import Head
from durable.model.entities import EntityId
from durable.model.filters import OrchestrationWorkItemFilter, WorkItemFilters
from durable.model.instance import OrchestrationRuntimeStatus as Status
from durable.runtime.options import RuntimeOptions
from durable.runtime.runtime import Runtime
from tests.memory_hub import MemoryHub
from tests.runtime.helpers import adder, nothing_left, status_of

ONE = EntityId("counter", "one")


def only(
    *orchestrations: str | OrchestrationWorkItemFilter,
    activities: tuple[str, ...] = (),
    entities: tuple[str, ...] = (),
) -> RuntimeOptions:
    return RuntimeOptions(filters=WorkItemFilters(orchestrations, activities, entities))


def app() -> tuple[MemoryHub, list[int]]:
    """`rare` and `other` answer their names, `chain` adds ten times; `counter` counts."""
    hub = MemoryHub(workers=0)
    ran = adder(hub)

    @hub.orchestrator
    async def rare(context: Context) -> Any:
        return context.name

    @hub.orchestrator
    async def other(context: Context) -> Any:
        return context.name

    @hub.orchestrator
    async def chain(context: Context) -> Any:
        value = 0
        for _ in range(10):
            value = await context.call_activity("add", value)
        return value

    @hub.entity
    def counter(context: EntityContext) -> Any:
        context.set_state(context.get_state(default=0) + 1)

    return hub, ran


def shown(hub: MemoryHub, *runtimes: Runtime) -> list[str]:
    """What is said from now on in any status."""
    found: list[str] = []
    for runtime in runtimes:
        update = runtime.hub.instances.update

        async def noting(head: Head, *reduced: Any, update: Any = update) -> Head:
            if head.waits_for:
                found.append(head.waits_for)
            stored: Head = await update(head, *reduced)
            return stored

        runtime.hub.instances.update = noting  # type: ignore[method-assign, assignment]
    return found


@pytest.mark.parametrize("lacking", [1, 3])
async def test_an_instance_gets_through_fast_where_one_of_several_takes_it(lacking: int) -> None:
    hub, _ = app()
    async with hub:
        # these receive first, each time
        others = [await hub.add_runtime(options=only("other")) for _ in range(lacking)]
        await hub.add_runtime(options=only("rare"))
        said = shown(hub, *others)
        before = hub.clock.now()
        await hub.outside.start_new("rare", "r")
        assert (await hub.wait("r")).output == '"rare"'
        assert hub.clock.now() - before <= timedelta(seconds=1)
        assert said == []
        await nothing_left(hub)


async def test_many_get_through_while_own_work_goes_on() -> None:
    hub, _ = app()
    async with hub:
        lacking = await hub.add_runtime(options=only("other"))
        await hub.add_runtime(options=only("rare"))
        before = hub.clock.now()
        for number in range(100):
            await hub.outside.start_new("rare", f"r{number}")
            await hub.outside.start_new("other", f"o{number}")
        for number in range(100):
            await hub.wait(f"r{number}")
            await hub.wait(f"o{number}")
        assert hub.clock.now() - before <= timedelta(seconds=20)
        assert lacking.turns.used == 0
        await nothing_left(hub)


async def test_who_starts_what_it_does_not_take_leaves_it_at_once() -> None:
    hub, _ = app()
    async with hub:
        lacking = await hub.add_runtime(options=only("other"))
        await hub.add_runtime(options=only("rare"))
        client = type(hub.outside)(hub.hub, ringer=lacking.ringer, registry=hub.registry)
        hub.tamper(lacking, before=_never_runs(hub))
        await client.start_new("rare", "r")
        await client.signal_entity(ONE, "add")
        assert (await hub.wait("r")).output == '"rare"'


def _never_runs(hub: MemoryHub) -> Any:
    async def before(name: str, args: tuple[Any, ...]) -> None:
        assert not (name == "send" and b'"guard"' in args[1])

    return before


async def test_what_nobody_takes_says_so_until_somebody_does(
    caplog: pytest.LogCaptureFixture,
) -> None:
    hub, _ = app()
    async with hub:
        await hub.add_runtime(options=only("other"))
        await hub.outside.start_new("rare", "r")
        await hub.outside.signal_entity(ONE, "add")
        await hub.until(lambda: _waits(hub, "r"), 10)
        status = await status_of(hub, "r")
        assert status.runtime_status == Status.PENDING
        assert status.waiting == "a worker that takes the orchestrator 'rare'"
        assert "a worker that takes the orchestrator 'rare'" in caplog.text
        await hub.run(1000)
        entity = await hub.outside.read_entity_state(ONE)
        assert entity is not None
        assert entity.waiting == "a worker that takes the entity 'counter'"
        # at most two messages each however long it takes
        assert await hub.messages() <= 4
        new = await hub.add_runtime(options=only("rare", entities=("counter",)))
        await new.sweep()
        assert (await hub.wait("r", timedelta(seconds=30))).waiting is None
        await hub.run(30)
        entity = await hub.outside.read_entity_state(ONE)
        assert entity is not None
        assert (entity.state, entity.waiting) == ("1", None)
        await nothing_left(hub)


async def test_a_version_may_have_a_worker_of_its_own() -> None:
    hub, _ = app()
    async with hub:
        await hub.add_runtime(options=only(OrchestrationWorkItemFilter("rare", ["1.0"])))
        await hub.outside.start_new("rare", "one", version="1.0")
        await hub.outside.start_new("rare", "two", version="2.0")
        await hub.outside.start_new("rare", "none")
        assert (await hub.wait("one", timedelta(seconds=5))).output == '"rare"'
        await hub.until(lambda: _waits(hub, "two"), 60)
        await hub.until(lambda: _waits(hub, "none"), 60)
        text = "a worker that takes the orchestrator 'rare' of"
        assert (await status_of(hub, "two")).waiting == f"{text} version '2.0'"
        assert (await status_of(hub, "none")).waiting == f"{text} no version"
        await hub.add_runtime(options=only(OrchestrationWorkItemFilter("rare", ["2.0", ""])))
        await hub.wait("two")
        await hub.wait("none")
        await nothing_left(hub)


# ---- activities ----


async def test_orchestrators_and_activities_may_run_apart() -> None:
    hub, ran = app()
    async with hub:
        performing = await hub.add_runtime(options=only(activities=("add",)))
        deciding = await hub.add_runtime(options=only("chain"))
        assert list(deciding.work_queues) == []
        assert (list(performing.work_queues), performing.control_queues) == (["add"], ())
        said = shown(hub, performing, deciding)
        before = hub.clock.now()
        await hub.outside.start_new("chain", "c")
        assert (await hub.wait("c")).output == "10"
        assert ran == list(range(10))
        assert hub.clock.now() - before <= timedelta(seconds=1)
        assert said == []
        await nothing_left(hub)


async def test_who_performs_may_take_other_orchestrators() -> None:
    hub, ran = app()
    async with hub:
        performing = await hub.add_runtime(options=only("other", activities=("add",)))
        deciding = await hub.add_runtime(options=only("chain"))
        said = shown(hub, performing, deciding)
        before = hub.clock.now()
        await hub.outside.start_new("chain", "c")
        assert (await hub.wait("c")).output == "10"
        assert ran == list(range(10))
        assert hub.clock.now() - before <= timedelta(seconds=30)
        assert said == []
        await nothing_left(hub)


async def test_an_activity_that_nobody_takes_is_seen_in_the_status() -> None:
    hub, ran = app()
    async with hub:
        await hub.add_runtime(options=only("chain"))
        await hub.outside.start_new("chain", "c")
        await hub.until(lambda: _waits(hub, "c"), 200)
        status = await status_of(hub, "c")
        assert status.runtime_status == Status.RUNNING
        assert status.waiting == "a worker that takes the activity 'add'"
        assert ran == []
        await hub.run(300)
        assert await hub.messages() == 1
        await hub.add_runtime(options=only(activities=("add",)))
        status = await hub.wait("c", timedelta(seconds=30))
        assert (status.output, status.waiting) == ("10", None)
        await nothing_left(hub)


# ---- bad input ----


async def test_filters_that_name_what_is_not_there_are_refused_at_the_start() -> None:
    hub, _ = app()
    async with hub:
        for options in (only("rarer"), only(activities=("rare",)), only(entities=("rare",))):
            with pytest.raises(ConfigurationError, match=r"which this app does not have; it has"):
                await hub.add_runtime(options=options)
        assert hub.runtimes == []


async def _waits(hub: MemoryHub, instance_id: str) -> bool:
    return (await status_of(hub, instance_id)).waiting is not None
