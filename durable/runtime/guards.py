"""Leases that outlive a blocked event loop: guards, which hold a message, and claims.

A guard is a hidden queue message that rings for its holder should it die. It is renewed at a
third of its lease, and trusted for half of it, counted from before the request that hid it
was sent. Whoever finds his guard no longer fresh ends: another may hold it by now.
"""

from __future__ import annotations

import asyncio
import math
import threading
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine
from datetime import timedelta
from typing import Any, Protocol, TypeVar

from durable.errors import MessageGone, RowMissing, StorageError
from durable.hub.keys import encode
from durable.ports import Clock, Merge, Receipt, Storage
from durable.runtime.loops import new_event_loop
from durable.runtime.slots import first

LEASE = 20.0
RENEW = LEASE / 3
TRUST = LEASE / 2
RETRY = 2.0
AT_ONCE = 32
"""Renewals under way at a time."""

CLAIMS = "claim"
"""Partition of the claims in the index table."""

T = TypeVar("T")
Key = tuple[str, int]


class Lease(ABC):
    """Something that stays ours only while it is renewed."""

    def __init__(self, clock: Clock, held_from: float, every: float) -> None:
        self._clock = clock
        self.held_from = held_from
        self.every = every
        self.next_try = held_from + every
        self.lost = False
        self.lock = asyncio.Lock()

    @abstractmethod
    async def renew(self, storage: Storage) -> None:
        """Extend it, or set `lost`. StorageError means: unknown, try again."""


class Guard(Lease):
    """A held message. `key` is its message id and delivery count: what is done under it is
    marked with the key, and only its holder may do it."""

    def __init__(
        self,
        clock: Clock,
        queue: str,
        receipt: Receipt,
        held_from: float,
        *,
        count: int = 0,
        follows: tuple[Key, ...] = (),
    ) -> None:
        """`follows` are guards that this one takes over from, which may still have a holder."""
        super().__init__(clock, held_from, RENEW)
        self.queue = queue
        self.receipt = receipt
        self.key = (receipt.message_id, count)
        self.follows = follows
        self.has_fenced = not follows
        """Whether the holders of those cannot do anything any more."""

    @property
    def earlier(self) -> frozenset[str]:
        """The messages of those."""
        return frozenset(message for message, _ in self.follows)

    @property
    def heirs(self) -> tuple[Key, ...]:
        """The guards that a message which replaces this one takes over from."""
        if self.has_fenced:
            return (self.key,)
        # nothing was done under this one yet
        return predecessors(self.follows)

    @property
    def is_fresh(self) -> bool:
        """Whether nobody else can hold it yet; to be asked right before each send."""
        return not self.lost and self._clock.monotonic() - self.held_from <= TRUST

    async def renew(self, storage: Storage) -> None:
        """Hide the message for another lease."""
        asked = self._clock.monotonic()
        try:
            self.receipt = await storage.queues.extend(self.queue, self.receipt, lease=LEASE)
        except MessageGone:
            self.lost = True
        else:
            self.held_from = asked


def predecessors(follows: tuple[Key, ...]) -> tuple[Key, ...]:
    """The guards that are ended by marks: a mark ends holders of smaller counts than its own."""
    return tuple((message, count - 1) for message, count in follows)


class Claim(Lease):
    """A row that says an activity is being run: the sweeper sends it again once it expires."""

    EVERY = 10.0
    LIFETIME = timedelta(seconds=30)

    def __init__(self, clock: Clock, table: str, key: str) -> None:
        super().__init__(clock, clock.monotonic(), self.EVERY)
        self.table, self.key = table, key

    async def renew(self, storage: Storage) -> None:
        """Move the expiry."""
        expires = storage.clock.now() + self.LIFETIME
        try:
            await storage.tables.transact(
                self.table, CLAIMS, [Merge(self.key, {"expires": expires, "sent": False})]
            )
        except RowMissing:
            self.lost = True
        else:
            self.held_from = self._clock.monotonic()


def claim_key(instance_id: str, execution_id: str, task_id: int) -> str:
    """Row key of an activity's claim."""
    return f"{encode(instance_id)}|{execution_id}|{task_id}"


class Keeping(Protocol):
    """Puts, renews and deletes leases."""

    async def start(self) -> None:
        """Begin renewing."""
        ...

    async def put(self, queue: str, body: bytes, *, follows: tuple[Key, ...] = ()) -> Guard:
        """Send a hidden message and hold it."""
        ...

    def keep(self, lease: Lease) -> None:
        """Renew it from now on."""
        ...

    def drop(self, lease: Lease) -> None:
        """Renew it no longer; a guard's message will show itself and ring."""
        ...

    async def release(self, guard: Guard) -> None:
        """Delete a guard's message: what it stood for is done."""
        ...

    async def close(self) -> None:
        """Renew nothing any more."""
        ...


class Shared:
    """A guard that several runs hold: the last of them deletes it. One that fails lets it ring at
    once, and all of them are taken over."""

    def __init__(self, keeping: Keeping, guard: Guard, runs: int) -> None:
        self.guard = guard
        self._keeping = keeping
        self._runs = runs
        self._dropped = False

    async def leave(self, *, done: bool) -> None:
        """A run is over."""
        self._runs -= 1
        if not done and not self._dropped:
            self._dropped = True
            self._keeping.drop(self.guard)
        elif not self._runs and not self._dropped:
            await self._keeping.release(self.guard)


