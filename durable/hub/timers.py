"""Far timers: a row each in a sharded index, sorted by when it is due.

A row costs nothing until then, and stays until what it rings for is committed.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime

from durable.errors import RowExists, RowMissing
from durable.hub.keys import HubNames, due_key, shard
from durable.ports import Delete, Insert, Storage, Value

TIMER_SHARDS = 4

START = -1
"""Stands for a task's id in the row of an instance that is to begin later."""


class TimerIndex:
    """The far timers of one hub."""

    def __init__(self, storage: Storage, names: HubNames) -> None:
        self._tables = storage.tables
        self._table = names.index

    async def add(self, instance_id: str, execution_id: str, task_id: int, due: datetime) -> None:
        """Have a task of an execution rung for when it is due. Idempotent."""
        key = due_key(due, instance_id, execution_id, task_id)
        values: dict[str, Value] = {
            "instance": instance_id,
            "eid": execution_id,
            "task": task_id,
            "due": due,
        }
        with suppress(RowExists):
            await self._tables.transact(
                self._table, timer_partition(instance_id), [Insert(key, values)]
            )

    async def drop(self, instance_id: str, execution_id: str, task_id: int, due: datetime) -> None:
        """Ring no more. Idempotent."""
        key = due_key(due, instance_id, execution_id, task_id)
        with suppress(RowMissing):
            await self._tables.transact(self._table, timer_partition(instance_id), [Delete(key)])


def timer_partition(instance_id: str) -> str:
    """Where an instance's far timers are."""
    return f"timer{shard(instance_id, TIMER_SHARDS)}"
