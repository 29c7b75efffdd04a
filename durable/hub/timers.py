"""Far timers: a row each in a sharded index, sorted by when it is due.

A row costs nothing until then, and stays until what it rings for is committed.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime

from durable.errors import RowChanged, RowExists, RowMissing
from durable.hub.formats import FORMAT
from durable.hub.keys import HubNames, due_key, shard
from durable.hub.ranges import has_id
from durable.hub.rows import Head
from durable.model.entities import is_entity
from durable.ports import ANY, Delete, Insert, Merge, Storage, Value

TIMER_SHARDS = 4

START = -1
"""Stands for a task's id in the row of an instance that is to begin later."""


class TimerIndex:
    """The far timers of one hub."""

    def __init__(self, storage: Storage, names: HubNames) -> None:
        self._tables = storage.tables
        self._table = names.index

    async def add(self, instance_id: str, execution_id: str, task_id: int, due: datetime) -> str:
        """Have a task of an execution rung for when it is due, and answer the row's etag.

        Idempotent. A row that is there gets another etag: who meant to drop it by the former
        one learns that it is wanted.
        """
        key = due_key(due, instance_id, execution_id, task_id)
        values: dict[str, Value] = {
            "v": FORMAT,
            "instance": instance_id,
            "eid": execution_id,
            "task": task_id,
            "due": due,
        }
        partition = timer_partition(instance_id)
        while True:
            for op in (Insert(key, values), Merge(key, values)):
                with suppress(RowExists, RowMissing):
                    (etag,) = await self._tables.transact(self._table, partition, [op])
                    return etag

    async def drop(
        self,
        instance_id: str,
        execution_id: str,
        task_id: int,
        due: datetime,
        *,
        etag: str = ANY,
    ) -> None:
        """Ring no more, unless the row is wanted anew since `etag`. Idempotent."""
        key = due_key(due, instance_id, execution_id, task_id)
        with suppress(RowMissing, RowChanged):
            await self._tables.transact(
                self._table, timer_partition(instance_id), [Delete(key, etag)]
            )


def is_awaited(head: Head, execution_id: str, task_id: int, due: datetime) -> bool:
    """Whether the instance still waits for that far timer."""
    if head.is_terminal:
        return False
    if is_entity(head.instance_id):
        return head.next_timer is not None and head.next_timer <= due
    if task_id == START:
        return head.execution_id == execution_id and head.sequence == 0
    return head.execution_id == execution_id and has_id(head.open_tasks, task_id)


def timer_partition(instance_id: str) -> str:
    """Where an instance's far timers are."""
    return f"timer{shard(instance_id, TIMER_SHARDS)}"
