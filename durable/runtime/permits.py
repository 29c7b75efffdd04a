"""Permits of one row as one process has them: taken for who waits here, handed on, given back."""

from __future__ import annotations

import asyncio
import itertools
import logging
from bisect import insort
from collections.abc import Callable
from dataclasses import dataclass, field

from durable.errors import StorageError
from durable.hub.hub import Hub
from durable.hub.permits import LEASE, PermitRows, Standing
from durable.ports import Clock, Storage
from durable.runtime.claims import Spawn
from durable.runtime.guards import Keeping, Lease
from durable.runtime.slots import first

logger = logging.getLogger("durable.runtime")

FIRST_LOOK = 0.1
LAST_LOOK = 1.0
"""Seconds between two looks at whether permits came free elsewhere: twice as many each time."""

AWAY = 2.0
"""Seconds for which calls are left to others after one has waited here in vain."""

RENEW = LEASE.total_seconds() / 3
TRUST = LEASE.total_seconds() / 2

_numbers = itertools.count()


@dataclass(order=True, slots=True)
class Waiter:
    """Who waits for a turn: the higher priority first, then who came first."""

    place: tuple[int, int]
    came: asyncio.Future[float | None] = field(compare=False)
    """None once it is its turn; else seconds after which to try again."""

    @classmethod
    def of(cls, priority: int) -> Waiter:
        """The last of its priority."""
        return cls((-priority, next(_numbers)), asyncio.get_running_loop().create_future())

    async def wait(self, clock: Clock, patience: float) -> bool:
        """Whether its turn came in time. A turn that comes as this is cancelled is its still."""
        await first(asyncio.wait({self.came}), clock.sleep(patience))
        return self.has_come

    @property
    def has_come(self) -> bool:
        """Whether its turn came."""
        return self.came.done() and self.came.result() is None


class PermitLease(Lease):
    """Permits that are renewed like guards, and trusted as long."""

    def __init__(self, hub: Hub, key: str, owner: str, asked: float, others: int) -> None:
        """They were written at the time `asked`."""
        super().__init__(hub.storage.clock, asked, RENEW)
        self._names, self._key, self._owner = hub.names, key, owner
        self.others = others
        """How many other processes had some or waited, as it was seen last."""

    @property
    def is_fresh(self) -> bool:
        """Whether nobody else can have them yet."""
        return not self.lost and self._clock.monotonic() - self.held_from <= TRUST

    async def renew(self, storage: Storage) -> None:
        """See `Lease.renew`."""
        asked = self._clock.monotonic()
        standing = await PermitRows(storage, self._names).renew(self._key, self._owner)
        if standing is None:
            self.lost = True
        else:
            self.held_from, self.others = asked, standing.others(self._owner)


