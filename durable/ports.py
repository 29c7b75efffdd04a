"""What the engine's surroundings must provide: tables, queues and time.

The semantics are those of Azure Storage, reduced to what the commit protocol
needs. `durable.storage.memory` is the reference, `durable.storage.azure` the
production adapter; `tests/contract` holds both to the docstrings here.

Errors common to every call, all from `durable.errors`:
  ContainerMissing  the table or queue does not exist, or is being deleted
  AmbiguousAnswer   no answer came: the call may or may not have taken effect
  Throttled         the service refused for now (503, 429); nothing was applied
  AccessDenied      credentials refused (401, 403)
Nothing is retried below this interface except reads and idempotent set-up;
whoever writes knows what a repeat would mean.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

Value = str | bytes | int | float | bool | datetime
"""A column: str up to 32,768 UTF-16 units, bytes up to 65,536, int is 64 bit,
datetime is aware UTC."""

ANY = "*"
"""An etag that matches any version of an existing row."""


@dataclass(frozen=True, slots=True)
class Row:
    """A stored row. `timestamp` is set by the service when the row was last written."""

    partition: str
    key: str
    values: Mapping[str, Value]
    etag: str
    timestamp: datetime


@dataclass(frozen=True, slots=True)
class Insert:
    """Fails with RowExists when the key is taken."""

    key: str
    values: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Replace:
    """Overwrites all columns. RowMissing when absent, RowChanged when the etag is stale."""

    key: str
    values: Mapping[str, Value]
    etag: str


@dataclass(frozen=True, slots=True)
class Merge:
    """Overwrites the given columns, keeps the others; errors as for Replace."""

    key: str
    values: Mapping[str, Value]
    etag: str = ANY


@dataclass(frozen=True, slots=True)
class Delete:
    """Errors as for Replace; deleting an absent row is RowMissing also with ANY."""

    key: str
    etag: str = ANY


Op = Insert | Replace | Merge | Delete


@dataclass(frozen=True, slots=True)
class Where:
    """One condition on a column, `PartitionKey` and `RowKey` included; values are never spliced
    into a filter by hand."""

    column: str
    op: Literal["eq", "ne", "lt", "le", "gt", "ge"]
    value: Value


@dataclass(frozen=True, slots=True)
class OneOf:
    """A column that equals one of some values, one at least."""

    column: str
    values: Sequence[Value]


Condition = Where | OneOf


@dataclass(frozen=True, slots=True)
class Page:
    """Rows in (partition, key) order, and the token of the next page, None at the end.

    Two pages are not a snapshot: each sees the table as it is when it is read.
    A page may be empty and still have a next one.
    """

    rows: Sequence[Row]
    next: str | None


class Tables(Protocol):
    """Rows under (table, partition, key). Table names: alphanumeric, 3 to 63, first a letter."""

    async def transact(self, table: str, partition: str, ops: Sequence[Op]) -> Sequence[str]:
        """Apply all operations or none, in one partition; at most 100, one for each key.

        Returns the new etag of each row ("" for a delete). Raises RowExists, RowMissing or
        RowChanged with `.index` of the operation that failed; nothing was applied then.
        """
        ...

    async def get(self, table: str, partition: str, key: str) -> Row | None:
        """The row, or None. ContainerMissing is told apart from an absent row."""
        ...

    async def query(
        self,
        table: str,
        where: Sequence[Condition],
        *,
        limit: int = 1000,
        token: str | None = None,
        columns: Sequence[str] | None = None,
    ) -> Page:
        """One page of at most `limit` (1 to 1,000) rows matching all conditions.

        A condition on an absent column does not match, `ne` included. All conditions together
        compare 15 times at most, a OneOf as often as it has values: ValueError otherwise.
        `columns` limits what `Row.values` holds.
        """
        ...

    async def create_table(self, table: str) -> None:
        """Idempotent. While the service still deletes one of that name: retried up to a minute."""
        ...

    async def delete_table(self, table: str) -> None:
        """Idempotent."""
        ...


@dataclass(frozen=True, slots=True)
class Receipt:
    """Proof of holding a message; stale as soon as someone else receives or updates it."""

    message_id: str
    pop_receipt: str


@dataclass(frozen=True, slots=True)
class Message:
    """A received message: hidden for the lease, then visible again unless updated or deleted."""

    receipt: Receipt
    body: bytes
    dequeue_count: int
    """1 on the first delivery."""
    inserted_at: datetime


class Queues(Protocol):
    """At-least-once queues in no particular order.

    Queue names: 3 to 63 of a-z, 0-9 and single inner hyphens. Bodies hold at most 48 KiB:
    ValueError otherwise, before anything is sent. How a body travels (base64 or plain) is the
    adapter's affair; a body that does not decode is delivered raw.
    """

    async def send(self, queue: str, body: bytes, *, delay: float = 0.0) -> Receipt:
        """Add a message that never expires, hidden for `delay` seconds (0 to 604,800, rounded
        up to whole seconds by the service)."""
        ...

    async def receive(self, queue: str, *, limit: int, lease: float) -> Sequence[Message]:
        """Up to `limit` (1 to 32) visible messages, hidden for `lease` seconds; maybe none."""
        ...

    async def extend(self, queue: str, receipt: Receipt, *, lease: float) -> Receipt:
        """Hide a held message for `lease` seconds from now (0 shows it at once) and get the new
        receipt. MessageGone when it was deleted, or received or extended by another."""
        ...

    async def delete(self, queue: str, receipt: Receipt) -> None:
        """Remove a held message. MessageGone as above."""
        ...

    async def has_visible(self, queue: str) -> bool:
        """Whether a message could be received now."""
        ...

    async def length(self, queue: str) -> int:
        """About how many messages there are, hidden ones included."""
        ...

    async def create_queue(self, queue: str) -> None:
        """Idempotent. While the service still deletes one of that name: retried up to a minute."""
        ...

    async def delete_queue(self, queue: str) -> None:
        """Idempotent."""
        ...


class Clock(Protocol):
    """Two times. Only `now` may reach user code or storage; only `monotonic` may measure."""

    def now(self) -> datetime:
        """The storage service's time (UTC), from its Date headers; never ahead of it."""
        ...

    def monotonic(self) -> float:
        """Seconds that pass evenly in this process; for leases and back-off."""
        ...

    async def sleep(self, seconds: float) -> None: ...


@dataclass(frozen=True, slots=True)
class Storage:
    """One account: what a hub is built on."""

    tables: Tables
    queues: Queues
    clock: Clock
    describe: str = field(default="memory")
    """For logs and errors; without secrets."""
