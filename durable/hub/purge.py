"""Removes a finished instance without a trace, so that any process can finish what one began."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

from durable.errors import InstanceExistsError, MessageGone, RowChanged, RowMissing
from durable.hub.hub import Hub
from durable.hub.keys import listing_key
from durable.hub.messages import Doorbell
from durable.hub.ringing import Ringer, repeat
from durable.hub.rows import PURGING, Head

_HIDDEN = 20.0
_PATIENCE = 50


async def purge(hub: Hub, head: Head, ringer: Ringer) -> None:
    """Purge a finished instance. Where someone else restarts or purges it at the same moment,
    theirs stands. Raises InstanceExistsError when it does not get its last messages out."""
    async with guarded(hub, head.instance_id):
        current: Head | None = head
        while (
            current is not None and current.incarnation == head.incarnation and current.is_terminal
        ):
            quiet = await settled(hub, current, ringer)
            if quiet is None:
                return
            with suppress(RowChanged, RowMissing):
                if quiet.status != PURGING:
                    quiet = await repeat(
                        hub,
                        lambda: hub.instances.update(replace(quiet, status=PURGING)),  # noqa: B023
                    )
                await finish_purge(hub, quiet)
                return
            current = await repeat(hub, lambda: hub.instances.head(head.instance_id))


@asynccontextmanager
async def guarded(hub: Hub, instance_id: str) -> AsyncIterator[None]:
    """A hidden doorbell for as long as something is half done: should this process die, a worker
    looks at the instance and finishes it."""
    queue = hub.names.control_queue(instance_id)
    bell = Doorbell(instance_id, guard=True).encode()
    guard = await repeat(hub, lambda: hub.storage.queues.send(queue, bell, delay=_HIDDEN))
    yield
    with suppress(MessageGone):
        await hub.storage.queues.delete(queue, guard)


async def finish_purge(hub: Hub, head: Head) -> None:
    """Delete all of an instance that is marked as being purged: rows, projection, the head last.
    Raises RowChanged or RowMissing if another finished it first."""
    # never another incarnation's: someone may be starting one at this moment
    await hub.instances.delete_incarnation(head.instance_id, head.incarnation)
    for incarnation, key in head.stale:
        await hub.instances.delete_incarnation(head.instance_id, incarnation)
        await hub.projection.withdraw(key)
    await hub.projection.withdraw(listing_key(head.created, head.instance_id))
    await hub.instances.delete_head(head)


async def settled(hub: Hub, head: Head, ringer: Ringer) -> Head | None:
    """Wait until a finished instance has sent all it had to send, and answer its head then; None
    when it is gone meanwhile, replaced or rewound. Raises InstanceExistsError after some
    seconds."""
    current: Head | None = head
    attempts = 0
    while current is not None:
        if current.incarnation != head.incarnation or not current.is_terminal:
            return None
        if not current.holdings:
            break
        attempts += 1
        if attempts > _PATIENCE:
            raise InstanceExistsError(
                f"instance {head.instance_id!r} has ended, but its last messages are not out yet; "
                "try again in a minute"
            )
        if attempts % 10 == 3:
            await ringer.ring(head.instance_id)
        await hub.storage.clock.sleep(0.1)
        current = await repeat(hub, lambda: hub.instances.head(head.instance_id))
    return current
