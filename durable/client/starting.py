"""Writes a new instance: projection row, head and gate, and sees that it begins."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from durable.errors import InstanceExistsError, RowChanged, RowExists, RowMissing
from durable.hub.hub import Hub
from durable.hub.keys import listing_key
from durable.hub.payloads import Spill
from durable.hub.purge import settled
from durable.hub.ringing import Ringer, repeat
from durable.hub.rows import PURGING, Head
from durable.model.instance import OrchestrationRuntimeStatus

_PATIENCE = 50

IfExists = Literal["replace", "skip", "error"]


@dataclass(frozen=True, slots=True)
class StartRequest:
    """What is to be started; `text` is the input's JSON."""

    name: str
    instance_id: str
    text: str | None
    version: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    if_exists: IfExists = "replace"
    chosen: bool = False
    """Whether the id is the caller's, so that there may well be such an instance."""
    trace: tuple[str, str] = ("", "")


async def start(hub: Hub, ringer: Ringer, request: StartRequest) -> str:
    """Start it and return the instance id. Safe to repeat; raises InstanceExistsError."""
    instance_id, incarnation = request.instance_id, hub.new_id(8)
    if request.chosen:
        known = await repeat(hub, lambda: hub.instances.head(instance_id))
        if known is not None and _stays(known, request):
            return await _meet(ringer, known, request)
    spill = Spill(incarnation, hub.new_id(8))
    head = Head(
        instance_id=instance_id,
        name=request.name,
        incarnation=incarnation,
        execution_id=hub.new_id(16),
        status=OrchestrationRuntimeStatus.PENDING,
        created=hub.storage.clock.now(),
        version=request.version,
        input=spill.payload(request.text),
        tags=request.tags,
        trace=request.trace,
    )
    # the row first: an instance that exists is always listed
    await repeat(hub, lambda: hub.projection.announce(head))
    over: Head | None = None
    purges = 0
    while True:
        try:
            await repeat(hub, lambda: ringer.start(head, spill, over))  # noqa: B023
            return instance_id
        except (RowExists, RowChanged, RowMissing):
            existing = await repeat(hub, lambda: hub.instances.head(instance_id))
        if existing is not None and existing.incarnation == incarnation:
            # an answer was lost: it had come to be
            await ringer.ring(instance_id)
            return instance_id
        if existing is None:
            over = None
        elif existing.status == PURGING:
            purges += 1
            if purges > _PATIENCE:
                await _withdraw(hub, head, spill, existing)
                raise InstanceExistsError(f"instance {instance_id!r} is being purged; try again")
            await hub.storage.clock.sleep(0.2)
        elif _stays(existing, request):
            await _withdraw(hub, head, spill, existing)
            return await _meet(ringer, existing, request)
        else:
            over = await settled(hub, existing, ringer)
            if over is not None:
                stale = (over.incarnation, listing_key(over.created, instance_id))
                head = replace(head, stale=(*over.stale, stale))


def _stays(existing: Head, request: StartRequest) -> bool:
    return existing.status != PURGING and not (
        existing.is_terminal and request.if_exists == "replace"
    )


async def _meet(ringer: Ringer, existing: Head, request: StartRequest) -> str:
    if request.if_exists != "skip":
        raise InstanceExistsError(
            f"an instance {request.instance_id!r} exists and is {existing.runtime_status}"
        )
    # whoever started it may have died before ringing
    await ringer.ring(request.instance_id)
    return request.instance_id


async def _withdraw(hub: Hub, head: Head, spill: Spill, existing: Head) -> None:
    row = listing_key(head.created, head.instance_id)
    if row != listing_key(existing.created, existing.instance_id):
        await hub.projection.withdraw(row)
    await hub.instances.delete_rows(head.instance_id, [row.key for row in spill.rows])
