"""Receivers of the hub's queues: one for each, as fast as there is work and room for it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from typing import Any, Protocol

from durable.errors import StorageError
from durable.ports import Clock, Message, Storage
from durable.runtime.slots import Slots, first
from durable.settings import PollingSettings
from durable.worker.polling import Backoff, Wake, wait
from durable.worker.trouble import Trouble

_log = logging.getLogger("durable.worker.queues")

LEASE_SECONDS = 20.0
_FIRST_IDLE = 0.02
_CONTROL_IDLE = 1.0
_WORK_IDLE = 2.0
_ROOM_SECONDS = 1.0
_LAST_FIRST = 10


Handle = Callable[[str, Message, float], Awaitable[None]]
Spawn = Callable[[Coroutine[Any, Any, None]], object]


class TakesMessages(Protocol):
    """What takes in what the pumps receive: `durable.runtime.messages.Messages`."""

    async def handle_control(self, queue: str, message: Message, asked: float) -> None: ...
    async def handle_work(self, queue: str, message: Message, asked: float) -> None: ...


class Gate(Protocol):
    """What bounds how many calls of an activity are received: `durable.runtime.flow.Gate`."""

    @property
    def changed(self) -> asyncio.Event: ...
    @property
    def room(self) -> int: ...


class Gates(Protocol):
    """`durable.runtime.flow.Flow`."""

    def gate(self, activity: str) -> Gate | None: ...


class PumpedRuntime(Protocol):
    """What the pumps use of `durable.runtime.Runtime`."""

    @property
    def control_queues(self) -> tuple[str, ...]: ...
    @property
    def work_queues(self) -> Mapping[str, str]: ...
    def lanes(self, activity: str) -> tuple[str, ...]: ...

    @property
    def flow(self) -> Gates: ...
    @property
    def messages(self) -> TakesMessages: ...
    @property
    def turns(self) -> Slots: ...
    @property
    def activities(self) -> Slots: ...

    on_nudge: Callable[[str, float], None] | None
    on_look_away: Callable[[str, float], None] | None

    def weight(self, queue: str) -> int: ...
    def turn_room(self) -> int: ...
    def activity_room(self) -> int: ...
    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]: ...


class Room:
    """Places for messages, shared by the pumps of one kind: what they ask a queue for counts
    as taken until it came."""

    def __init__(self, free: Callable[[], int], changed: asyncio.Event, clock: Clock) -> None:
        """`changed` is set by who frees some."""
        self._free = free
        self._changed = changed
        self._clock = clock
        self._asked = 0

    async def reserve(self, most: int, weight: int) -> int:
        """Places for 1 to `most` messages that need `weight` each, or 0 when there were none for
        a moment. One that needs more than there are may come."""
        free = self._free() - self._asked
        if free <= 0:
            self._changed.clear()
            await wait(self._changed, self._clock, _ROOM_SECONDS)
            return 0
        places = min(most, max(1, free // weight))
        self._asked += places
        return places

    def release(self, places: int) -> None:
        """Give back places that were reserved."""
        self._asked -= places
        self.look()

    def look(self) -> None:
        """There may be more room now."""
        self._changed.set()


class Pump:
    """Receives from a queue, or several of one activity, and hands each message to `handle`, in a
    task made by `spawn`."""

    def __init__(
        self,
        storage: Storage,
        lanes: tuple[str, ...],
        handle: Handle,
        room: Room,
        spawn: Spawn,
        weight: Callable[[str], int],
        *,
        batch: int,
        idle: float,
        gate: Gate | None = None,
    ) -> None:
        """The first of the `lanes` is emptied first, but for each tenth time, so that the last
        come to their turn too. `weight` answers how many places a message of a queue needs, by
        all that is known. `batch` messages are asked for at once at most, and `idle` is the
        longest pause, in seconds. The `gate` says how many messages may come at all."""
        self.lanes = lanes
        self.wake = Wake(storage.clock)
        self._storage = storage
        self._handle = handle
        self._room = room
        self._spawn = spawn
        self._weight = weight
        self._batch = batch
        self._gate = gate
        self._coming = 0
        """Messages that the gate does not know of yet."""
        self._rounds = 0
        self._backoff = Backoff(_FIRST_IDLE, idle)
        named = f"queue {', '.join(lanes)}"
        self._receiving = Trouble(_log, named)
        self._handling = Trouble(_log, f"{named}, handling its messages")
        self._stopped = asyncio.Event()
        self._away_until = 0.0

    async def run(self) -> None:
        """Until `stop`; no error ends it."""
        while not self._stopped.is_set():
            if (away := self._away_until - self._storage.clock.monotonic()) > 0:
                await wait(self._stopped, self._storage.clock, away)
                continue
            if (most := await self._most()) <= 0:
                continue
            weight = max(self._weight(lane) for lane in self.lanes)
            places = await self._room.reserve(most, weight)
            if not places:
                continue
            asked = self._storage.clock.monotonic()
            try:
                messages = await self._receive(places)
            except Exception as error:
                self._room.release(places)
                await wait(self._stopped, self._storage.clock, self._receiving.met(error))
                continue
            except BaseException:
                self._room.release(places)
                raise
            self._room.release(places - len(messages))
            self._receiving.over()
            for queue, message in messages:
                self._begin(queue, message, asked)
            if messages:
                self._backoff.reset()
            if len(messages) == places or await self._is_woken():
                self._backoff.reset()

    def look_away(self, seconds: float) -> None:
        """Leave what is in the queue to others for a while."""
        self._away_until = self._storage.clock.monotonic() + seconds

    def stop(self) -> None:
        """Receive no more; what comes with a call under way is let go of."""
        self._stopped.set()
        self.wake.at_once()
        self._room.look()

    async def _is_woken(self) -> bool:
        """Wait while idle; whether something is known to be there."""
        return not self._stopped.is_set() and await self.wake.idle(self._backoff.delay())

    async def _most(self) -> int:
        """How many messages may be asked for; 0 when there was room for none for a moment."""
        if self._gate is None:
            return self._batch
        if (room := self._gate.room - self._coming) <= 0:
            self._gate.changed.clear()
            await first(self._gate.changed.wait(), self._stopped.wait(), self._moment())
        return min(self._batch, room)

    async def _moment(self) -> None:
        await self._storage.clock.sleep(_ROOM_SECONDS)

    async def _receive(self, places: int) -> list[tuple[str, Message]]:
        """So many messages at most, each with its queue."""
        self._rounds += 1
        found: list[tuple[str, Message]] = []
        for lane in self.lanes if self._rounds % _LAST_FIRST else reversed(self.lanes):
            try:
                messages = await self._storage.queues.receive(
                    lane, limit=places - len(found), lease=LEASE_SECONDS
                )
            except StorageError:
                if found:
                    break
                raise
            found += [(lane, message) for message in messages]
            if len(found) == places:
                break
        return found

    def _begin(self, queue: str, message: Message, asked: float) -> None:
        self._coming += 1
        stopped = self._stopped.is_set()
        work = self._let_go(queue, message) if stopped else self._handled(queue, message, asked)
        self._spawn(work)

    async def _handled(self, queue: str, message: Message, asked: float) -> None:
        # The runtime counts it from its first step on, which is the next one.
        self._room.release(1)
        self._coming -= 1
        try:
            await self._handle(queue, message, asked)
        except Exception as error:
            # The message appears again when its lease ends.
            self._handling.met(error)
        else:
            self._handling.over()
        finally:
            self._room.look()

    async def _let_go(self, queue: str, message: Message) -> None:
        self._room.release(1)
        with suppress(StorageError):
            await self._storage.queues.extend(queue, message.receipt, lease=0)


class Pumps:
    """All pumps of a runtime."""

    def __init__(
        self, storage: Storage, runtime: PumpedRuntime, polling: PollingSettings | None = None
    ) -> None:
        polling = polling or PollingSettings()
        pause = polling.longest_pause
        longest = None if pause is None else pause.total_seconds()
        self._runtime = runtime
        turns = Room(runtime.turn_room, runtime.turns.changed, storage.clock)
        activities = Room(runtime.activity_room, runtime.activities.changed, storage.clock)
        control = [
            Pump(
                storage,
                (queue,),
                runtime.messages.handle_control,
                turns,
                runtime.spawn,
                runtime.weight,
                batch=polling.control_batch,
                idle=longest or _CONTROL_IDLE,
            )
            for queue in runtime.control_queues
        ]
        work = [
            Pump(
                storage,
                runtime.lanes(activity),
                runtime.messages.handle_work,
                activities,
                runtime.spawn,
                runtime.weight,
                batch=polling.work_batch,
                idle=longest or _WORK_IDLE,
                gate=runtime.flow.gate(activity),
            )
            for activity in {queue: name for name, queue in runtime.work_queues.items()}.values()
        ]
        self._all = (*control, *work)
        self._pumps = {lane: pump for pump in self._all for lane in pump.lanes}
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to receive, and to be woken by what this process sends."""
        self._runtime.on_nudge = self._nudged
        self._runtime.on_look_away = self._look_away
        self._tasks = [asyncio.create_task(pump.run()) for pump in self._all]

    async def stop(self, seconds: float) -> None:
        """Receive no more. Calls under way get up to `seconds`: what they bring is let go of.
        What is being handled goes on; draining the runtime ends it."""
        self._runtime.on_nudge = self._runtime.on_look_away = None
        for pump in self._all:
            pump.stop()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _look_away(self, queue: str, seconds: float) -> None:
        pump = self._pumps.get(queue)
        if pump is not None:
            pump.look_away(seconds)

    def _nudged(self, queue: str, delay: float) -> None:
        pump = self._pumps.get(queue)
        if pump is not None:
            pump.wake.after(delay)