class Permits:
    """See the module. Where several processes want them, each leaves the others their share."""

    def __init__(
        self,
        hub: Hub,
        keeping: Keeping,
        spawn: Spawn,
        owner: str,
        key: str,
        limit: int,
        changed: Callable[[], None],
        *,
        linger: float = 0.0,
    ) -> None:
        """`owner` names this process. `changed` is called whenever there may be more room. What
        nobody needs here is given back after `linger` seconds, unless others wait for it."""
        self._hub, self._clock = hub, hub.storage.clock
        self._rows = PermitRows(hub.storage, hub.names)
        self._keeping, self._spawn = keeping, spawn
        self._owner, self._key, self._limit = owner, key, limit
        self._tell, self._linger = changed, linger
        self._lease: PermitLease | None = None
        self._known: Standing | None = Standing()
        self._held = self._used = self._others = 0
        self._is_sure = True
        """Whether it is known what the row says of this process."""
        self._is_listed = False
        """Whether the row says that this process has some or waits for some."""
        self._reach = limit
        """How many this process can get, as far as it has seen."""
        self._away_until = 0.0
        self._waiting: list[Waiter] = []
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """How many calls wait here."""
        return len(self._waiting)

    @property
    def is_idle(self) -> bool:
        """Whether nothing has to be kept of it."""
        return self._task is None and not self._used

    @property
    def is_fresh(self) -> bool:
        """Whether nobody else can have those that were taken here."""
        return self._lease is not None and self._used <= self._held and self._lease.is_fresh

    @property
    def room(self) -> int:
        """How many more calls to take in: as many as can run, and one that follows."""
        has_free = self._used < self._held and self.is_fresh
        if not has_free and self._clock.monotonic() < self._away_until:
            return 0
        reach = min(self._reach, self._share) + (1 if self._held else 0)
        return max(0, reach - self._used - len(self._waiting))

    async def take(self, priority: int, patience: float) -> bool:
        """Wait up to `patience` seconds for a permit; whether there was one."""
        waiter = Waiter.of(priority)
        insort(self._waiting, waiter)
        self._look()
        try:
            came = await waiter.wait(self._clock, patience)
            if not came:
                # to whoever has permits, not to who was first to look again
                self._away_until = self._clock.monotonic() + AWAY
        except asyncio.CancelledError:
            if waiter.has_come:
                self.give()
            raise
        finally:
            if not waiter.has_come and waiter in self._waiting:
                self._waiting.remove(waiter)
            self._look()
        return came

    def give(self) -> None:
        """Give one back."""
        self._used -= 1
        self._look()
        self._tell()

    def close(self) -> None:
        """Let nobody wait any more."""
        for waiter in self._waiting:
            waiter.came.set_result(0.0)
        self._waiting.clear()
        self._look()

    @property
    def _share(self) -> int:
        others = self._others if self._lease is None else self._lease.others
        return max(1, -(-self._limit // (1 + others)))

    @property
    def _is_right(self) -> bool:
        """Whether the row says what this process wants."""
        forgotten = self._wanted > 0 or not self._is_listed
        return self._is_sure and self._wanted == self._held and forgotten

    @property
    def _lingers(self) -> bool:
        """Whether what is not needed is kept for a moment."""
        return self._linger > 0 and self._wanted < self._held and self._share == self._limit

    @property
    def _wanted(self) -> int:
        return max(self._used, min(self._used + len(self._waiting), self._share))

    def _look(self) -> None:
        self._grant()
        self._changed.set()
        if self._task is None and self._waiting:
            self._task = self._spawn(self._settle())

    def _grant(self) -> None:
        most = min(self._held, self._share)
        while self._waiting and self._used < most and self.is_fresh:
            self._used += 1
            self._waiting.pop(0).came.set_result(None)

    async def _settle(self) -> None:
        """Hold as many as are wanted, until that is none."""
        pause = FIRST_LOOK
        try:
            while True:
                self._changed.clear()
                if self._lease is not None and self._lease.lost:
                    self._lease, self._known, self._held = None, None, 0
                used = self._used
                self._grant()
                if self._lingers:
                    await first(self._changed.wait(), self._clock.sleep(self._linger))
                    if self._changed.is_set():
                        continue
                if not self._is_right:
                    await self._hold()
                    self._grant()
                if self._is_right and not (self._waiting or self._used or self._held):
                    return
                if self._is_right and not self._waiting:
                    await self._changed.wait()
                else:
                    pause = FIRST_LOOK if self._used > used else min(2 * pause, LAST_LOOK)
                    await first(self._changed.wait(), self._clock.sleep(pause))
        finally:
            if self._lease is not None:
                self._keeping.drop(self._lease)
            self._task = None

    async def _hold(self) -> None:
        wanted, asked, known = self._wanted, self._clock.monotonic(), self._known
        # what is about to be given back is nobody's here any more, whatever comes of that
        self._held = min(self._held, wanted)
        self._known, self._is_sure = None, False
        try:
            standing = await self._rows.hold(self._key, self._owner, wanted, self._limit, known)
        except StorageError as error:
            logger.warning("permits %s: %s; again in %g s", self._key, error, LAST_LOOK)
            await self._clock.sleep(LAST_LOOK)
            return
        self._is_sure = True
        self._held, self._others = standing.of(self._owner), standing.others(self._owner)
        self._is_listed = self._owner in standing.holders
        is_all = self._held >= wanted
        # what came free elsewhere is seen only by looking
        self._known = standing if is_all else None
        self._reach = self._limit if is_all else self._held + 1
        self._renew_from(asked)
        self._tell()

    def _renew_from(self, asked: float) -> None:
        lease = self._lease
        if lease is not None and not lease.lost and self._held:
            lease.held_from, lease.others = max(asked, lease.held_from), self._others
            return
        if lease is not None:
            self._keeping.drop(lease)
        self._lease = None
        if self._held:
            made = PermitLease(self._hub, self._key, self._owner, asked, self._others)
            self._lease = made
            self._keeping.keep(made)
