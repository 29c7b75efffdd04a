"""Permits of activities that are limited over a whole hub: who may run how many, and when next.

A row for what is limited, changed by If-Match. Each process holds permits for a while and renews
them, so that those of one that died come free. Nothing here is truth about an instance: what is
lost of it changes only the pace.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from durable.errors import RowChanged, RowExists, RowMissing
from durable.hub.formats import FORMAT, check_format, is_known
from durable.hub.keys import HubNames, encode
from durable.model.limits import RateLimit
from durable.ports import Delete, Insert, Op, Replace, Storage, Value, Where

PERMITS = "permit"
"""Partition of the permits in the index table."""

LEASE = timedelta(seconds=20)
"""How long permits are held without being renewed."""

_MICROSECOND = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LOST = (RowChanged, RowExists, RowMissing)

Holders = Mapping[str, tuple[int, datetime]]
"""By process: how many permits it has, and until when. None of them: it waits for some."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A row of permits, "" as `etag` where there is none."""

    etag: str = ""
    holders: Holders = field(default_factory=dict)

    def of(self, owner: str) -> int:
        """How many that process has."""
        return self.holders.get(owner, (0, _EPOCH))[0]

    def others(self, owner: str) -> int:
        """How many other processes have some, or wait for some."""
        return len(self.holders.keys() - {owner})


class PermitRows:
    """The rows of one hub."""

    def __init__(self, storage: Storage, names: HubNames) -> None:
        self._tables = storage.tables
        self._clock = storage.clock
        self._table = names.index

    async def hold(
        self, key: str, owner: str, wanted: int, limit: int, known: Standing | None
    ) -> Standing:
        """Let a process have as many permits of `limit` as it wants and others do not have; with
        none of them wanted it is forgotten. `known` is how the row stood when it was seen last,
        None: it is read. Storage errors pass through; a repeat is right then."""
        while True:
            if known is None:
                known = await self._standing(key)
            now = self._clock.now()
            holders = {name: each for name, each in known.holders.items() if each[1] > now}
            count, until = holders.pop(owner, (0, now))
            taken = sum(each for each, _ in holders.values())
            possible = max(0, min(wanted, limit - taken))
            if wanted:
                if possible == count and until - now > LEASE / 2:
                    return Standing(known.etag, {**holders, owner: (count, until)})
                holders[owner] = possible, now + LEASE
            with suppress(*_LOST):
                return Standing(await self._write(key, known.etag, holders), holders)
            known = None

    async def renew(self, key: str, owner: str) -> Standing | None:
        """Let a process have what it has for another lease; None where it has nothing."""
        while True:
            known = await self._standing(key)
            if owner not in known.holders:
                return None
            now = self._clock.now()
            holders = {name: each for name, each in known.holders.items() if each[1] > now}
            holders[owner] = known.of(owner), now + LEASE
            with suppress(*_LOST):
                return Standing(await self._write(key, known.etag, holders), holders)

    async def reserve(
        self, key: str, count: int, rate: RateLimit, within: timedelta
    ) -> tuple[list[datetime], timedelta]:
        """The times at which the next calls may begin, `count` at most, and none later than
        `within` from now; and how far from now the one after them is."""
        while True:
            row = await self._tables.get(self._table, PERMITS, key)
            etag, now, leeway = "", self._clock.now(), rate.interval * (rate.burst - 1)
            following = now
            if row is not None:
                check_format(row)
                values: Any = row.values
                etag, following = row.etag, _EPOCH + values["next"] * _MICROSECOND
            times: list[datetime] = []
            while len(times) < count and (at := max(now, following - leeway)) - now <= within:
                times.append(at)
                following = max(following, at) + rate.interval
            left = max(timedelta(0), following - leeway - now)
            if not times:
                return times, left
            stored: dict[str, Value] = {
                "v": FORMAT,
                "next": (following - _EPOCH) // _MICROSECOND,
                "expires": following,
            }
            with suppress(*_LOST):
                op = Replace(key, stored, etag) if etag else Insert(key, stored)
                await self._tables.transact(self._table, PERMITS, [op])
                return times, left

    async def drop_expired(self) -> None:
        """Delete what says nothing any more; rows of newer formats are left to others."""
        page = await self._tables.query(
            self._table,
            [Where("PartitionKey", "eq", PERMITS), Where("expires", "lt", self._clock.now())],
        )
        for row in filter(is_known, page.rows):
            with suppress(*_LOST):
                await self._tables.transact(self._table, PERMITS, [Delete(row.key, row.etag)])

    async def _standing(self, key: str) -> Standing:
        row = await self._tables.get(self._table, PERMITS, key)
        if row is None:
            return Standing()
        check_format(row)
        values: Any = row.values
        holders = {
            owner: (count, _EPOCH + until * _MICROSECOND)
            for owner, (count, until) in json.loads(values["holders"]).items()
        }
        return Standing(row.etag, holders)

    async def _write(self, key: str, etag: str, holders: Holders) -> str:
        if not holders:
            if etag:
                await self._tables.transact(self._table, PERMITS, [Delete(key, etag)])
            return ""
        shown = {
            owner: (count, (until - _EPOCH) // _MICROSECOND)
            for owner, (count, until) in holders.items()
        }
        values: dict[str, Value] = {
            "v": FORMAT,
            "holders": json.dumps(shown),
            "expires": max(until for _, until in holders.values()),
        }
        op: Op = Replace(key, values, etag) if etag else Insert(key, values)
        (written,) = await self._tables.transact(self._table, PERMITS, [op])
        return written


def concurrency_key(activity: str) -> str:
    """Row key of an activity's permits to run."""
    return f"c|{encode(activity)}"


def rate_key(activity: str) -> str:
    """Row key of an activity's pace."""
    return f"r|{encode(activity)}"


def key_key(activity: str, key: str) -> str:
    """Row key of the permits of calls with one concurrency key."""
    return f"k|{encode(f'{activity}|{key}')}"
