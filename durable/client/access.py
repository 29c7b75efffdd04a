"""What all parts of the client stand on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from durable.codec import encode
from durable.errors import InstanceNotFoundError, PayloadTooLargeError
from durable.hub.hub import Hub
from durable.hub.ringing import Ringer, repeat
from durable.hub.rows import Head
from durable.model.events import Arrival, EntityOperation, Signal
from durable.model.functions import Registry
from durable.model.instance import check_instance_id

MAX_PAYLOAD = 16 * 1024 * 1024
AT_ONCE = 16


class Access:
    """A hub, and how to ring there."""

    def __init__(
        self,
        hub: Hub,
        ringer: Ringer,
        registry: Registry | None,
        max_payload: int,
        default_version: str | None = None,
    ) -> None:
        self._hub = hub
        self._ringer = ringer
        self._registry = registry
        self._max_payload = max_payload
        self._default_version = default_version

    @property
    def max_payload(self) -> int:
        """The longest input or event that is taken, in bytes of JSON."""
        return self._max_payload

    def new_id(self) -> str:
        """A random id."""
        return self._hub.new_id(16)

    def now(self) -> datetime:
        """The storage service's time."""
        return self._hub.storage.clock.now()

    def check_orchestrator(self, name: str) -> None:
        """Raises UnknownFunctionError if the app is known, and has no such orchestrator."""
        if self._registry is not None:
            self._registry.orchestrator(name)

    async def wait_until(
        self, condition: Callable[[], Awaitable[bool]], timeout: float, what: str
    ) -> None:
        """Ask `condition` ever less often, each second in the end, until it is true. Raises
        TimeoutError, which names `what`, after `timeout` seconds."""
        clock = self._hub.storage.clock
        until, pause = clock.monotonic() + timeout, 0.02
        while not await condition():
            left = until - clock.monotonic()
            if left <= 0:
                raise TimeoutError(f"{what}: no worker has carried it out within {timeout:g} s")
            await clock.sleep(min(pause, left))
            pause = min(pause * 1.5, 1.0)

    async def _head_or_none(self, instance_id: str) -> Head | None:
        return await repeat(self._hub, lambda: self._hub.instances.head(instance_id))

    async def _head(self, instance_id: str) -> Head:
        return await self._existing(check_instance_id(instance_id))

    async def _existing(self, instance_id: str) -> Head:
        head = await self._head_or_none(instance_id)
        if head is None:
            raise InstanceNotFoundError(f"there is no instance {instance_id!r}")
        return head

    async def _deliver(
        self,
        instance_id: str,
        incarnation: str,
        event: Signal | EntityOperation,
        trace: tuple[str, str],
    ) -> bool:
        """Store it once under its message id, and ring; False where that incarnation has ended."""
        hub, arrival = self._hub, Arrival(event, trace=trace)
        message, nonce, order = event.message_id, hub.new_id(8), hub.next_order()
        accepted = await repeat(
            hub,
            lambda: hub.instances.deliver(
                instance_id, incarnation, message, arrival, nonce=nonce, order=order
            ),
        )
        if accepted:
            await self._ringer.ring(instance_id)
        return accepted

    def _payload(self, value: object, what: str) -> str | None:
        text = encode(value) if value is not None else None
        if text is not None and len(text) > self._max_payload:
            raise PayloadTooLargeError(
                f"{what} has {len(text):,} bytes as JSON; at most {self._max_payload:,} are "
                "allowed (extensions.durableTask.maxPayloadBytes in host.json)"
            )
        return text


def seconds_of(timeout: object) -> float | None:
    """A timeout in seconds; None for none. TypeError for what says no time."""
    if isinstance(timeout, timedelta):
        return timeout.total_seconds()
    if timeout is None or (isinstance(timeout, int | float) and not isinstance(timeout, bool)):
        return timeout
    raise TypeError(
        f"a timeout is a number of seconds, a timedelta, or None, not {type(timeout).__name__}"
    )


def utc(moment: datetime | None) -> datetime | None:
    """A naive time is taken as UTC."""
    return moment.replace(tzinfo=UTC) if moment and moment.tzinfo is None else moment
