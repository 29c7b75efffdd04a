"""How an instance's next turn is brought about, and calls that are repeated until answered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Protocol, TypeVar

from durable.errors import AmbiguousAnswer, StorageError, Throttled
from durable.hub.hub import Hub
from durable.hub.messages import RINGS, Doorbell, Doorbells
from durable.hub.payloads import Spill
from durable.hub.rows import Head
from durable.hub.timers import START
from durable.hub.together import together
from durable.hub.tracing import ERROR
from durable.telemetry import Counter

SOON = timedelta(seconds=3)

T = TypeVar("T")


class Ringer(Protocol):
    """Makes sure that an instance is looked at."""

    async def ring(self, instance_id: str) -> None:
        """Returns once a message or a running process stands for the instance's next turn."""
        ...

    async def start(
        self, head: Head, spill: Spill, over: Head | None, *, announced: bool = True
    ) -> Head:
        """Write the head of a new incarnation and see that it begins; errors as for
        `Instances.create`. Where it was not `announced`, the row that lists it is written first."""
        ...

    async def start_all(self, starts: Sequence[tuple[Head, Spill]]) -> Sequence[Head | Exception]:
        """As `start` for each of several that are to begin now; what failed in its place."""
        ...

    def trust(self, instance_id: str) -> float:
        """For how many seconds `wait` may be left to learn of the instance's end by itself, since
        it runs here, or probably will; 0 where it does not."""
        ...

    async def wait(self, instance_id: str, seconds: float) -> Head | None:
        """Return after `seconds`, or sooner when the instance has ended here: the head it has
        then, where that is known."""
        ...

    async def wait_for_answer(self, ask_id: str, seconds: float) -> None:
        """Return after `seconds`, or sooner when the answer to that was given here."""
        ...


class QueueRinger:
    """Rings through the control queue: for processes that run no orchestrations."""

    def __init__(self, hub: Hub, packed: int = RINGS) -> None:
        """`packed` is for how many instances a message rings at most."""
        self._hub = hub
        self._packed = packed

    async def ring(self, instance_id: str) -> None:
        """Send a doorbell that is visible at once; repeated until the queue took it."""
        queue = self._hub.names.control_queue(instance_id)
        body = Doorbell(instance_id).encode()
        await repeat(self._hub, lambda: self._hub.storage.queues.send(queue, body))

    async def start(
        self, head: Head, spill: Spill, over: Head | None, *, announced: bool = True
    ) -> Head:
        """Write the head, then ring; what is to begin later is rung for then."""
        if not announced:
            head = await self._hub.projection.announce(head)
        if head.next_timer is not None:
            return await start_later(self._hub, self, head, spill, over)
        created = await self._hub.instances.create(head, spill, over=over)
        await self.ring(head.instance_id)
        return created

    async def start_all(self, starts: Sequence[tuple[Head, Spill]]) -> Sequence[Head | Exception]:
        """Write the heads, then ring for many at a time."""
        outcomes = await create_all(self._hub, starts)
        await self.ring_all([each.instance_id for each in outcomes if isinstance(each, Head)])
        return outcomes

    async def ring_all(self, instance_ids: Sequence[str]) -> None:
        """Ring for several that were never rung for."""
        for queue, ids in by_queue(self._hub, instance_ids, self._packed):
            body = (Doorbells(ids) if len(ids) > 1 else Doorbell(ids[0])).encode()
            await repeat(self._hub, lambda: self._hub.storage.queues.send(queue, body))  # noqa: B023

    def trust(self, instance_id: str) -> float:
        """None: nothing runs here."""
        return 0.0

    async def wait(self, instance_id: str, seconds: float) -> Head | None:
        """Sleep."""
        await self._hub.storage.clock.sleep(seconds)
        return None

    async def wait_for_answer(self, ask_id: str, seconds: float) -> None:
        """Sleep."""
        await self._hub.storage.clock.sleep(seconds)


async def create_all(hub: Hub, starts: Sequence[tuple[Head, Spill]]) -> list[Head | Exception]:
    """Write the heads of several new instances; what failed in its place."""

    outcomes: dict[int, Head | Exception] = {}

    async def create(number: int) -> None:
        try:
            outcomes[number] = await repeat(hub, lambda: hub.instances.create(*starts[number]))
        except StorageError as error:
            outcomes[number] = error

    await together(range(len(starts)), create)
    return [outcomes[number] for number in range(len(starts))]


def by_queue(
    hub: Hub, instance_ids: Sequence[str], most: int = RINGS
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Instances with their control queue, up to `most` together, as one message may ring for."""
    most = min(most, RINGS)
    queues: dict[str, list[str]] = {}
    for instance_id in instance_ids:
        queues.setdefault(hub.names.control_queue(instance_id), []).append(instance_id)
    for queue, ids in queues.items():
        for start in range(0, len(ids), most):
            yield queue, tuple(ids[start : start + most])


async def start_later(
    hub: Hub, ringer: Ringer, head: Head, spill: Spill, over: Head | None
) -> Head:
    """Write the head of an instance that begins at its `next_timer`. What rings for it then is
    there first, so that nobody has to see to it before."""
    due, now = head.next_timer, hub.storage.clock.now()
    assert due is not None
    if head.far_start is not None:
        await hub.timers.add(head.instance_id, head.execution_id, START, due)
    else:
        queue = hub.names.control_queue(head.instance_id)
        delay = max(0.0, (due - now).total_seconds())
        await hub.storage.queues.send(queue, Doorbell(head.instance_id).encode(), delay=delay)
    created = await hub.instances.create(head, spill, over=over)
    if over is not None or due - hub.storage.clock.now() <= SOON:
        # the one before has left rows; or the doorbell may have come before the head
        await ringer.ring(head.instance_id)
    elif head.far_start is not None:
        # the audit would do it
        with suppress(StorageError):
            await hub.projection.settle(created)
    return created


def count_retry(hub: Hub, error: StorageError) -> None:
    """A storage call is about to be made again."""
    if hub.telemetry.measures:
        about = {ERROR: type(error).__name__}
        hub.telemetry.count(Counter.STORAGE_RETRIES, about)


async def repeat(hub: Hub, call: Callable[[], Awaitable[T]], *, attempts: int = 6) -> T:
    """Repeat a call that is safe to repeat, while its answer is ambiguous or the service busy."""
    for attempt in range(1, attempts + 1):
        try:
            return await call()
        except (AmbiguousAnswer, Throttled) as error:
            if attempt == attempts:
                raise
            count_retry(hub, error)
            await hub.storage.clock.sleep(min(0.1 * 2**attempt, 3.0))
    raise AssertionError("unreachable")
