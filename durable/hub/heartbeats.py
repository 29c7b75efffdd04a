"""What the attempts of an activity's call said last, in a row of their instance's partition.

It goes when the call has a result, and at the latest with its instance."""

from __future__ import annotations

from contextlib import suppress

from durable.errors import RowExists, RowMissing
from durable.hub.formats import FORMAT, check_format
from durable.hub.keys import HubNames, details_key, encode, gate_key
from durable.hub.messages import WorkItem
from durable.ports import Delete, Insert, Merge, Op, Storage, Value


class Heartbeats:
    """Those of one hub; errors of `durable.ports` pass through."""

    def __init__(self, storage: Storage, names: HubNames) -> None:
        self._tables = storage.tables
        self._table = names.history

    async def read(self, item: WorkItem) -> str | None:
        """The JSON that was said last in any attempt of the item's call."""
        row = await self._tables.get(self._table, encode(item.instance_id), _key(item))
        if row is None:
            return None
        check_format(row)
        return str(row.values["details"])

    async def write(self, item: WorkItem, text: str, *, again: bool) -> bool:
        """Keep it, over what was said before; `again` says that there is something, probably.
        False when the instance has ended: a purge leaves nothing, and nothing comes after it."""
        values: dict[str, Value] = {"v": FORMAT, "details": text}
        gate = Merge(gate_key(item.incarnation), {})
        ops: list[Op] = [Insert(_key(item), values), Merge(_key(item), values)]
        for op in reversed(ops) if again else ops:
            try:
                await self._tables.transact(self._table, encode(item.instance_id), [gate, op])
            except RowExists:
                continue
            except RowMissing as error:
                if error.index == 0:
                    return False
                continue
            return True
        # deleted and written at one moment: another attempt is at work
        return True

    async def remove(self, item: WorkItem) -> None:
        """Forget it, if there is any."""
        with suppress(RowMissing):
            await self._tables.transact(self._table, encode(item.instance_id), [Delete(_key(item))])


def _key(item: WorkItem) -> str:
    return details_key(item.incarnation, item.execution_id, item.call)
