"""The values of `durabletask.client`, and of entities as clients see them."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator, Generator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest

from durable.compat import apps
from durable.compat.client import DurableFunctionsClient
from durable.compat.v2.entities import EntityInstanceId
from tests.compat.running import aliased, hub_of
from tests.memory_hub import MemoryHub

with aliased():
    from durabletask import client as durabletask  # type: ignore[import-not-found]
    from durabletask.entities import EntityMetadata  # type: ignore[import-not-found]

Code = Generator[Any, Any, Any]


@dataclass
class Receipt:
    number: int


def functions() -> apps.DFApp:
    app = apps.DFApp()

    @app.orchestration_trigger(context_name="context")
    def pay(ctx: Any, given: Any) -> Any:
        if given == "fail":
            raise ValueError("no money")
        return Receipt(7)

    @app.orchestration_trigger(context_name="context")
    def hold(ctx: Any, given: Any) -> Code:
        with (yield ctx.lock_entities([EntityInstanceId("jar", "held")])):
            yield ctx.wait_for_external_event("let go")

    @app.entity_trigger(context_name="context")
    def jar(ctx: Any, amount: int) -> None:
        ctx.set_state(amount if ctx.operation == "fill" else None)

    return app


@pytest.fixture
async def hub() -> AsyncIterator[MemoryHub]:
    async with hub_of(functions()) as hub:
        yield hub


@pytest.fixture
def client(hub: MemoryHub) -> DurableFunctionsClient:
    return DurableFunctionsClient(hub.client)


async def test_a_state_is_a_snapshot(hub: MemoryHub, client: DurableFunctionsClient) -> None:
    await client.schedule_new_orchestration("pay", input={"a": 1}, instance_id="one")
    await hub.run(90)
    state = await client.get_orchestration_state("one")
    assert isinstance(state, durabletask.OrchestrationState)
    assert state.created_at.tzinfo is state.last_updated_at.tzinfo is None
    now = hub.clock.now().replace(tzinfo=None)
    assert timedelta(seconds=89) < now - state.created_at < timedelta(seconds=91)
    assert state.created_at <= state.last_updated_at <= now
    assert (state.serialized_input, state.serialized_output) == ('{"a":1}', '{"number":7}')
    assert (state.get_input(), state.get_output(Receipt)) == ({"a": 1}, Receipt(7))
    assert (state.serialized_custom_status, state.get_custom_status()) == (None, None)
    assert state == await client.get_orchestration_state("one")
    assert state != await client.get_orchestration_state("one", fetch_payloads=False)


def test_a_state_is_made_by_position_as_in_unit_tests_of_apps() -> None:
    now = datetime(2026, 1, 2)
    status = durabletask.OrchestrationStatus.COMPLETED
    given = ("id", "pay", status, now, now, None, '"yes"', None, None)
    state = durabletask.OrchestrationState(*given)
    assert (state.get_output(), state.get_input()) == ("yes", None)
    state.raise_if_failed()
    assert state == copy.copy(state)
    state.instance_id = "other"
    assert state != durabletask.OrchestrationState(*given)


async def test_pages_of_ids(hub: MemoryHub, client: DurableFunctionsClient) -> None:
    for number in range(5):
        given = "fail" if number == 4 else None
        await client.schedule_new_orchestration("pay", input=given, instance_id=f"p{number}")
        await hub.run(1)
    seen: list[str] = []
    page = await client.list_instance_ids(page_size=2)
    assert isinstance(page, durabletask.Page)
    while page.continuation_token is not None:
        assert len(page.items) <= 2
        seen += page.items
        token = page.continuation_token
        page = await client.list_instance_ids(page_size=2, continuation_token=token)
    assert sorted(seen + page.items) == ["p0", "p1", "p2", "p3", "p4"]
    failed = await client.list_instance_ids([durabletask.OrchestrationStatus.FAILED])
    assert failed == durabletask.Page(["p4"], None)


async def test_what_was_purged(hub: MemoryHub, client: DurableFunctionsClient) -> None:
    for name in ("a", "b"):
        await client.schedule_new_orchestration("pay", instance_id=name)
    await hub.run(5)
    one = await client.purge_orchestration("a")
    assert one == durabletask.PurgeInstancesResult(1, True)
    none = await client.purge_orchestration("a")
    assert (none.deleted_instance_count, none.is_complete) == (0, True)
    status = [durabletask.OrchestrationStatus.COMPLETED]
    assert await client.purge_orchestrations_by(runtime_status=status) == one


async def test_what_was_cleaned(hub: MemoryHub, client: DurableFunctionsClient) -> None:
    for key, operation in (("full", "fill"), ("empty", "empty")):
        await client.signal_entity(EntityInstanceId("jar", key), operation, 1)
    await hub.run(2 * 3600)
    cleaned = await client.clean_entity_storage()
    assert cleaned == durabletask.CleanEntityStorageResult(1, 0)
    assert (await client.clean_entity_storage(True, False)).empty_entities_removed == 0
    left = await client.get_all_entities(durabletask.EntityQuery(include_transient=True))
    assert [each.id.key for each in left] == ["full"]


async def test_who_holds_an_entity(hub: MemoryHub, client: DurableFunctionsClient) -> None:
    held = EntityInstanceId("jar", "held")
    await client.signal_entity(held, "fill", 3)
    await client.schedule_new_orchestration("hold", instance_id="holder")
    await hub.run(5)
    found = await client.get_entity(held)
    assert isinstance(found, EntityMetadata)
    assert (found.id, found.get_locked_by()) == (held, "holder")
    assert (found.get_state(), found.get_state(int), found.get_typed_state()) == ("3", 3, 3)
    assert hub.clock.now() - found.last_modified < timedelta(seconds=6)
    with pytest.raises(TypeError, match="datetime"):
        found.get_state(datetime)
    bare = await client.get_entity(held, include_state=False)
    assert bare is not None
    assert (bare.includes_state, bare.get_state(), bare.get_typed_state()) == (False, None, None)
