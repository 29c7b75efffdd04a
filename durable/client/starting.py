"""Writes a new instance: projection row, head and gate, and sees that it begins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from durable.client.reusing import IdReusePolicy
from durable.client.telling import creating
from durable.errors import InstanceExistsError, RowChanged, RowExists, RowMissing, StorageError
from durable.hub.hub import Hub
from durable.hub.keys import listing_key
from durable.hub.payloads import Spill
from durable.hub.purge import settled
from durable.hub.ringing import Ringer, repeat
from durable.hub.rows import PURGING, Head
from durable.hub.timers import START
from durable.hub.tracing import COUNT, INSTANCE
from durable.model.events import Arrival, ExecutionTerminated
from durable.model.instance import ForkedFrom, OrchestrationRuntimeStatus

_PATIENCE = 50
_TERMINATING = 30.0
"""Seconds that an instance which is to be replaced gets to end."""


@dataclass(frozen=True, slots=True)
class StartRequest:
    """What is to be started; `text` is the input's JSON, `start_at` when it may begin."""

    name: str
    instance_id: str
    text: str | None
    version: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    reuse: IdReusePolicy = field(default_factory=lambda: IdReusePolicy.of("replace"))
    chosen: bool = False
    """Whether the id is the caller's, so that there may well be such an instance."""
    trace: tuple[str, str] = ("", "")
    start_at: datetime | None = None
    fork: ForkedFrom | None = None


async def start(hub: Hub, ringer: Ringer, request: StartRequest) -> str:
    """Start it and return the instance id. Safe to repeat; raises InstanceExistsError."""
    if not hub.telemetry.traces:
        return await _start(hub, ringer, request)
    about = {INSTANCE: request.instance_id}
    with creating(hub, request.name, request.version, request.trace, about) as trace:
        return await _start(hub, ringer, replace(request, trace=trace))


async def _start(hub: Hub, ringer: Ringer, request: StartRequest) -> str:
    instance_id, incarnation = request.instance_id, hub.new_id(8)
    doomed = ""
    if request.chosen:
        known = await repeat(hub, lambda: hub.instances.head(instance_id))
        if known is not None and known.status != PURGING:
            if not request.reuse.replaces(known.runtime_status):
                return await _meet(ringer, known, request)
            doomed = known.incarnation
            await _terminate(hub, ringer, known, incarnation)
    head, spill = _first(hub, request, incarnation)
    over: Head | None = None
    purges, announced = 0, False
    while True:
        try:
            await repeat(hub, lambda: ringer.start(head, spill, over, announced=announced))  # noqa: B023
            return instance_id
        except (RowExists, RowChanged, RowMissing):
            existing = await repeat(hub, lambda: hub.instances.head(instance_id))
        announced = True
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
        elif existing.incarnation != doomed and not request.reuse.replaces(existing.runtime_status):
            await _withdraw(hub, head, spill, existing)
            return await _meet(ringer, existing, request)
        elif not existing.is_terminal:
            doomed = existing.incarnation
            try:
                await _terminate(hub, ringer, existing, incarnation)
            except InstanceExistsError:
                await _withdraw(hub, head, spill, existing)
                raise
        else:
            over = await settled(hub, existing, ringer)
            if over is not None:
                stale = (over.incarnation, listing_key(over.created, instance_id))
                head = replace(head, stale=(*over.stale, stale))


async def start_all(hub: Hub, ringer: Ringer, requests: Sequence[StartRequest]) -> None:
    """Start several that are to begin now, in few calls. As safe to repeat as `start`; the first
    error is raised when all others have been started."""
    if not (hub.telemetry.traces and requests):
        await _start_all(hub, ringer, requests)
        return
    # they are of one function, and asked for together
    one, about = requests[0], {COUNT: len(requests)}
    with creating(hub, one.name, one.version, one.trace, about) as trace:
        await _start_all(hub, ringer, [replace(each, trace=trace) for each in requests])


