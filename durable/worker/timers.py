"""The app's timer triggers, each run by one worker of the hub for each of its moments."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from azure.functions.timer import TimerRequest

from durable.errors import ConfigurationError, RowChanged, RowExists, RowMissing
from durable.hub.formats import FORMAT, check_format
from durable.hub.hub import Hub
from durable.hub.keys import encode
from durable.ports import Insert, Replace, Row, Value
from durable.worker.inventory import TimerFunction
from durable.worker.invocation import Invoker, with_user_traceback
from durable.worker.polling import wait
from durable.worker.trouble import Trouble

_log = logging.getLogger("durable.worker.timers")

_PARTITION = "timer"
_ON_TIME = timedelta(seconds=5)


class TimerTrigger:
    """Calls a function at the moments of its schedule.

    The last moment is a row of the hub: whoever moves it on runs that moment, so that it runs
    once in all workers together. Moments that passed while no worker ran are made up for by one
    call with `past_due`. One worker never calls twice at once; two workers may, when a call takes
    longer than the schedule leaves it.
    """

    def __init__(self, hub: Hub, function: TimerFunction, invoker: Invoker) -> None:
        self._function = function
        self._schedule = function.schedule
        self._invoker = invoker
        self._tables = hub.storage.tables
        self._clock = hub.storage.clock
        self._table = hub.names.hub_table
        self._key = encode(function.call.name)
        self._trouble = Trouble(_log, f"timer {function.call.name}")
        self._stopped = asyncio.Event()

    async def run(self) -> None:
        """Until `stop`; a failing function or storage does not end it."""
        if self._function.run_on_startup:
            await self._call(past_due=False)
        while not self._stopped.is_set():
            try:
                await self._step()
            except (RowExists, RowChanged, RowMissing):
                # Another worker was faster.
                continue
            except Exception as error:
                await wait(self._stopped, self._clock, self._trouble.met(error))
            else:
                self._trouble.over()

    def stop(self) -> None:
        """Begin no more calls; one that runs goes on."""
        self._stopped.set()

    async def _step(self) -> None:
        """Wait for the next moment, or claim the one that is due and call."""
        row = await self._tables.get(self._table, _PARTITION, self._key)
        now = self._clock.now()
        if row is None:
            await self._tables.transact(
                self._table, _PARTITION, [Insert(self._key, self._values(now))]
            )
            return
        check_format(row)
        if row.values["schedule"] != self._function.expression:
            await self._move(row, now)
            return
        last = row.values["last"]
        assert isinstance(last, datetime)
        due = self._schedule.next(last)
        if due is None:
            await self._stopped.wait()
        elif due > now:
            await wait(self._stopped, self._clock, (due - now).total_seconds())
        else:
            following = self._schedule.next(due)
            missed = following is not None and following <= now
            await self._move(row, now if missed else due)
            await self._call(past_due=missed or now - due > _ON_TIME)

    async def _move(self, row: Row, last: datetime) -> None:
        replace = Replace(self._key, self._values(last), row.etag)
        await self._tables.transact(self._table, _PARTITION, [replace])

    def _values(self, last: datetime) -> dict[str, Value]:
        return {"v": FORMAT, "schedule": self._function.expression, "last": last}

    async def _call(self, *, past_due: bool) -> None:
        name = self._function.call.name
        _log.info("timer %s runs%s", name, ", late" if past_due else "")
        try:
            await self._invoker.call(self._function.call, TimerRequest(past_due=past_due))
        except Exception as error:
            _log.error("timer %s failed", name, exc_info=with_user_traceback(error))


def time_zone(name: str | None) -> tzinfo:
    """The zone of the setting WEBSITE_TIME_ZONE; UTC without one."""
    if not name:
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ConfigurationError(
            f"setting WEBSITE_TIME_ZONE is {name!r}, and this machine knows no such zone: write "
            "one such as Europe/Paris"
        ) from error
