"""Looks at instances: status, history, lists, and waiting for the end."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Unpack

from durable.client.access import Access, seconds_of
from durable.client.filters import Filters, instance_filter
from durable.errors import InstanceNotFoundError, InvalidRequestError, UnknownFormat
from durable.hub.payloads import payloads_of
from durable.hub.projection import Listed
from durable.hub.reading import PayloadGone
from durable.hub.rows import PURGING, Head
from durable.hub.together import together
from durable.model.events import Event, PayloadRef, TaskCompleted, TaskFailed, TaskScheduled
from durable.model.instance import (
    Heartbeat,
    InstanceStatus,
    OrchestrationRuntimeStatus,
    check_instance_id,
)

logger = logging.getLogger("durable.client")

_SHORTEST, _LONGEST = 0.02, 1.0
"""Seconds between two looks at an instance that is waited for."""


class Looking(Access):
    """See the module."""

    async def get_status(
        self, instance_id: str, *, show_input: bool = True, show_heartbeats: bool = False
    ) -> InstanceStatus | None:
        """The instance as it is now; None if there is none. With `show_heartbeats` also what its
        running activities said last, which is another read, and where there is something that of
        the history."""
        check_instance_id(instance_id)
        seen = ""
        while True:
            head = await self._head_or_none(instance_id)
            if head is None or head.status == PURGING:
                return None
            if head.etag == seen:
                raise PayloadGone(f"instance {instance_id!r} names a payload that is not there")
            seen = head.etag
            # a payload that is gone was purged, or trimmed by a new generation: look again
            with suppress(PayloadGone):
                status = await self._status(head, show_input)
                if show_heartbeats:
                    status = replace(status, heartbeats=await self._heartbeats(head))
                return status

    async def _heartbeats(self, head: Head) -> tuple[Heartbeat, ...]:
        """What is said in calls that are open: of one that failed it stays, for a rewind."""
        said = {} if head.is_terminal else await self._hub.instances.details(head)
        if not said:
            return ()
        running: dict[int, TaskScheduled] = {}
        for stored in await self._hub.instances.history(head):
            for event in stored.turn.events:
                if isinstance(event, TaskScheduled):
                    running[event.task_id] = event
                elif isinstance(event, TaskCompleted | TaskFailed):
                    running.pop(event.task_id, None)
        return tuple(
            Heartbeat(event.task_id, event.name, event.attempt, said[event.call])
            for event in running.values()
            if event.call in said
        )

    async def _status(self, head: Head, show_input: bool) -> InstanceStatus:
        text = self._hub.instances.text
        where = head.instance_id, head.incarnation
        return InstanceStatus(
            instance_id=head.instance_id,
            name=head.name,
            runtime_status=head.runtime_status,
            created_time=head.created,
            last_updated_time=head.time or head.created,
            execution_id=head.execution_id,
            version=head.version,
            input=await text(*where, head.input) if show_input else None,
            output=await text(*where, head.output),
            custom_status=await text(*where, head.custom_status),
            failure=head.failure,
            parent_instance_id=head.parent.instance_id if head.parent else None,
            tags=head.tags,
            scheduled_start_time=head.start_at,
            waiting=head.waits_for or None,
            forked_from=head.fork,
        )

    async def get_history(
        self, instance_id: str, *, payloads: bool = False
    ) -> list[tuple[datetime, Event]]:
        """The current generation's events with the time of their turn, oldest first, payloads
        of up to 16,000 characters as text and longer ones by reference, or with `payloads` all
        as text. Raises InstanceNotFoundError."""
        head = await self._head(instance_id)
        turns = await self._hub.instances.history(head)
        events = [(stored.turn.time, event) for stored in turns for event in stored.turn.events]
        if payloads:
            events = [(time, await self._with_payloads(head, event)) for time, event in events]
        return events

    async def _with_payloads(self, head: Head, event: Event) -> Event:
        texts = {
            name: await self._hub.instances.text(head.instance_id, head.incarnation, payload)
            for name, payload in payloads_of(event)
            if isinstance(payload, PayloadRef)
        }
        return replace(event, **texts) if texts else event  # type: ignore[arg-type]

    async def list_instances(
        self, *, show_input: bool = True, **filters: Unpack[Filters]
    ) -> AsyncIterator[InstanceStatus]:
        """All instances that match, newest first, read page by page as they are asked for."""
        token: str | None = None
        while True:
            page, token = await self.list_page(show_input=show_input, token=token, **filters)
            for status in page:
                yield status
            if token is None:
                return

    async def list_page(
        self,
        *,
        show_input: bool = True,
        top: int = 100,
        token: str | None = None,
        **filters: Unpack[Filters],
    ) -> tuple[list[InstanceStatus], str | None]:
        """At most `top` (1 to 1,000) instances that match, newest first, and the token of the
        next page. A page may hold fewer, or none, and still have a next one."""
        wanted = instance_filter(**filters)
        rows, token = await self._hub.projection.page(wanted, limit=_checked(top), token=token)

        async def one(row: Listed) -> InstanceStatus | None:
            head = await self._head_or_none(row.instance_id)
            if head is None or head.incarnation != row.incarnation:
                return None
            if wanted.statuses is not None and head.runtime_status not in wanted.statuses:
                return None
            return await self.get_status(row.instance_id, show_input=show_input)

        async def one_that_is_known(row: Listed) -> InstanceStatus | None:
            try:
                return await one(row)
            except UnknownFormat as error:
                logger.warning("instance %s is not listed: %s", row.instance_id, error)
                return None

        found = await together(rows, one_that_is_known)
        return [status for status in found if status is not None], token

    async def list_instance_ids(
        self, *, top: int = 100, token: str | None = None, **filters: Unpack[Filters]
    ) -> tuple[list[str], str | None]:
        """As `list_page`, the ids alone. What is listed is read, and no instance by itself: it
        may be a moment behind."""
        wanted = instance_filter(**filters)
        rows, token = await self._hub.projection.page(wanted, limit=_checked(top), token=token)
        return [row.instance_id for row in rows], token

    async def count_instances(self, **filters: Unpack[Filters]) -> int:
        """How many instances match; as exact as `list_instance_ids`, and as long: a thousand
        cost a request."""
        return sum((await self.count_by_status(**filters)).values())

    async def count_by_status(
        self, **filters: Unpack[Filters]
    ) -> dict[OrchestrationRuntimeStatus, int]:
        """How many instances match in each status that any is in; see `count_instances`."""
        return await self._hub.projection.count(instance_filter(**filters))

    async def wait_for_start(
        self, instance_id: str, timeout: timedelta | float | None = None
    ) -> InstanceStatus:
        """Wait until the instance is no longer Pending: its code has begun, or it has ended
        before. Raises as `wait_for_completion`."""
        return await self._wait(
            instance_id, timeout, lambda head: head.status != OrchestrationRuntimeStatus.PENDING
        )

    async def wait_for_completion(
        self, instance_id: str, timeout: timedelta | float | None = None
    ) -> InstanceStatus:
        """Wait until the instance has ended. Raises TimeoutError after `timeout` (seconds or a
        timedelta), InstanceNotFoundError if there is no such instance."""
        return await self._wait(instance_id, timeout, lambda head: head.is_terminal, end=True)

    async def _wait(
        self,
        instance_id: str,
        timeout: timedelta | float | None,
        is_so: Callable[[Head], bool],
        *,
        end: bool = False,
    ) -> InstanceStatus:
        """`end` says that `is_so` when the instance has ended, and not before."""
        clock = self._hub.storage.clock
        seconds = seconds_of(timeout)
        began = looked = clock.monotonic()
        pause = _SHORTEST
        while True:
            now = clock.monotonic()
            left = None if seconds is None else began + seconds - now
            is_over = left is not None and left <= 0
            sure = end and now - looked < self._ringer.trust(instance_id)
            if is_over or not sure:
                head = await self._head(instance_id)
                looked = clock.monotonic()
                if head.status == PURGING:
                    raise InstanceNotFoundError(f"instance {instance_id!r} is being purged")
                if is_so(head) and (status := await self._status_of(head)) is not None:
                    return status
                if is_over:
                    raise TimeoutError(
                        f"instance {instance_id!r} is still {head.runtime_status} after {seconds} s"
                    )
            wait = _LONGEST if sure else pause
            ended = await self._ringer.wait(instance_id, wait if left is None else min(wait, left))
            if ended is not None and (status := await self._status_of(ended)) is not None:
                return status
            pause = pause if sure else min(pause * 1.5, _LONGEST)

    async def _status_of(self, head: Head) -> InstanceStatus | None:
        """Of what was just read; read again where its payloads are gone."""
        try:
            return await self._status(head, show_input=True)
        except PayloadGone:
            return await self.get_status(head.instance_id)


def _checked(top: int) -> int:
    if not 1 <= top <= 1000:
        raise InvalidRequestError(f"top must be between 1 and 1000, not {top}")
    return top
