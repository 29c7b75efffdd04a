"""Purges instances that ended long enough ago, a few at a time."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from durable.errors import InstanceExistsError, StorageError
from durable.hub.filters import InstanceFilter
from durable.hub.projection import Listed
from durable.hub.purge import purge
from durable.hub.together import together
from durable.model.instance import OrchestrationRuntimeStatus as Status

if TYPE_CHECKING:
    from durable.runtime.runtime import Runtime

logger = logging.getLogger("durable.runtime")

LOOKED_AT = 100
"""Rows of the instances table that one sweep reads at most, in one query."""
AT_ONCE = 8
REST = timedelta(minutes=5)
"""From one look at all old instances to the next; a shorter retention shortens it."""


class RetentionSweep:
    """Walks through the instances that are old enough, again and again. Several processes may do
    so at once: whoever marks an instance first purges it."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._hub = runtime.hub
        self._retention = runtime.options.retention
        self._token: str | None = None
        self._resumes: datetime | None = None

    async def sweep(self) -> None:
        """Look at some more; nothing is read when everything is kept."""
        shortest = self._retention.shortest
        if shortest is None:
            return
        now = self._hub.storage.clock.now()
        if self._resumes is not None and now < self._resumes:
            return
        # who was created later cannot have ended long enough ago
        old = InstanceFilter(
            created_to=now - shortest,
            updated_to=now - shortest,
            statuses=frozenset(each for each in Status if self._retention.after(each) is not None),
        )
        rows, self._token = await self._hub.projection.page(
            old, settled=True, limit=LOOKED_AT, token=self._token
        )
        await together(rows, lambda row: self._look_at(row, now))
        self._resumes = now + min(REST, shortest) if self._token is None else None

    async def _look_at(self, row: Listed, now: datetime) -> None:
        if not self._is_over(row.status, row.updated, now):
            return
        try:
            head = await self._hub.instances.head(row.instance_id)
            if (
                head is None
                or head.incarnation != row.incarnation
                or head.holdings
                or not self._is_over(head.runtime_status, head.time or head.created, now)
            ):
                return
            await purge(self._hub, head, self._runtime.ringer)
            logger.debug("purged %s, which had ended: %s", head.instance_id, head.runtime_status)
        except (StorageError, InstanceExistsError) as error:
            logger.info("purging %s: %s; it is tried again", row.instance_id, error)

    def _is_over(self, status: Status, ended: datetime, now: datetime) -> bool:
        after = self._retention.after(status)
        return after is not None and now - ended >= after
