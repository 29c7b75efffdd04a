"""The client of a hub whose time passes for who waits."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

from durable.client import DurableOrchestrationClient
from durable.client.access import seconds_of
from durable.errors import InstanceNotFoundError
from durable.hub.hub import Hub
from durable.hub.rows import PURGING, Head
from durable.management.links import LinkSigner
from durable.model.functions import Registry
from durable.model.instance import InstanceStatus, OrchestrationRuntimeStatus
from durable.model.versioning import VersioningOptions
from durable.runtime.queries import Queries
from durable.runtime.taking import Taking
from durable.testing.errors import StalledError
from durable.testing.skipping import SkippingWorld
from durable.testing.wanting import Wanting
from durable.testing.world import HUB

T = TypeVar("T")

BASE_URL = "http://localhost:7071/api"
"""What links begin with; nothing listens there."""


class HubClient(DurableOrchestrationClient):
    """As any other, but that whoever waits is told at once, without asking again and again."""

    def __init__(
        self, world: SkippingWorld, registry: Registry, versioning: VersioningOptions
    ) -> None:
        hub = Hub(world.outside, HUB, telemetry=world.telemetry)
        taking = Taking(registry, versioning=versioning)
        super().__init__(
            hub,
            registry=registry,
            links=LinkSigner(bytes(32), BASE_URL, now=world.now),
            answerer=Queries(hub, taking),
            default_version=versioning.default_version,
        )
        self._world = world
        self._wanting = Wanting(hub, taking)

    async def _wait(
        self,
        instance_id: str,
        timeout: timedelta | float | None,
        is_so: Callable[[Head], bool],
        *,
        end: bool = False,
    ) -> InstanceStatus:
        seconds = seconds_of(timeout)
        until = None if seconds is None else self.now() + timedelta(seconds=seconds)

        async def done() -> InstanceStatus | None:
            head = await self._head(instance_id)
            if head.status == PURGING:
                raise InstanceNotFoundError(f"instance {instance_id!r} is being purged")
            if is_so(head):
                return await self._status_of(head)
            if head.status == OrchestrationRuntimeStatus.STUCK:
                raise StalledError(await self.explain(instance_id))
            return None

        status = await self._world.wait(
            done, until=until, explain=lambda: self.explain(instance_id)
        )
        if status is None:
            raise TimeoutError(
                f"after {seconds:g} s of the hub's time {await self.explain(instance_id)}"
            )
        return status

    async def _until(
        self,
        instance_id: str,
        ask_id: str,
        look: Callable[[], Awaitable[T | None]],
        seconds: float | None,
    ) -> T | None:
        until = None if seconds is None else self.now() + timedelta(seconds=seconds)
        return await self._world.wait(look, until=until, explain=lambda: self.explain(instance_id))

    async def explain(self, instance_id: str) -> str:
        """Which status an instance has, and what it waits for."""
        return await self._wanting.explain(instance_id)
