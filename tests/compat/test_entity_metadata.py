"""What `get_entity` says of an entity that has work before it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import durable as df
from durable.compat.client import DurableFunctionsClient
from durable.compat.v2.entities import EntityContext
from tests.compat.running import hub_of


async def test_what_waits_for_an_entity_is_counted() -> None:
    app = df.DFApp()

    @app.entity_trigger(context_name="context")
    def counter(ctx: EntityContext, by: int) -> int:
        ctx.set_state(ctx.get_state(int, 0) + by)
        return int(ctx.get_state(int))

    @app.orchestration_trigger(context_name="context")
    def holder(ctx: df.OrchestrationContext, _: Any) -> Any:
        with (yield ctx.lock_entities([df.EntityInstanceId("counter", "one")])):
            yield ctx.wait_for_external_event("release")

    one, other = df.EntityInstanceId("counter", "one"), df.EntityInstanceId("counter", "other")
    async with hub_of(app) as hub:
        client = DurableFunctionsClient(hub.client)
        await client.signal_entity(one, "add", 1)
        await client.signal_entity(other, "add", 1)
        await hub.run(5)
        assert await backlog(client, one) == 0
        holding = await client.start_new("holder")
        await hub.run(5)
        for by in (2, 3):
            await client.signal_entity(one, "add", by)
        await client.signal_entity(other, "add", 9, hub.clock.now() + timedelta(hours=1))
        await hub.run(5)
        metadata = await client.get_entity(one)
        assert metadata is not None
        assert (metadata.backlog_queue_size, metadata.get_locked_by()) == (2, holding)
        assert metadata.get_typed_state(int) == 1
        assert await backlog(client, other) == 1
        listed = await client.get_all_entities()
        assert {each.backlog_queue_size for each in listed} == {0}
        await client.raise_event(holding, "release")
        await hub.run(5)
        assert await backlog(client, one) == 0
        found = await hub.client.read_entity_state(one)
        assert found is not None
        assert (found.state, found.backlog) == ("6", None)


async def backlog(client: DurableFunctionsClient, entity: df.EntityInstanceId) -> int:
    metadata = await client.get_entity(entity, include_state=False)
    assert metadata is not None
    return metadata.backlog_queue_size
