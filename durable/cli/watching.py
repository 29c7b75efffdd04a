"""Follows an instance by its head: one small read a second, whatever its history."""

from __future__ import annotations

from collections.abc import AsyncIterator

from durable.cli.errors import DONE, ENDED_BADLY
from durable.errors import InstanceNotFoundError
from durable.hub.hub import Hub
from durable.hub.ringing import repeat
from durable.hub.rows import PURGING, Head
from durable.model.instance import OrchestrationRuntimeStatus

INTERVAL = 1.0


async def heads(hub: Hub, instance_id: str) -> AsyncIterator[Head]:
    """The head as it is, and again after each change that is seen, until the instance has ended.

    Raises InstanceNotFoundError where there is none, also when it is purged meanwhile.
    """
    seen = ""
    while True:
        head = await repeat(hub, lambda: hub.instances.head(instance_id))
        if head is None or head.status == PURGING:
            purged = "was purged" if seen else "is not there"
            raise InstanceNotFoundError(f"instance {instance_id!r} {purged}")
        if head.etag != seen:
            seen = head.etag
            yield head
        if head.is_terminal:
            return
        await hub.storage.clock.sleep(INTERVAL)


def outcome(head: Head) -> int:
    """The exit code of a command that followed an instance to its end."""
    completed = head.runtime_status is OrchestrationRuntimeStatus.COMPLETED
    return DONE if completed else ENDED_BADLY
