"""Removes instances that have ended, alone or with their sub-orchestrations."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from durable.client.access import AT_ONCE, Access, seconds_of
from durable.client.filters import instance_filter
from durable.errors import InstanceExistsError, InvalidRequestError
from durable.hub.projection import Listed
from durable.hub.purge import purge
from durable.hub.reading import PayloadGone
from durable.hub.rows import Head
from durable.hub.together import together
from durable.model.events import SubOrchestrationInstanceCreated
from durable.model.instance import OrchestrationRuntimeStatus


@dataclass(frozen=True, slots=True)
class PurgeHistoryResult:
    """How many instances were deleted, and whether all that match were looked at."""

    instances_deleted: int
    is_complete: bool = True


class Purging(Access):
    """See the module."""

    async def purge_instance_history(
        self, instance_id: str, *, recurse: bool = False
    ) -> PurgeHistoryResult:
        """Delete everything of a finished instance; one that is not finished is left alone and
        counts 0. Raises InstanceNotFoundError.

        With `recurse` the finished sub-orchestrations that its history has go before it, and
        theirs before them, so that what an interrupted call leaves is found by the next; a
        history begins with the last continue-as-new.
        """
        head = await self._head(instance_id)
        if not head.is_terminal:
            return PurgeHistoryResult(0)
        return PurgeHistoryResult(await self._purge(head, recurse))

    async def purge_instance_history_by(
        self,
        created_time_from: datetime | None = None,
        created_time_to: datetime | None = None,
        runtime_status: Collection[OrchestrationRuntimeStatus] | None = None,
        *,
        completed_time_from: datetime | None = None,
        completed_time_to: datetime | None = None,
        name: str | None = None,
        instance_id_prefix: str | None = None,
        tags: Mapping[str, str] | None = None,
        recurse: bool = False,
        limit: int | None = None,
        timeout: timedelta | float | None = None,
    ) -> PurgeHistoryResult:
        """Delete all finished instances that match, newest first; `recurse` as for one.

        Stops once `limit` instances are deleted (a family that was begun is gone whole) or
        `timeout` (seconds or a timedelta) is over, and then is not complete: another call goes
        on. An instance whose last messages are not out yet is left for that as well.
        """
        if limit is not None and limit < 1:
            raise InvalidRequestError(f"limit is 1 at least, not {limit}")
        wanted = instance_filter(
            created_time_from=created_time_from,
            created_time_to=created_time_to,
            completed_time_from=completed_time_from,
            completed_time_to=completed_time_to,
            runtime_status=runtime_status,
            name=name,
            instance_id_prefix=instance_id_prefix,
            tags=tags,
            ended=True,
        )
        clock = self._hub.storage.clock
        seconds = seconds_of(timeout)
        until = None if seconds is None else clock.monotonic() + seconds
        count, complete, token = 0, True, None
        while True:
            rows, token = await self._hub.projection.page(wanted, token=token)
            while rows:
                if until is not None and clock.monotonic() >= until:
                    return PurgeHistoryResult(count, False)
                # of a family several members may be listed, and each goes once
                at_once = 1 if recurse else AT_ONCE
                room = at_once if limit is None else min(at_once, limit - count)
                if room <= 0:
                    return PurgeHistoryResult(count, False)
                taken, rows = rows[:room], rows[room:]
                results = await together(taken, lambda row: self._purge_listed(row, recurse))
                count += sum(deleted for deleted in results if deleted is not None)
                complete = complete and None not in results
            if token is None:
                return PurgeHistoryResult(count, complete)

    async def _purge_listed(self, row: Listed, recurse: bool) -> int | None:
        """How many were deleted; None where it has to be tried again."""
        head = await self._head_or_none(row.instance_id)
        if head is None or not head.is_terminal or head.incarnation != row.incarnation:
            return 0
        try:
            return await self._purge(head, recurse)
        except InstanceExistsError:
            return None

    async def _purge(self, head: Head, recurse: bool) -> int:
        """A finished instance; with `recurse` its descendants first, the youngest generation
        before the others."""
        if not recurse:
            await purge(self._hub, head, self._ringer)
            return 1
        generations = [[head]]
        while generations[-1]:
            below = [await self._children(parent) for parent in generations[-1]]
            generations.append([child for children in below for child in children])
        for generation in reversed(generations):
            await together(generation, lambda each: purge(self._hub, each, self._ringer))
        return sum(map(len, generations))

    async def _children(self, parent: Head) -> list[Head]:
        """The finished sub-orchestrations that an instance's history has."""
        try:
            turns = await self._hub.instances.history(parent)
        except PayloadGone:
            # another purges it at the same moment
            return []
        ids = dict.fromkeys(
            event.instance_id
            for stored in turns
            for event in (*stored.turn.closing, *stored.turn.events)
            if isinstance(event, SubOrchestrationInstanceCreated)
        )
        found = await together(ids, self._head_or_none)
        return [child for child in found if child is not None and _is_ended_child(child, parent)]


def _is_ended_child(child: Head, parent: Head) -> bool:
    return (
        child.is_terminal
        and child.parent is not None
        and child.parent.instance_id == parent.instance_id
    )
