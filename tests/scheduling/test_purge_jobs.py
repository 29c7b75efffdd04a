"""Many instances deleted by a job."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from durable.client.builtin import bind_client
from durable.codec import decode
from durable.engine.context import DurableOrchestrationContext as Context
from durable.errors import InvalidRequestError
from durable.model.filters import WorkItemFilters
from durable.model.functions import EntityDefinition, OrchestratorDefinition, Registry
from durable.model.instance import OrchestrationRuntimeStatus as Status
from durable.model.purge import PURGE
from durable.purging import job, with_purge_jobs
from tests.memory_hub import MemoryHub


async def a_hub(count: int) -> MemoryHub:
    hub = MemoryHub()

    @hub.orchestrator
    async def program(context: Context) -> Any:
        if context.get_input() == "wait":
            await context.wait_for_external_event("go")
        elif context.get_input() == "fail":
            raise ValueError("no")
        return "x" * 20_000

    with_purge_jobs(hub.registry)
    await hub.__aenter__()
    bind_client(hub.registry, hub.client)
    for number in range(count):
        await hub.client.start_new("program", f"p{number:03}")
    for kind in ("wait", "fail"):
        await hub.client.start_new("program", kind, kind)
    await hub.run(60)
    return hub


async def ids(hub: MemoryHub) -> list[str]:
    return sorted([i.instance_id async for i in hub.outside.list_instances()])


async def test_a_job_deletes_what_matches_and_says_how_much() -> None:
    hub = await a_hub(40)
    try:
        first = await hub.client.start_purge(runtime_status=[Status.COMPLETED], instance_id="job")
        assert first == "job"
        status = await hub.wait("job")
        assert decode(status.output) == {"instances_deleted": 40, "is_complete": True}
        assert decode(status.custom_status) == decode(status.output)
        assert await ids(hub) == ["fail", "job", "wait"]
        second = await hub.client.start_purge(instance_id_prefix="f")
        assert decode((await hub.wait(second)).output)["instances_deleted"] == 1
        assert await ids(hub) == sorted(["job", second, "wait"])
        # what is created later is not its business, itself included
        third = await hub.client.start_purge(name=PURGE)
        assert decode((await hub.wait(third)).output)["instances_deleted"] == 2
        assert await ids(hub) == sorted([third, "wait"])
        entities = [e async for e in hub.client.list_entities()]
        assert entities == []
    finally:
        await hub.__aexit__()


@pytest.mark.parametrize("deaths", [1, 4])
async def test_a_job_goes_on_after_each_kill(monkeypatch: pytest.MonkeyPatch, deaths: int) -> None:
    monkeypatch.setattr(job, "INSTANCES", 10)
    monkeypatch.setattr(job, "PARTS", 3)
    hub = await a_hub(100)
    try:
        await hub.client.start_purge(runtime_status=[Status.COMPLETED], instance_id="job")
        for _ in range(deaths):
            calls = 0

            async def die(name: str, arguments: tuple[Any, ...]) -> None:
                nonlocal calls
                calls += 1
                if calls > 60:
                    hub.crash()

            hub.tamper(hub.runtimes[0], before=die)
            await hub.until(lambda: calls > 60)  # noqa: B023
            await hub.step()
        status = await hub.wait("job", timedelta(hours=1))
        found = decode(status.output)
        assert found["is_complete"] is True
        assert 0 < found["instances_deleted"] <= 100
        assert await ids(hub) == ["fail", "job", "wait"]
        rows = await hub.keys(hub.hub.names.history)
        assert not [row for row in rows if row.startswith("p")]
    finally:
        await hub.__aexit__()


async def test_a_job_is_terminated_between_two_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "INSTANCES", 10)
    hub = await a_hub(60)
    try:

        async def slow(name: str, arguments: tuple[Any, ...]) -> None:
            await hub.clock.sleep(0.01)

        hub.tamper(hub.runtimes[0], before=slow)
        await hub.outside.start_purge(instance_id="job", instance_id_prefix="p")

        async def some() -> bool:
            status = await hub.outside.get_status("job")
            assert status is not None
            return bool((decode(status.custom_status) or {}).get("instances_deleted"))

        await hub.until(some)
        await hub.client.terminate("job")
        assert (await hub.wait("job")).runtime_status is Status.TERMINATED
        await hub.run(120)
        assert len([each for each in await ids(hub) if each.startswith("p")]) >= 20
    finally:
        await hub.__aexit__()


async def test_bad_requests() -> None:
    hub = await a_hub(0)
    try:
        with pytest.raises(InvalidRequestError):
            await hub.client.start_purge(runtime_status=["Finished"])  # type: ignore[list-item]
        with pytest.raises(InvalidRequestError):
            await hub.client.start_purge(tags={"a": 1})  # type: ignore[dict-item]
        assert await ids(hub) == ["fail", "wait"]
    finally:
        await hub.__aexit__()


def test_a_worker_with_filters_takes_jobs_if_it_takes_orchestrators() -> None:
    registry = Registry()
    registry.add(OrchestratorDefinition("program", print))
    registry.add(EntityDefinition("counter", print))
    with_purge_jobs(registry)
    some = WorkItemFilters(["program"])
    assert set(some.applied(registry).orchestrators) == {"program", PURGE}
    assert set(some.applied(registry).entities) == {PURGE}
    assert some.accepts(PURGE, "7")
    none = WorkItemFilters(entities=["counter"])
    assert set(none.applied(registry).entities) == {"counter"}
    assert not none.accepts(PURGE, None)
    assert with_purge_jobs(Registry()).entities == {}
