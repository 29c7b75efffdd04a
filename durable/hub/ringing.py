"""How an instance's next turn is brought about, and calls that are repeated until answered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from durable.errors import AmbiguousAnswer, Throttled
from durable.hub.hub import Hub
from durable.hub.messages import Doorbell
from durable.hub.payloads import Spill
from durable.hub.rows import Head

T = TypeVar("T")


class Ringer(Protocol):
    """Makes sure that an instance is looked at."""

    async def ring(self, instance_id: str) -> None:
        """Returns once a message or a running process stands for the instance's next turn."""
        ...

    async def start(self, head: Head, spill: Spill, over: Head | None) -> Head:
        """Write the head of a new incarnation and see that it begins; errors as for
        `Instances.create`."""
        ...

    async def wait(self, instance_id: str, seconds: float) -> None:
        """Return after `seconds`, or sooner when the instance may have ended."""
        ...


class QueueRinger:
    """Rings through the control queue: for processes that run no orchestrations."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    async def ring(self, instance_id: str) -> None:
        """Send a doorbell that is visible at once; repeated until the queue took it."""
        queue = self._hub.names.control_queue(instance_id)
        body = Doorbell(instance_id).encode()
        await repeat(self._hub, lambda: self._hub.storage.queues.send(queue, body))

    async def start(self, head: Head, spill: Spill, over: Head | None) -> Head:
        """Write the head, then ring."""
        created = await self._hub.instances.create(head, spill, over=over)
        await self.ring(head.instance_id)
        return created

    async def wait(self, instance_id: str, seconds: float) -> None:
        """Sleep."""
        await self._hub.storage.clock.sleep(seconds)


async def repeat(hub: Hub, call: Callable[[], Awaitable[T]], *, attempts: int = 6) -> T:
    """Repeat a call that is safe to repeat, while its answer is ambiguous or the service busy."""
    for attempt in range(1, attempts + 1):
        try:
            return await call()
        except (AmbiguousAnswer, Throttled):
            if attempt == attempts:
                raise
            await hub.storage.clock.sleep(min(0.1 * 2**attempt, 3.0))
    raise AssertionError("unreachable")
