"""What a process asked of storage, what it got done with that, and what it costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Self

PER_10_000 = 10_000


@dataclass(frozen=True, slots=True)
class Usage:
    """Counts, each from the same moment on. They can be added and subtracted.

    A storage operation is one call of the storage port, whatever came of it: a transaction of
    100 rows is one, and so is each page of a query. Bytes are the UTF-8 sizes of keys, of the
    names and values of columns (8 for what is no text or binary) and of message bodies; headers
    and the wire's encoding come on top.
    """

    transactions: int = 0
    gets: int = 0
    queries: int = 0
    sends: int = 0
    receives: int = 0
    """Those that brought a message at least."""
    empty_receives: int = 0
    extends: int = 0
    deletes: int = 0
    peeks: int = 0
    """Looks at a queue that take nothing from it."""
    table_setups: int = 0
    queue_setups: int = 0
    triggers: int = 0
    """Messages that the Functions host received and deleted: two queue operations each."""

    rows_written: int = 0
    rows_read: int = 0
    messages: int = 0
    """Received ones, those of `triggers` apart."""
    bytes_sent: int = 0
    bytes_received: int = 0

    started: int = 0
    """Orchestrations whose first turn was committed, sub-orchestrations included."""
    ended: int = 0
    """Orchestrations that came to an end, however."""
    turns: int = 0
    """Commits, those of entities included."""
    inline_activities: int = 0
    """Results of activities, each attempt one, that ran where their orchestrator did."""
    queued_activities: int = 0
    """The same of those that went through a queue."""
    entity_requests: int = 0
    """Operations, locks and releases that entities took."""
    events: int = 0
    """External events that reached their orchestration."""
    timers: int = 0
    """Timers that fired."""

    @property
    def table_operations(self) -> int:
        """All operations on tables."""
        return self.transactions + self.gets + self.queries + self.table_setups

    @property
    def queue_operations(self) -> int:
        """All operations on queues."""
        received = self.receives + self.empty_receives + 2 * self.triggers
        changed = self.sends + self.extends + self.deletes
        return received + changed + self.peeks + self.queue_setups

    @property
    def operations(self) -> int:
        """All storage operations."""
        return self.table_operations + self.queue_operations

    @property
    def activities(self) -> int:
        """Results of activities, wherever they ran."""
        return self.inline_activities + self.queued_activities

    def __add__(self, other: Usage) -> Usage:
        mine, theirs = asdict(self), asdict(other)
        return Usage(**{name: mine[name] + theirs[name] for name in mine})

    def __sub__(self, other: Usage) -> Usage:
        mine, theirs = asdict(self), asdict(other)
        return Usage(**{name: mine[name] - theirs[name] for name in mine})

    @classmethod
    def of(cls, counts: Mapping[str, object]) -> Self:
        """From counts by name; names that this version does not have are left out."""
        found = {each.name: counts.get(each.name, 0) for each in fields(cls)}
        return cls(**{name: n for name, n in found.items() if isinstance(n, int)})

    def to_dict(self) -> dict[str, int]:
        """The counts that are not zero, by name."""
        return {name: count for name, count in asdict(self).items() if count}


@dataclass(frozen=True, slots=True)
class Prices:
    """US dollars for 10,000 operations. The defaults are the list prices of general-purpose v2
    accounts with local redundancy; stored bytes and traffic are not in them."""

    queue: float = 0.004
    table: float = 0.00036

    def of(self, usage: Usage) -> float:
        """What the operations cost, in dollars."""
        queue, table = usage.queue_operations, usage.table_operations
        return (queue * self.queue + table * self.table) / PER_10_000


LIST_PRICES = Prices()


@dataclass(frozen=True, slots=True)
class Metered:
    """What work took, and `upkeep`: what is spent whether or not there is any, which is empty
    receives, the sweeper's looks, the writing of these figures, and set-up."""

    work: Usage = Usage()
    upkeep: Usage = Usage()

    @property
    def total(self) -> Usage:
        """Both."""
        return self.work + self.upkeep

    def __add__(self, other: Metered) -> Metered:
        return Metered(self.work + other.work, self.upkeep + other.upkeep)

    def __sub__(self, other: Metered) -> Metered:
        return Metered(self.work - other.work, self.upkeep - other.upkeep)