class Keeper:
    """Keeps leases on the event loop it is used on."""

    def __init__(
        self, storage: Storage, spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]
    ) -> None:
        self.storage = storage
        self._spawn = spawn
        self._task: asyncio.Task[None] | None = None
        # in the order they came: a simulation has to be repeatable
        self._held: dict[Lease, None] = {}
        self._changed = asyncio.Event()
        self._renewing: set[asyncio.Task[None]] = set()
        self._room = asyncio.Semaphore(AT_ONCE)

    async def start(self) -> None:
        """See `Keeping`."""
        self._task = self._spawn(self._run())

    async def close(self) -> None:
        """See `Keeping`."""
        tasks = {*self._renewing, *([self._task] if self._task else [])}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def put(self, queue: str, body: bytes, *, follows: tuple[Key, ...] = ()) -> Guard:
        """See `Keeping`."""
        clock = self.storage.clock
        asked = clock.monotonic()
        receipt = await self.storage.queues.send(queue, body, delay=LEASE)
        guard = Guard(clock, queue, receipt, asked, follows=follows)
        self.keep(guard)
        return guard

    def keep(self, lease: Lease) -> None:
        """See `Keeping`."""
        self._held[lease] = None
        self._changed.set()

    def drop(self, lease: Lease) -> None:
        """See `Keeping`."""
        self._held.pop(lease, None)

    async def release(self, guard: Guard) -> None:
        """See `Keeping`."""
        async with guard.lock:
            self._held.pop(guard, None)
            if guard.lost:
                return
            try:
                await self.storage.queues.delete(guard.queue, guard.receipt)
            except StorageError:
                # it rings once more, and whoever hears it finds nothing to do
                return

    async def _run(self) -> None:
        clock = self.storage.clock
        while True:
            self._changed.clear()
            now = clock.monotonic()
            due = [lease for lease in self._held if lease.next_try <= now]
            # side by side: one slow answer, or many leases, must not cost the others theirs
            for lease in sorted(due, key=lambda lease: lease.next_try):
                lease.next_try = math.inf
                task = self._spawn(self._renew(lease))
                self._renewing.add(task)
                task.add_done_callback(self._renewing.discard)
            wake = min((lease.next_try for lease in self._held), default=math.inf)
            if wake == math.inf:
                await self._changed.wait()
                continue
            await first(self._changed.wait(), clock.sleep(max(0.05, wake - clock.monotonic())))

    async def _renew(self, lease: Lease) -> None:
        async with self._room, lease.lock:
            if lease not in self._held:
                return
            try:
                await lease.renew(self.storage)
            except StorageError:
                lease.next_try = self.storage.clock.monotonic() + RETRY
            else:
                lease.next_try = lease.held_from + lease.every
        if lease.lost:
            self._held.pop(lease, None)
        self._changed.set()


class ThreadKeeping:
    """Leases kept by a thread with a loop and a connection of its own, so that user code which
    blocks the runtime's loop cannot make it lose them."""

    def __init__(
        self, open_storage: Callable[[], Awaitable[tuple[Storage, Callable[[], Awaitable[None]]]]]
    ) -> None:
        """`open_storage` is called on the thread's loop and answers a storage and its closer."""
        self._open = open_storage
        self._loop = new_event_loop()
        self._keeper: Keeper | None = None
        self._thread = threading.Thread(target=self._run, name="durable-leases", daemon=True)
        self._stop: asyncio.Event | None = None

    async def start(self) -> None:
        """Begin; raises what opening the storage raises."""
        started: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._started = started
        self._thread.start()
        await started

    async def put(self, queue: str, body: bytes, *, follows: tuple[Key, ...] = ()) -> Guard:
        """See `Keeping`."""
        return await self._there(lambda keeper: keeper.put(queue, body, follows=follows))

    def keep(self, lease: Lease) -> None:
        """See `Keeping`."""
        self._loop.call_soon_threadsafe(self._kept.keep, lease)

    def drop(self, lease: Lease) -> None:
        """See `Keeping`."""
        self._loop.call_soon_threadsafe(self._kept.drop, lease)

    async def release(self, guard: Guard) -> None:
        """See `Keeping`."""
        await self._there(lambda keeper: keeper.release(guard))

    async def close(self) -> None:
        """Renew nothing any more and end the thread."""
        if self._stop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
            await asyncio.to_thread(self._thread.join)

    @property
    def _kept(self) -> Keeper:
        assert self._keeper is not None, "not started"
        return self._keeper

    async def _there(self, call: Callable[[Keeper], Coroutine[Any, Any, T]]) -> T:
        future = asyncio.run_coroutine_threadsafe(call(self._kept), self._loop)
        return await asyncio.wrap_future(future)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._main())
        finally:
            self._loop.close()

    async def _main(self) -> None:
        home = self._started.get_loop()
        try:
            storage, close = await self._open()
        except BaseException as error:
            home.call_soon_threadsafe(self._started.set_exception, error)
            return
        self._stop = asyncio.Event()
        self._keeper = Keeper(storage, asyncio.ensure_future)
        await self._keeper.start()
        home.call_soon_threadsafe(self._started.set_result, None)
        await self._stop.wait()
        await self._keeper.close()
        await close()
