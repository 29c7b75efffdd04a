"""What several tests of the runtime need."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from durable.engine.context import DurableOrchestrationContext as Context
from durable.hub.decoding import decode_message
from durable.hub.keys import newest_first
from durable.hub.messages import WorkBatch, WorkItem
from durable.hub.rows import Head
from durable.model.events import Turn
from durable.model.functions import OrchestratorDefinition, Registry
from durable.model.instance import InstanceStatus
from durable.ports import Insert, Merge, Receipt
from tests.memory_hub import MemoryHub


def adder(hub: MemoryHub) -> list[int]:
    """Registers activities `add` (inline) and `add_queued`; answers the inputs they ran with."""
    ran: list[int] = []

    @hub.activity
    async def add(value: int) -> int:
        ran.append(value)
        return value + 1

    @hub.queued_activity
    def add_queued(value: int) -> int:
        ran.append(value)
        return value + 1

    return ran


def chain(hub: MemoryHub, steps: int = 3) -> list[int]:
    """Registers `job`, which adds one so many times; answers the inputs of its activities."""
    ran = adder(hub)

    @hub.orchestrator
    async def job(context: Context) -> Any:
        value = 0
        for _ in range(steps):
            value = await context.call_activity("add", value)
        return value

    return ran


def is_commit(name: str, args: tuple[Any, ...]) -> bool:
    """Whether a storage call appends a turn."""
    return name == "transact" and turn_of(args) is not None


def turn_of(args: tuple[Any, ...]) -> int | None:
    """The number of the turn that a transaction appends, if it does."""
    for op in args[2]:
        if isinstance(op, Insert) and "|h|" in op.key:
            return int(op.key[-10:])
        if isinstance(op, Merge) and "seq" in op.values:
            return int(str(op.values["seq"])) - 1
    return None


class DiesAt:
    """Crashes the hub at the `number`th storage call that `counts`; for `MemoryHub.tamper`."""

    def __init__(
        self,
        hub: MemoryHub,
        number: int,
        counts: Callable[[str, tuple[Any, ...]], bool] = is_commit,
    ) -> None:
        self.seen = 0
        self._hub = hub
        self._number = number
        self._counts = counts

    async def __call__(self, name: str, args: tuple[Any, ...]) -> None:
        if self._counts(name, args):
            self.seen += 1
            if self.seen == self._number:
                self._hub.crash()


def another_app() -> Registry:
    """An app with none of the test's functions."""
    registry = Registry()
    registry.add(OrchestratorDefinition("another", lambda context: None))
    return registry


async def nothing_left(hub: MemoryHub) -> None:
    """No message, no slot, and the projection is what the heads are."""
    await hub.until(lambda: _is_quiet(hub), 600)
    for runtime in hub.runtimes:
        assert (runtime.activities.used, runtime.turns.used) == (0, 0)
    for row in (await hub.hub.projection.page(limit=1000))[0]:
        head = await hub.hub.instances.head(row.instance_id)
        assert head is not None
        assert row.key == newest_first(head.created, head.instance_id)
        assert (row.status, row.incarnation) == (head.runtime_status, head.incarnation)
        assert row.settled


async def _is_quiet(hub: MemoryHub) -> bool:
    return not await hub.messages()


async def head_of(hub: MemoryHub, instance_id: str) -> Head:
    """The head of an instance that must be there."""
    head = await hub.hub.instances.head(instance_id)
    assert head is not None
    return head


async def status_of(hub: MemoryHub, instance_id: str) -> InstanceStatus:
    """The status of an instance that must be there."""
    status = await hub.outside.get_status(instance_id)
    assert status is not None
    return status


async def tasks_in(hub: MemoryHub, queue: str) -> list[int]:
    """The tasks that the visible messages of a work queue are for, in order; afterwards the
    messages are as visible as before, though received once more."""
    tasks: list[int] = []
    seen: list[Receipt] = []
    while messages := await hub.queues.receive(queue, limit=32, lease=60):
        for message in messages:
            seen.append(message.receipt)
            decoded = decode_message(message.body)
            assert isinstance(decoded, WorkItem | WorkBatch)
            items = decoded.items if isinstance(decoded, WorkBatch) else (decoded,)
            tasks += [item.task_id for item in items]
    for receipt in seen:
        await hub.queues.extend(queue, receipt, lease=0)
    return sorted(tasks)


async def turns_of(hub: MemoryHub, instance_id: str) -> list[Turn]:
    """The history of its generation."""
    stored = await hub.hub.instances.history(await head_of(hub, instance_id))
    return [each.turn for each in stored]


async def rows_of(hub: MemoryHub, instance_id: str) -> list[str]:
    """The row keys of an instance in the history table."""
    keys = await hub.keys(hub.hub.names.history)
    return [key.partition(" ")[2] for key in keys if key.startswith(f"{instance_id} ")]