async def _start_all(hub: Hub, ringer: Ringer, requests: Sequence[StartRequest]) -> None:
    starts = [_first(hub, request, hub.new_id(8)) for request in requests]
    heads = [head for head, _ in starts]
    announced = await repeat(hub, lambda: hub.projection.announce_all(heads))
    starts = [(head, spill) for head, (_, spill) in zip(announced, starts, strict=True)]
    outcomes = await ringer.start_all(starts)
    errors: list[Exception] = []
    for request, (head, spill), outcome in zip(requests, starts, outcomes, strict=True):
        if isinstance(outcome, Head):
            continue
        try:
            existing = await repeat(hub, lambda: hub.instances.head(request.instance_id))  # noqa: B023
            if existing is not None and existing.incarnation == head.incarnation:
                # an answer was lost: it had come to be
                await ringer.ring(request.instance_id)
                continue
            if existing is not None:
                await _withdraw(hub, head, spill, existing)
            await _start(hub, ringer, request)
        except (StorageError, InstanceExistsError) as error:
            errors.append(error)
    if errors:
        raise errors[0]


def _first(hub: Hub, request: StartRequest, incarnation: str) -> tuple[Head, Spill]:
    """The head of a new instance, and its payload rows."""
    spill = Spill(incarnation, hub.new_id(8))
    now = hub.storage.clock.now()
    later = request.start_at is not None and request.start_at > now
    head = Head(
        instance_id=request.instance_id,
        name=request.name,
        incarnation=incarnation,
        execution_id=hub.new_id(16),
        status=OrchestrationRuntimeStatus.PENDING,
        created=now,
        version=request.version,
        input=spill.payload(request.text),
        tags=request.tags,
        trace=request.trace,
        start_at=request.start_at,
        next_timer=request.start_at if later else None,
        fork=request.fork,
    )
    return head, spill


async def _meet(ringer: Ringer, existing: Head, request: StartRequest) -> str:
    skips = request.reuse.skips(existing.runtime_status)
    if skips or (existing.sequence == 0 and existing.next_timer is None):
        # whoever started it may have died before ringing
        await ringer.ring(request.instance_id)
    if not skips:
        raise InstanceExistsError(
            f"an instance {request.instance_id!r} exists and is {existing.runtime_status}"
        )
    return request.instance_id


async def _terminate(hub: Hub, ringer: Ringer, existing: Head, successor: str) -> None:
    """End an unfinished instance that is to be replaced, its sub-orchestrations with it, which
    nobody would await any more; and wait until it has ended, not until they have. Raises
    InstanceExistsError when no worker ends it in time."""
    instance_id, incarnation = existing.instance_id, existing.incarnation
    message, nonce = f"replaced|{successor}", hub.new_id(8)
    reason = "another instance was started in place of this one"
    event = ExecutionTerminated(message, reason, recurse=True)
    until = hub.storage.clock.monotonic() + _TERMINATING
    head: Head | None = existing
    if not existing.is_terminal:
        await repeat(
            hub,
            lambda: hub.instances.deliver(
                instance_id, incarnation, message, Arrival(event), nonce=nonce
            ),
        )
        await ringer.ring(instance_id)
    while head is not None and head.incarnation == incarnation and not head.is_terminal:
        if hub.storage.clock.monotonic() >= until:
            raise InstanceExistsError(
                f"instance {instance_id!r} was told to end, and is {head.runtime_status} still; "
                "try again"
            )
        await ringer.wait(instance_id, 0.1)
        head = await repeat(hub, lambda: hub.instances.head(instance_id))


async def _withdraw(hub: Hub, head: Head, spill: Spill, existing: Head) -> None:
    row = listing_key(head.created, head.instance_id)
    if row != listing_key(existing.created, existing.instance_id):
        await hub.projection.withdraw(row)
    if head.far_start is not None:
        await hub.timers.drop(head.instance_id, head.execution_id, START, head.far_start)
    await hub.instances.delete_rows(head.instance_id, [row.key for row in spill.rows])
