"""A task hub: everything of one app in one storage account."""

from __future__ import annotations

import asyncio
import itertools
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from durable.errors import (
    ConfigurationError,
    ContainerMissing,
    HubInUseError,
    InvalidRequestError,
    RowExists,
    RowMissing,
)
from durable.hub.formats import FORMAT, check_format, is_known
from durable.hub.instances import Instances
from durable.hub.keys import HubNames, encode
from durable.hub.messages import LIMIT
from durable.hub.projection import Projection
from durable.hub.timers import TimerIndex
from durable.ports import Delete, Insert, Row, Storage, Value, Where
from durable.telemetry import NO_TELEMETRY, Telemetry

_META = "hub"
_DEAD = "dead"
_MAX_BODY = 60_000


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that could not be applied, kept with the reason until someone decides. `size` is
    the body's in bytes: what is over 60,000 of them was not kept."""

    key: str
    queue: str
    body: bytes
    reason: str
    time: datetime
    size: int


class Hub:
    """Tables, queues and settings of one hub; one object for each event loop."""

    def __init__(
        self,
        storage: Storage,
        name: str,
        *,
        control_queues: int = 1,
        new_id: Callable[[int], str] = secrets.token_hex,
        telemetry: Telemetry = NO_TELEMETRY,
    ) -> None:
        """`new_id(n)` gives a random hex text of n bytes; all randomness comes from there.
        `telemetry` is told what is done."""
        self.storage = storage
        self.telemetry = telemetry
        self.new_id = new_id
        self.names = HubNames(name, control_queues)
        self.instances = Instances(storage, self.names)
        self.projection = Projection(storage, self.names, self.instances)
        self.timers = TimerIndex(storage, self.names)
        self._sent = itertools.count(1)
        self._settings: dict[str, str] = {}

    def next_order(self) -> int:
        """Puts what this process sends into its order where the service's times are equal."""
        return next(self._sent)

    async def create(
        self,
        *,
        app: str | None,
        activities: tuple[str, ...] = (),
        prioritized: tuple[str, ...] = (),
    ) -> None:
        """Create what is missing, and claim the hub for `app` (None claims nothing). The
        `prioritized` are those of the activities that have queues for priorities.

        Idempotent. Raises HubInUseError when another app has claimed it.
        """
        tables, queues, names = self.storage.tables, self.storage.queues, self.names
        await asyncio.gather(self._learn(), *(tables.create_table(table) for table in names.tables))
        if app is not None:
            owner = await self.setting("app", lambda: app)
            if owner != app:
                raise HubInUseError(
                    f"task hub {names.hub!r} in {self.storage.describe} belongs to the app "
                    f"{owner!r}, and this is {app!r}: two apps on one hub would take each other's "
                    "work. Give this app a hub of its own (extensions.durableTask.hubName in "
                    "host.json), or, if it is the same app under a new name, set "
                    f"DURABLE_APP_NAME={owner}"
                )
        shards = await self.setting("control_queues", lambda: str(len(names.control_queues)))
        if int(shards) != len(names.control_queues):
            raise ConfigurationError(
                f"task hub {names.hub!r} was made with partitionCount {shards}, and this app says "
                f"{len(names.control_queues)}; set extensions.durableTask.storageProvider."
                f"partitionCount to {shards} in host.json, or use a new hub"
            )
        await asyncio.gather(
            *(queues.create_queue(queue) for queue in names.control_queues),
            *(
                queues.create_queue(queue)
                for activity in activities
                for queue in names.lanes(activity, priorities=activity in prioritized)
            ),
        )

    async def delete(self) -> None:
        """Delete the hub's tables and control queues: its instances and their history are gone."""
        tables, queues, names = self.storage.tables, self.storage.queues, self.names
        await asyncio.gather(
            *(tables.delete_table(table) for table in names.tables),
            *(queues.delete_queue(queue) for queue in names.control_queues),
        )

    # ---- settings of the hub ----

    async def setting(self, name: str, make: Callable[[], str] | None = None) -> str:
        """A value kept in the hub, made by `make()` and stored if there is none yet; "" when
        there is none and no `make`. It never changes."""
        if name in self._settings:
            return self._settings[name]
        tables, table = self.storage.tables, self.names.hub_table
        row = await tables.get(table, _META, name)
        if row is None and make is not None:
            with suppress(RowExists):
                await tables.transact(table, _META, [Insert(name, {"v": FORMAT, "value": make()})])
            row = await tables.get(table, _META, name)
        if row is None:
            return ""
        check_format(row)
        return str(row.values["value"])

    async def _learn(self) -> None:
        """Read all that are kept, in one request."""
        self._settings = {}
        with suppress(ContainerMissing):
            page = await self.storage.tables.query(
                self.names.hub_table, [Where("PartitionKey", "eq", _META)]
            )
            self._settings = {
                row.key: str(row.values["value"]) for row in page.rows if is_known(row)
            }

    async def secret(self, name: str) -> str:
        """A random key of 32 bytes, URL-safe, made on first use and then the same for all."""
        return await self.setting(f"key:{name}", lambda: secrets.token_urlsafe(32))

    # ---- dead letters ----

    async def bury(self, queue: str, body: bytes, reason: str) -> str:
        """Keep a message that cannot be applied. Bodies over 60,000 bytes are cut."""
        now = self.storage.clock.now()
        key = f"{now:%Y%m%d%H%M%S%f}-{self.new_id(4)}"
        values: dict[str, Value] = {
            "v": FORMAT,
            "queue": queue,
            "body": body[:_MAX_BODY],
            "size": len(body),
            "reason": reason[:4000],
            "time": now,
        }
        await self.storage.tables.transact(self.names.hub_table, _DEAD, [Insert(key, values)])
        return key

    async def dead_letters(self, *, limit: int = 100) -> list[DeadLetter]:
        """The oldest `limit` dead letters."""
        return (await self.dead_letter_page(limit=limit))[0]

    async def dead_letter_page(
        self, *, limit: int = 100, token: str | None = None
    ) -> tuple[list[DeadLetter], str | None]:
        """Dead letters, oldest first, and the token of the next page, None at the end."""
        where = [Where("PartitionKey", "eq", _DEAD)]
        page = await self.storage.tables.query(
            self.names.hub_table, where, limit=limit, token=token
        )
        return [_letter(row) for row in page.rows], page.next

    async def dead_letter(self, key: str) -> DeadLetter | None:
        """One dead letter; None when it is not there."""
        row = await self.storage.tables.get(self.names.hub_table, _DEAD, encode(key))
        return _letter(row) if row is not None else None

    async def discard_dead_letter(self, key: str) -> bool:
        """Forget a dead letter; False when it is not there."""
        try:
            table = self.names.hub_table
            await self.storage.tables.transact(table, _DEAD, [Delete(encode(key))])
        except RowMissing:
            return False
        return True

    async def retry_dead_letter(self, letter: DeadLetter) -> None:
        """Put the message back into its queue, then forget the letter. Raises InvalidRequestError
        for a body that no queue takes as it is: it was none of ours."""
        if letter.size > LIMIT:
            raise InvalidRequestError(
                f"dead letter {letter.key} has {letter.size:,} bytes, and a message of a hub has "
                f"at most {LIMIT:,}: it cannot be sent again"
            )
        await self.storage.queues.send(letter.queue, letter.body)
        await self.discard_dead_letter(letter.key)


def _letter(row: Row) -> DeadLetter:
    check_format(row)
    values: Any = row.values
    body = bytes(values["body"])
    return DeadLetter(
        row.key, values["queue"], body, values["reason"], values["time"], values["size"]
    )
