"""Locks of entities whose owners are gone."""

from __future__ import annotations

from datetime import timedelta

from durable.hub.hub import Hub
from durable.hub.ringing import repeat
from durable.model.entities import Lock

BLOCKED = timedelta(seconds=30)
"""How long an entity may be locked before its owner is looked at."""


async def is_orphaned(hub: Hub, lock: Lock) -> bool:
    """Whether the orchestration that has the lock is not there any more to release it. Raises
    UnknownFormat where only a newer worker can tell."""
    if hub.storage.clock.now() - lock.since < BLOCKED:
        return False
    owner = await repeat(hub, lambda: hub.instances.head(lock.owner.instance_id))
    return (
        owner is None
        or owner.is_terminal
        or owner.incarnation != lock.owner.incarnation
        or owner.execution_id != lock.owner.execution_id
    )
