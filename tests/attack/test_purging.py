"""After a purge nothing of the instance is left, in no table, in no queue."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from durable.engine.context import DurableOrchestrationContext as Context
from durable.engine.entities import EntityContext
from durable.errors import InstanceNotFoundError
from durable.model.entities import EntityId
from durable.runtime.options import RuntimeOptions
from tests.attack.scanning import text_of
from tests.memory_hub import MemoryHub

CANARY = "canary-3be1"
LONG = CANARY + "".join(chr(65 + n * n % 26) for n in range(300_000))
COUNTER = EntityId("counter", "a")
ENDS = ("Completed", "Failed", "Terminated")


@pytest.fixture
def hub() -> MemoryHub:
    made = MemoryHub(RuntimeOptions(always_queue=True))

    @made.activity
    def twice(value: Any) -> Any:
        return [value, value]

    @made.orchestrator
    async def child(context: Context) -> Any:
        await context.create_timer(timedelta(days=2))
        return await context.call_activity("twice", context.get_input())

    @made.orchestrator
    async def family(context: Context) -> Any:
        how: Any = context.get_input()
        context.set_custom_status({"about": LONG})
        await context.call_activity("twice", LONG)
        async with context.lock_entities([COUNTER]):
            await context.call_entity(COUNTER, "add", 1)
            assert await context.call_entity(COUNTER, "echo", LONG) == LONG
        context.signal_entity(COUNTER, "add", 1)
        result = await context.call_sub_orchestrator("child", LONG, "child " + CANARY)
        context.create_timer(timedelta(days=300))
        if how["again"]:
            context.continue_as_new({**how, "again": False})
            return None
        event = await context.wait_for_external_event("go")
        if how["end"] == "Failed":
            raise ValueError(LONG)
        return [result, event]

    @made.entity
    def counter(context: EntityContext) -> Any:
        if context.operation_name == "delete":
            context.delete_state()
            return 0
        if context.operation_name == "echo":
            return context.get_input()
        value: int = context.get_state(int, 0) + context.get_input(int)
        context.set_state(value)
        return value

    return made


def everything(hub: MemoryHub) -> list[str]:
    """All rows and messages."""
    found = []
    for name, table in hub.tables._tables.items():
        for partition in table.partitions.values():
            for row in partition.rows.values():
                found.append(f"{name} {row.partition} {row.key} {text_of(row.values)}")
    for name, queue in hub.queues._queues.items():
        found += [f"{name} {each.body!r}" for each in queue.messages.values()]
    return found


def left_of(hub: MemoryHub, *words: str) -> list[str]:
    return [text for text in everything(hub) if any(word in text for word in words)]


@pytest.mark.parametrize("again", [False, True], ids=["once", "continued as new"])
@pytest.mark.parametrize("end", ENDS)
async def test_a_scan_of_everything_finds_nothing(hub: MemoryHub, end: str, again: bool) -> None:
    parent = f"parent {CANARY}"
    async with hub:
        how = {"end": end, "again": again, "note": LONG}
        await hub.outside.start_new("family", parent, how, tags={"about": CANARY})
        await hub.outside.raise_event(parent, "other", LONG)
        await hub.run(86_400 * 3)
        head = await hub.hub.instances.head(parent)
        assert head is not None
        ids = (CANARY, head.incarnation, head.execution_id)
        assert len(left_of(hub, CANARY)) > 5
        assert left_of(hub, LONG[:100])
        if end == "Terminated":
            await hub.outside.terminate(parent, f"enough {CANARY}", recurse=True)
        else:
            await hub.run(86_400 * 3)
            await hub.outside.raise_event(parent, "go", LONG)
        status = await hub.wait(parent)
        assert str(status.runtime_status) == end
        await hub.run(300)
        result = await hub.outside.purge_instance_history(parent, recurse=True)
        assert result.instances_deleted == 2
        await hub.run(300)
        assert left_of(hub, *ids) == []
        assert left_of(hub, LONG[:100]) == []
        # what the entity did for it has stayed
        state = await hub.outside.read_entity_state(COUNTER)
        assert state is not None
        assert state.state == ("4" if again else "2")
        with pytest.raises(InstanceNotFoundError):
            await hub.outside.get_history(parent)
        await hub.outside.signal_entity(COUNTER, "delete")
        await hub.run(3700)
        assert (await hub.outside.clean_entity_storage()).removed == 1
        await hub.run(300)
        assert left_of(hub, *ids) == []
        assert {text.split()[0] for text in everything(hub)} == {"testhubdx"}
