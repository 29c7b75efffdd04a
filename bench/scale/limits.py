"""What the services promise, and what the model assumes where they promise nothing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

ACCOUNT = 20_000
"""Requests a second of one storage account (documented, entities and messages of 1 KiB)."""

PARTITION = 2_000
"""Entities a second of one table partition, which is one PartitionKey (documented)."""

QUEUE = 2_000
"""Messages a second of one queue (documented). Each send, receive, renewal and delete of a
message counts as one here, which is the reading that promises least."""

BATCH = 32
"""Messages that one receive brings at most (documented)."""


class Site(IntEnum):
    """What has a limit of its own."""

    HISTORY = 0
    """Partitions of the history table, one for each instance."""
    PROJECTION = 1
    """The partition `i` of the instances table: one row for each orchestration."""
    TIMERS = 2
    """The partitions `timer0` to `timer3` of the index table."""
    CONTROL = 3
    """The control queues."""
    WORK = 4
    """The work queue of one activity."""
    ENTITY = 5
    """The history partition of one entity."""


NAMES = {
    Site.HISTORY: "history table",
    Site.PROJECTION: "projection partition `i`",
    Site.TIMERS: "timer index",
    Site.CONTROL: "control queue",
    Site.WORK: "work queue",
    Site.ENTITY: "the entity's partition",
}


@dataclass(frozen=True, slots=True)
class Layout:
    """How a hub is laid out over the account. The defaults are those of a hub today.

    `history_ranges` is how many key ranges the service has spread the history table over, each
    taken for as fast as one partition: how it splits a table that is under load, and how soon,
    is not documented.
    """

    control_queues: int = 1
    projection_shards: int = 1
    timer_shards: int = 4
    work_queues: int = 1
    history_ranges: int = 16

    def limit(self, site: Site) -> int:
        """Units a second: entities of a table, messages of a queue."""
        return {
            Site.HISTORY: PARTITION * self.history_ranges,
            Site.PROJECTION: PARTITION * self.projection_shards,
            Site.TIMERS: PARTITION * self.timer_shards,
            Site.CONTROL: QUEUE * self.control_queues,
            Site.WORK: QUEUE * self.work_queues,
            Site.ENTITY: PARTITION,
        }[site]
