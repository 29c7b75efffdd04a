"""Signals, reads, lists and cleans up entities."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from durable.client.access import Access, utc
from durable.client.telling import signalling
from durable.engine.entity_calls import as_utc, check_operation
from durable.errors import InvalidRequestError, RowChanged, RowMissing, UnknownFormat
from durable.hub.keys import ENTITY_INBOX, encode
from durable.hub.locks import is_orphaned
from durable.hub.messages import Doorbell
from durable.hub.projection import Listed
from durable.hub.purge import finish_purge, guarded
from durable.hub.reading import PayloadGone
from durable.hub.ringing import repeat
from durable.hub.rows import PURGING, Head
from durable.hub.together import together
from durable.model.entities import EntityId
from durable.model.events import EntityOperation

UNUSED = timedelta(hours=1)
"""An empty entity still remembers, for so long, which messages it has taken."""


@dataclass(frozen=True, slots=True)
class EntityState:
    """An entity as it is now. `state` is a JSON text, None where it was not asked for or there
    is none; `locked_by` is the instance id of the orchestration that has it to itself; times
    are the storage service's."""

    entity_id: EntityId
    exists: bool
    """Whether it has a state."""
    state: str | None
    last_modified: datetime
    locked_by: str | None = None
    waiting: str | None = None
    """What it cannot go on without, as of instances."""
    backlog: int | None = None
    """How many operations, lock requests and releases wait in its inbox, those for a later time
    included; None where they were not counted."""


@dataclass(frozen=True, slots=True)
class CleanedEntities:
    """How many empty entities were removed, and how many locks of vanished owners released."""

    removed: int
    released: int


class Entities(Access):
    """See the module."""

    async def signal_entity(
        self,
        entity_id: EntityId,
        operation: str,
        input_: object = None,
        *,
        signal_time: datetime | None = None,
    ) -> None:
        """Have an entity perform an operation, at `signal_time` at the earliest. Once this
        returns, the operation is stored and will be performed exactly once into its state.
        Raises UnknownFunctionError for an entity that the app does not have."""
        check_operation(entity_id, operation)
        if self._registry is not None:
            self._registry.entity(entity_id.name)
        text = self._payload(input_, "the operation's input")
        message = self._hub.new_id(16)
        request = EntityOperation(message, operation, text, due=as_utc(signal_time))
        with signalling(self._hub, entity_id, operation) as trace:
            await self._deliver(str(entity_id), ENTITY_INBOX, request, trace)

    async def read_entity_state(
        self, entity_id: EntityId, *, include_state: bool = True, include_backlog: bool = False
    ) -> EntityState | None:
        """The entity as its last committed operation left it; None if nothing was ever sent to
        it, or it was cleaned up. `include_backlog` also counts what waits for it."""
        if not isinstance(entity_id, EntityId):
            raise InvalidRequestError("an entity is named by an EntityId(name, key)")
        while True:
            head = await self._head_or_none(str(entity_id))
            if head is None or head.status == PURGING:
                return None
            # the state may be replaced between the two reads
            with suppress(PayloadGone):
                return await self._entity(head, include_state, include_backlog)

    async def _entity(self, head: Head, include_state: bool, include_backlog: bool) -> EntityState:
        text = (
            await self._hub.instances.text(head.instance_id, head.incarnation, head.input)
            if include_state
            else None
        )
        backlog = (
            await self._hub.instances.inbox_length(head.instance_id, head.incarnation)
            if include_backlog
            else None
        )
        return EntityState(
            EntityId.parse(head.instance_id),
            head.input is not None,
            text,
            head.time or head.created,
            head.lock.owner.instance_id if head.lock else None,
            head.waits_for or None,
            backlog,
        )

    async def list_entities(
        self,
        *,
        name: str | None = None,
        prefix: str = "",
        last_modified_from: datetime | None = None,
        last_modified_to: datetime | None = None,
        include_state: bool = True,
        include_empty: bool = False,
    ) -> AsyncIterator[EntityState]:
        """Entities in the order of their ids, read page by page as they are asked for: those
        called `name`, with keys that begin with `prefix`, modified in that time; those without
        a state on request."""
        token: str | None = None
        while True:
            page, token = await self.list_entities_page(
                name=name,
                prefix=prefix,
                last_modified_from=last_modified_from,
                last_modified_to=last_modified_to,
                include_state=include_state,
                include_empty=include_empty,
                token=token,
            )
            for entity in page:
                yield entity
            if token is None:
                return

    async def list_entities_page(
        self,
        *,
        name: str | None = None,
        prefix: str = "",
        last_modified_from: datetime | None = None,
        last_modified_to: datetime | None = None,
        include_state: bool = True,
        include_empty: bool = False,
        top: int = 100,
        token: str | None = None,
    ) -> tuple[list[EntityState], str | None]:
        """At most `top` (1 to 1,000) entities, as `list_entities` has them, and the token of the
        next page. A page may hold fewer, or none, and still have a next one."""
        if not 1 <= top <= 1000:
            raise InvalidRequestError(f"top must be between 1 and 1000, not {top}")
        if prefix and name is None:
            raise InvalidRequestError("a prefix of keys needs the entity's name")
        wanted = "@" if name is None else str(EntityId(name, prefix))
        rows, token = await self._hub.projection.entities(
            prefix=encode(wanted), limit=top, token=token
        )
        low, high = utc(last_modified_from), utc(last_modified_to)

        async def one(row: Listed) -> EntityState | None:
            state = await self.read_entity_state(
                EntityId.parse(row.instance_id), include_state=include_state
            )
            if state is None or not (state.exists or include_empty):
                return None
            if (low and state.last_modified < low) or (high and state.last_modified > high):
                return None
            return state

        found = await together(rows, one)
        return [state for state in found if state is not None], token

    async def clean_entity_storage(
        self, *, remove_empty: bool = True, release_orphaned_locks: bool = True
    ) -> CleanedEntities:
        """Remove entities that have had no state for an hour, and have those looked at that are
        locked by an orchestration which is gone: they release themselves."""
        removed = released = 0
        token: str | None = None
        while True:
            rows, token = await self._hub.projection.entities(token=token)
            for row in rows:
                head = await self._head_or_none(row.instance_id)
                if head is None:
                    continue
                if head.lock is not None and release_orphaned_locks:
                    released += await self._release(head)
                elif remove_empty:
                    removed += await self._remove_empty(head)
            if token is None:
                return CleanedEntities(removed, released)

    async def _release(self, head: Head) -> bool:
        assert head.lock is not None
        try:
            if not await is_orphaned(self._hub, head.lock):
                return False
        except UnknownFormat:
            return False
        queue = self._hub.names.control_queue(head.instance_id)
        body = Doorbell(head.instance_id, audit=True).encode()
        await repeat(self._hub, lambda: self._hub.storage.queues.send(queue, body))
        return True

    async def _remove_empty(self, head: Head) -> bool:
        now = self._hub.storage.clock.now()
        if head.status != PURGING and (
            head.input is not None
            or head.lock is not None
            or head.holdings
            or head.next_timer is not None
            or now - (head.time or head.created) < UNUSED
        ):
            return False
        async with guarded(self._hub, head.instance_id):
            with suppress(RowChanged, RowMissing):
                marked = await repeat(
                    self._hub, lambda: self._hub.instances.update(replace(head, status=PURGING))
                )
                await finish_purge(self._hub, marked)
                return True
        return False
