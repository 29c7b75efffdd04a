"""Where the calls of limited activities wait for their turn, once a worker has received them.

A call that waits keeps its message held. One whose turn does not come soon goes back into its
queue, so that it is in nobody's way.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from durable.hub.messages import WorkItem
from durable.hub.permits import concurrency_key, key_key, rate_key
from durable.model.limits import Limits
from durable.runtime.pacing import Pacer
from durable.runtime.passing import backoff
from durable.runtime.permits import Permits

if TYPE_CHECKING:
    from durable.runtime.runtime import Runtime

PATIENCE = 5.0
"""Seconds that a call waits here."""

ASIDE = 32
"""Calls of an activity that wait for their keys here; without room for more, none are received."""

OF_A_KEY = 4
"""Calls with one key that wait here; more of them go back at once."""

LONGEST_ASIDE = 30.0
"""Seconds for which a call is put back at most since others of its key run."""

LONGEST_DELAY = 600.0
"""Seconds for which a call is put back at most since its time is far away."""

LINGER = 0.25
"""Seconds for which an activity's permits are kept while no call needs them: others follow."""

_AGAIN = 2.0


class NotYet(Exception):
    """A call's turn is not near: it is tried again after `delay` seconds."""

    def __init__(self, delay: float) -> None:
        super().__init__(f"its turn is not near: again in {delay:g} s")
        self.delay = delay


@dataclass(slots=True, eq=False)
class Turn:
    """A call whose turn it is, with the permits that it has. `left` is what goes on though its
    time is up."""

    permits: tuple[Permits, ...]
    left: asyncio.Future[Any] | None = None

    @property
    def is_fresh(self) -> bool:
        """Whether nobody else can have its permits."""
        return all(each.is_fresh for each in self.permits)

    def end(self) -> None:
        """It has ended, or does not begin: others may, once nothing of it is left."""
        left, self.left = self.left, None
        if left is not None:
            left.add_done_callback(lambda _: self.end())
            return
        for each in self.permits:
            each.give()


class Gate:
    """The calls of one limited activity in one process."""

    def __init__(self, runtime: Runtime, owner: str, activity: str, limits: Limits) -> None:
        self.changed = asyncio.Event()
        """Set whenever there may be more room."""
        self._runtime, self._owner, self._activity = runtime, owner, activity
        self._most = limits.key_concurrency
        self._keys: dict[str, Permits] = {}
        self._permits: Permits | None = None
        self._pacer: Pacer | None = None
        if limits.concurrency is not None:
            key, limit = concurrency_key(activity), limits.concurrency
            self._permits = self._make(key, limit, linger=LINGER)
        if limits.rate is not None:
            key = rate_key(activity)
            self._pacer = Pacer(runtime.hub, runtime.spawn, key, limits.rate, self.changed.set)

    @property
    def room(self) -> int:
        """How many more calls to receive."""
        rooms = [ASIDE - sum(each.waiting for each in self._keys.values())]
        rooms += [each.room for each in (self._permits, self._pacer) if each is not None]
        return max(0, min(rooms))

    async def enter(self, item: WorkItem, *, held: bool, patience: float = PATIENCE) -> Turn:
        """Wait for a call's turn: its key's, then a permit, then its time. `held` says that its
        message comes to nobody else meanwhile, and at once when it is put back. Raises NotYet."""
        if self._runtime.is_draining:
            raise NotYet(0.0)
        permits: list[Permits] = []
        turn: Turn | None = None
        try:
            if item.key is not None and self._most is not None:
                permits.append(await self._of_key(item, item.key, self._most, patience))
            if self._permits is not None:
                if not await self._permits.take(item.priority, patience):
                    raise NotYet(0.0 if held else _AGAIN)
                permits.append(self._permits)
            if self._pacer is not None:
                left = await self._pacer.take(item.priority)
                if left is not None:
                    raise NotYet(min(left, LONGEST_DELAY))
            turn = Turn(tuple(permits))
            return turn
        finally:
            if turn is None:
                Turn(tuple(permits)).end()

    def close(self) -> None:
        """Let no call wait any more."""
        for each in (*self._keys.values(), self._permits, self._pacer):
            if each is not None:
                each.close()

    async def _of_key(self, item: WorkItem, key: str, most: int, patience: float) -> Permits:
        for other in [name for name, each in self._keys.items() if each.is_idle and name != key]:
            del self._keys[other]
        permits = self._keys.get(key)
        if permits is None:
            permits = self._keys[key] = self._make(key_key(self._activity, key), most)
        if permits.waiting >= OF_A_KEY or not await permits.take(item.priority, patience):
            aside = min(backoff(item.lack), LONGEST_ASIDE)
            raise NotYet(0.0 if self._runtime.is_draining else aside)
        return permits

    def _make(self, key: str, limit: int, *, linger: float = 0.0) -> Permits:
        runtime = self._runtime
        return Permits(
            runtime.hub,
            runtime.keeping,
            runtime.spawn,
            self._owner,
            key,
            limit,
            self.changed.set,
            linger=linger,
        )


class Flow:
    """The gates of one runtime, each made with the first call of its activity."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._gates: dict[str, Gate] = {}
        self._owner = ""

    def gate(self, activity: str) -> Gate | None:
        """The activity's; None where all its calls may run at once."""
        gate = self._gates.get(activity)
        if gate is None:
            limits = self._runtime.registry.limits_of(activity)
            if limits is None or limits == Limits(priority_enabled=limits.priority_enabled):
                return None
            self._owner = self._owner or self._runtime.hub.new_id(8)
            gate = self._gates[activity] = Gate(self._runtime, self._owner, activity, limits)
        return gate

    def close(self) -> None:
        """Let no call wait any more."""
        for gate in self._gates.values():
            gate.close()
