"""Histories of a hub, read and never written."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from dataclasses import replace
from typing import Unpack

from durable.client import DurableOrchestrationClient, Filters
from durable.client.filters import instance_filter
from durable.errors import InvalidRequestError, UnknownFormat
from durable.hub.hub import Hub
from durable.hub.payloads import payloads_of
from durable.hub.reading import PayloadGone
from durable.hub.ringing import repeat
from durable.hub.rows import PURGING, Head
from durable.hub.together import together
from durable.model.events import Event, ExecutionCompleted, PayloadRef, Turn
from durable.model.instance import check_instance_id
from durable.model.versioning import VersioningOptions
from durable.replaying.replaying import judge, registry_of
from durable.replaying.report import ReplayReport
from durable.replaying.stored import StoredHistory, UnreadableHistory
from durable.runtime.forking import not_taken_over, took_nothing_over

_ATTEMPTS = 5
_PAGE = 50


async def replay_instances(
    client: DurableOrchestrationClient,
    app: object,
    instance_ids: Collection[str] = (),
    *,
    limit: int | None = None,
    versioning: VersioningOptions | None = None,
    **filters: Unpack[Filters],
) -> ReplayReport:
    """Replay instances of the client's hub: those named, or else those that match, newest first,
    at most `limit`. `app` and `versioning` are as in `replay`; storage is read, never written."""
    registry = registry_of(app)
    histories = read_histories(client, instance_ids, limit=limit, **filters)
    return ReplayReport(tuple([judge(each, registry, versioning) async for each in histories]))


async def read_histories(
    client: DurableOrchestrationClient,
    instance_ids: Collection[str] = (),
    *,
    limit: int | None = None,
    **filters: Unpack[Filters],
) -> AsyncIterator[StoredHistory | UnreadableHistory]:
    """The histories that `replay_instances` replays, read page by page. An id without an
    instance is unreadable; what is purged while a list is read is left out."""
    if limit is not None and limit < 1:
        raise InvalidRequestError(f"limit must be at least 1, not {limit}")
    # a client of another style lists in its own way
    hub, wanted = client._hub, instance_filter(**filters)

    async def one(instance_id: str) -> StoredHistory | UnreadableHistory | None:
        return await _read(hub, instance_id)

    if instance_ids:
        ids = [check_instance_id(each) for each in instance_ids]
        found = await together(ids, one)
        for instance_id, history in zip(ids, found, strict=True):
            yield history or UnreadableHistory(instance_id, "there is no such instance")
        return
    left, token = limit, None
    while left is None or left > 0:
        top = _PAGE if left is None else min(left, _PAGE)
        rows, token = await hub.projection.page(wanted, limit=top, token=token)
        for history in await together([row.instance_id for row in rows], one):
            if history is not None:
                yield history
        left = None if left is None else left - len(rows)
        if token is None:
            return


async def _read(hub: Hub, instance_id: str) -> StoredHistory | UnreadableHistory | None:
    """As it is at one moment: read again where it went on meanwhile. None if it is not there."""
    for _ in range(_ATTEMPTS):
        try:
            head = await repeat(hub, lambda: hub.instances.head(instance_id))
            if head is None or head.status == PURGING:
                return None
            turns = await _turns(hub, head)
            if len(turns) == head.sequence - head.base:
                return await _history(hub, head, turns)
        except PayloadGone:
            continue
        except UnknownFormat as error:
            return UnreadableHistory(instance_id, str(error))
    return UnreadableHistory(instance_id, "it changes faster than it can be read: try again")


async def _turns(hub: Hub, head: Head) -> tuple[Turn, ...]:
    if head.sequence == head.base:
        return ()
    stored = await repeat(hub, lambda: hub.instances.history(head))
    return tuple(
        [
            replace(
                each.turn,
                events=tuple([await _whole(hub, head, event) for event in each.turn.events]),
            )
            for each in stored
        ]
    )


async def _history(hub: Hub, head: Head, turns: tuple[Turn, ...]) -> StoredHistory:
    text = await hub.instances.text(head.instance_id, head.incarnation, head.input)
    return StoredHistory(
        head.instance_id,
        head.name,
        _with_refusal(head, turns),
        head.execution_id,
        head.version,
        text,
        head.parent.instance_id if head.parent else None,
        head.runtime_status,
    )


def _with_refusal(head: Head, turns: tuple[Turn, ...]) -> tuple[Turn, ...]:
    """The turns, with the end of a fork that could take nothing over: it may be waiting for what
    is in the inbox, and no code ran before it either."""
    refusal = not_taken_over(head, turns)
    if refusal is None or took_nothing_over(turns) is not None:
        return turns
    end = ExecutionCompleted(failure=refusal)
    return (*turns[:-1], replace(turns[-1], events=(*turns[-1].events, end)))


async def _whole(hub: Hub, head: Head, event: Event) -> Event:
    texts = {
        name: await hub.instances.text(head.instance_id, head.incarnation, payload)
        for name, payload in payloads_of(event)
        if isinstance(payload, PayloadRef)
    }
    return replace(event, **texts) if texts else event  # type: ignore[arg-type]
