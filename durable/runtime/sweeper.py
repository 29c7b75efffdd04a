"""What brings work back that nobody holds: due timers, expired claims, and the audit.

All of it only rings or sends again; nothing here decides anything.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from durable.engine.ledger import Outstanding
from durable.errors import (
    AmbiguousAnswer,
    ContainerMissing,
    RowChanged,
    RowMissing,
    Throttled,
    UnknownFormat,
)
from durable.hub.filters import InstanceFilter
from durable.hub.formats import check_format, is_known
from durable.hub.keys import due_bound
from durable.hub.messages import Doorbell, WorkItem
from durable.hub.permits import PermitRows
from durable.hub.projection import Listed, is_settled
from durable.hub.ringing import repeat
from durable.hub.rows import Head
from durable.hub.timers import TIMER_SHARDS, is_awaited
from durable.model.events import TaskScheduled
from durable.model.failure import PROCESS_DIED
from durable.model.instance import OrchestrationRuntimeStatus
from durable.ports import Delete, Merge, Row, Value, Where
from durable.runtime.guards import CLAIMS, Claim, claim_key
from durable.runtime.retention import RetentionSweep
from durable.runtime.taking import needs_activities

if TYPE_CHECKING:
    from durable.runtime.runtime import Runtime

logger = logging.getLogger("durable.runtime")

AHEAD = timedelta(seconds=60)
"""Enough for another worker to take over from a sweeper that died: see `sweep_lease`."""
LATE = timedelta(seconds=5)
LITTER = timedelta(minutes=15)
"""Longer than any start goes on trying."""
QUIET = timedelta(seconds=30)
LOST_ITEM = timedelta(seconds=50)
UNSETTLED_A_SWEEP = 40
AT_ONCE = 16
OTHERS_A_SWEEP = 10
RESENT_AT_ONCE = 100
_RUNNING = InstanceFilter(statuses=frozenset({OrchestrationRuntimeStatus.RUNNING}))


class Sweeper:
    """One hub's sweeper, in any number of processes at once."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._hub = runtime.hub
        self._retention = RetentionSweep(runtime)
        self._unsettled: str | None = None
        self._others: str | None = None
        self._entities: str | None = None
        self._rung: dict[tuple[str, str], datetime] = {}
        """When the timer rows that come due soon, as they are, were rung for by this process."""

    async def sweep(self) -> None:
        """Each part once; a bounded number of rows each."""
        await self._timers()
        await self._claims()
        if any(each.limits is not None for each in self._runtime.whole.activities.values()):
            await PermitRows(self._hub.storage, self._hub.names).drop_expired()
        await self._audit()
        await self._retention.sweep()

    async def _timers(self) -> None:
        """Ring for far timers that come due soon, once: a backlog must not be fed with rings.
        Their rows stay until TimerFired is committed, which the instance itself sees to."""
        storage, table = self._hub.storage, self._hub.names.index
        before, self._rung = self._rung, {}
        for number in range(TIMER_SHARDS):
            partition = f"timer{number}"
            now = storage.clock.now()
            token: str | None = None
            while True:
                page = await storage.tables.query(
                    table,
                    [
                        Where("PartitionKey", "eq", partition),
                        Where("RowKey", "lt", due_bound(now + AHEAD)),
                    ],
                    token=token,
                )
                for start in range(0, len(page.rows), AT_ONCE):
                    rows = page.rows[start : start + AT_ONCE]
                    await asyncio.gather(
                        *(self._timer(row, now, before.get((row.key, row.etag))) for row in rows)
                    )
                token = page.next
                if token is None:
                    break

    async def _timer(self, row: Row, now: datetime, rung: datetime | None) -> None:
        """Ring unless that was done, and it is not long overdue since."""
        try:
            check_format(row)
            values: Any = row.values
            if rung is None or now - max(rung, values["due"]) >= QUIET:
                rung = now if await self._ring_for(row, now) else None
            if rung is not None:
                self._rung[row.key, row.etag] = rung
        except (AmbiguousAnswer, Throttled, UnknownFormat) as error:
            logger.warning("timer %s: %s; the next sweep sees to it", row.key, error)

    async def _ring_for(self, row: Row, now: datetime) -> bool:
        """Whether its instance waits for it; if not, the row goes once it is due."""
        values: Any = row.values
        due: datetime = values["due"]
        head = await self._hub.instances.head(values["instance"])
        if head is not None and is_awaited(head, values["eid"], values["task"], due):
            left = (due - now).total_seconds()
            if left <= 0 and self._runtime.taking.lacks(head) is None:
                # through the queue it might come to those who lack it, each time
                await self._runtime.ringer.ring(head.instance_id, audit=True)
            else:
                bell = Doorbell(head.instance_id, audit=True)
                await self._runtime.dispatcher.doorbell(bell, max(0.0, left))
            return True
        if due + LATE < now:
            with suppress(RowMissing, RowChanged):
                await self._hub.storage.tables.transact(
                    self._hub.names.index, row.partition, [Delete(row.key, row.etag)]
                )
        return False

    async def _claims(self) -> None:
        """Send again what somebody ran and renewed no longer."""
        storage, table = self._hub.storage, self._hub.names.index
        now = storage.clock.now()
        page = await storage.tables.query(
            table, [Where("PartitionKey", "eq", CLAIMS), Where("expires", "lt", now)]
        )
        for row in filter(is_known, page.rows):
            values: Any = row.values
            try:
                if values["sent"]:
                    await storage.tables.transact(table, CLAIMS, [Delete(row.key, row.etag)])
                    continue
                # one of several sweepers at once wins this write, and sends; the claim stays a
                # while, for who receives the item and has not renewed it yet
                again: dict[str, Value] = {"expires": now + Claim.LIFETIME, "sent": True}
                await storage.tables.transact(table, CLAIMS, [Merge(row.key, again, row.etag)])
                if not values["covered"]:
                    logger.info("an activity's claim expired; it is sent again: %s", row.key)
                    await storage.queues.send(values["queue"], values["body"])
            except (RowChanged, RowMissing, ContainerMissing):
                continue

    async def _audit(self) -> None:
        """Look at instances that something should be happening to, and at a few others."""
        now = self._hub.storage.clock.now()
        rows, self._unsettled = await self._hub.projection.page(
            settled=False, limit=UNSETTLED_A_SWEEP, token=self._unsettled
        )
        for row in rows:
            if now - row.updated >= QUIET:
                await self._look_at(row, now)
        rows, self._entities = await self._hub.projection.entities(
            unsettled=True, limit=UNSETTLED_A_SWEEP, token=self._entities
        )
        for row in rows:
            await self._look_at(row, now)
        rows, self._others = await self._hub.projection.page(
            _RUNNING,
            settled=True,
            limit=OTHERS_A_SWEEP,
            token=self._others,
        )
        for row in rows:
            await self._look_at(row, now)

    async def _look_at(self, row: Listed, now: datetime) -> None:
        try:
            await self._see_to(row, now)
        except UnknownFormat as error:
            logger.info("instance %s: %s", row.instance_id, error)

    async def _see_to(self, row: Listed, now: datetime) -> None:
        if row.status == OrchestrationRuntimeStatus.PENDING and not await self._came_to_be(row):
            return
        head = await self._hub.projection.reconcile(row.instance_id, row.key)
        if head is None or head.incarnation != row.incarnation:
            return
        overdue = head.next_timer is not None and now - head.next_timer > LATE
        if is_settled(head) and not overdue:
            return
        if now - (head.time or head.created) < QUIET:
            return
        if (lacking := self._runtime.taking.lacks(head)) is not None:
            # those who take it audit it; that it waits for one of them is seen here too
            if overdue or (head.next_timer is None and (head.sequence == 0 or head.ready)):
                await self._runtime.passing.show(head, lacking.needs)
            return
        if head.status == OrchestrationRuntimeStatus.STUCK and _died(head):
            # it ends processes: only a person's resume tries it again
            return
        await self._runtime.ringer.ring(head.instance_id, audit=True)

    async def _came_to_be(self, row: Listed) -> bool:
        """Whether an announced start has. Once it will not any more, its payloads go, and then
        the row that names them."""
        head = await self._hub.instances.head(row.instance_id)
        if head is not None and head.incarnation == row.incarnation:
            return True
        if self._hub.storage.clock.now() - row.created >= LITTER:
            await self._hub.instances.delete_payloads(row.instance_id, row.incarnation)
            await self._hub.projection.reconcile(row.instance_id, row.key)
        return False

    async def resend_lost(self, head: Head, tasks: list[Outstanding]) -> str:
        """Send old work items again that nobody claims, where their queue shows no backlog.
        Answers what those need that have a backlog before them, "" where there are none."""
        hub = self._hub
        now = hub.storage.clock.now()
        resent, waiting = 0, set[str]()
        # asked once: what is sent here must not count as a backlog
        backlogs: dict[str, bool] = {}
        hidden: dict[str, int] = {}
        for task in tasks:
            event = task.event
            assert isinstance(event, TaskScheduled)
            if now - task.since < LOST_ITEM or resent >= RESENT_AT_ONCE:
                continue
            limits = self._runtime.whole.limits_of(event.name)
            prioritized = limits is not None and limits.priority_enabled
            asked = event.options.priority if event.options else 0
            queue = hub.names.work_queue(event.name, asked if prioritized else 0)
            key = claim_key(head.instance_id, head.execution_id, event.task_id)
            if await hub.storage.tables.get(hub.names.index, CLAIMS, key) is not None:
                continue
            if queue not in backlogs:
                backlogs[queue] = await hub.storage.queues.has_visible(queue)
                if limits is not None and not backlogs[queue]:
                    # those that wait for their turn are hidden, in a worker or without one
                    hidden[queue] = await hub.storage.queues.length(queue)
            if hidden.get(queue):
                continue
            if backlogs[queue]:
                waiting.add(event.name)
                continue
            item = WorkItem(
                head.instance_id,
                head.incarnation,
                head.execution_id,
                event.task_id,
                event.name,
                task.since,
                task.turn,
                event.call,
                event.attempt,
                event.input,
                trace=head.trace,
                options=event.options,
            )
            logger.info(
                "activity %s of %s seems lost; it is sent again", event.name, head.instance_id
            )
            await repeat(hub, lambda: hub.storage.queues.send(queue, item.encode()))  # noqa: B023
            resent += 1
        return needs_activities(waiting)


def _died(head: Head) -> bool:
    return head.failure is not None and head.failure.error_type == PROCESS_DIED
