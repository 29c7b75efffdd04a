"""What is done to a hub while a history is recorded, and after it was restored: plain data, so
that a golden history says by itself how it goes on."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import Any

from durable.client import UNCHANGED, DurableOrchestrationClient
from durable.model.entities import EntityId
from tests.golden.world import World
from tests.memory_hub import MemoryHub
from tests.runtime.helpers import nothing_left

Step = dict[str, Any]


def start(name: str, instance: str, given: Any = None, **more: Any) -> Step:
    return {"do": "start", "name": name, "instance": instance, "input": given, **more}


def event(instance: str, name: str, data: Any = None, **more: Any) -> Step:
    """`times` repeats a text."""
    return {"do": "event", "instance": instance, "name": name, "data": data, **more}


def update(instance: str, name: str, data: Any, update_id: str) -> Step:
    """Nobody waits for its answer."""
    return {
        "do": "update",
        "instance": instance,
        "name": name,
        "data": data,
        "update_id": update_id,
    }


def run(seconds: float) -> Step:
    return {"do": "run", "seconds": seconds}


def wait(instance: str) -> Step:
    """Until it has ended."""
    return {"do": "wait", "instance": instance}


def on(instance: str, do: str, **more: Any) -> Step:
    """Suspend, resume, rewind or terminate."""
    return {"do": do, "instance": instance, **more}


def fork(instance: str, step: int, new: str, **more: Any) -> Step:
    """`input` is another than the instance's."""
    return {"do": "fork", "instance": instance, "step": step, "new": new, **more}


def purge(instance: str) -> Step:
    return {"do": "purge", "instance": instance}


def signal(entity: str, operation: str, given: Any = None) -> Step:
    return {"do": "signal", "entity": entity, "operation": operation, "input": given}


def mend() -> Step:
    """What was broken works from now on."""
    return {"do": "mend"}


def cut(name: str) -> Step:
    """Here the hub is dumped."""
    return {"do": "cut", "name": name}


async def perform(
    hub: MemoryHub, world: World, step: Step, client: DurableOrchestrationClient | None = None
) -> None:
    """Do one step, as a client that runs nothing itself."""
    client = client or hub.outside
    match step:
        case {"do": "start"}:
            later = step.get("in_seconds")
            await client.start_new(
                step["name"],
                step["instance"],
                step["input"],
                step.get("version"),
                tags=step.get("tags"),
                start_at=timedelta(seconds=later) if later else None,
            )
        case {"do": "event"}:
            times = step.get("times")
            data = step["data"] * times if times else step["data"]
            await client.raise_event(step["instance"], step["name"], data)
        case {"do": "update"}:
            given = step["instance"], step["name"], step["data"]
            with suppress(TimeoutError):
                await client.update(*given, timeout=0, update_id=step["update_id"])
        case {"do": "signal"}:
            entity = EntityId.parse(step["entity"])
            await client.signal_entity(entity, step["operation"], step["input"])
        case {"do": "run"}:
            await hub.run(step["seconds"])
        case {"do": "wait"}:
            await hub.wait(step["instance"])
        case {"do": "suspend"}:
            await client.suspend(step["instance"], "to look at it")
        case {"do": "resume"}:
            await client.resume(step["instance"])
        case {"do": "rewind"}:
            await client.rewind(step["instance"], "it is mended")
        case {"do": "terminate"}:
            await client.terminate(step["instance"], "no more", recurse=step["recurse"])
        case {"do": "fork"}:
            await client.fork(
                step["instance"],
                step["step"],
                input_=step.get("input", UNCHANGED),
                new_instance_id=step["new"],
            )
        case {"do": "purge"}:
            await client.purge_instance_history(step["instance"])
        case {"do": "mend"}:
            world.is_mended = True
        case _:
            raise ValueError(f"no step: {step}")


async def outcome(hub: MemoryHub) -> dict[str, Any]:
    """What all has come to, once nothing is under way any more."""
    await nothing_left(hub)
    found: dict[str, Any] = {}
    async for status in hub.outside.list_instances():
        found[status.instance_id] = {
            "name": status.name,
            "status": str(status.runtime_status),
            "version": status.version,
            "tags": dict(status.tags),
            "parent": status.parent_instance_id,
            "input": shortened(status.input),
            "output": shortened(status.output),
            "custom_status": shortened(status.custom_status),
            "failure": [status.failure.error_type, status.failure.message]
            if status.failure
            else None,
        }
    async for entity in hub.outside.list_entities():
        found[str(entity.entity_id)] = {"state": entity.state, "locked_by": entity.locked_by}
    return {**dict(sorted(found.items())), "rows left": await _rows_left(hub)}


async def _rows_left(hub: MemoryHub) -> dict[str, int]:
    """What should have been cleared away, and the payloads that something still names."""
    keys = [key.partition(" ")[2].split("|") for key in await hub.keys(hub.hub.names.history)]
    marks = [key[1] for key in keys if len(key) > 1]
    return {
        "payload": marks.count("p"),
        "inbox": marks.count("b"),
        "index": len(await hub.keys(hub.hub.names.index)),
    }


def shortened(text: str | None) -> str | None:
    """A long text by its length and its ends."""
    if text is None or len(text) <= 200:
        return text
    return f"{len(text)} characters, {text[:20]} ... {text[-20:]}"
