"""Which instances of a hub are meant, in terms of the instances table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import blake2s

from durable.hub.keys import newest_first_bound
from durable.model.instance import OrchestrationRuntimeStatus
from durable.ports import Condition, OneOf, Row, Value, Where

_EARLIEST = datetime(1601, 1, 1, tzinfo=UTC)
"""The service knows no earlier time."""

COMPARISONS = 15
"""That many the service takes in one query."""


@dataclass(frozen=True, slots=True)
class InstanceFilter:
    """All that is given must hold. Times are inclusive; no `statuses` (None) means any. For an
    instance that has ended, `updated` is when that was."""

    created_from: datetime | None = None
    created_to: datetime | None = None
    updated_from: datetime | None = None
    updated_to: datetime | None = None
    statuses: frozenset[OrchestrationRuntimeStatus] | None = None
    name: str | None = None
    prefix: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_void(self) -> bool:
        """Whether no instance can match."""
        return self.statuses is not None and not self.statuses

    def conditions(self, room: int) -> list[Condition]:
        """What the service is to look for, with at most as many comparisons as there is room
        for beside those that the caller has; `matches` sees to the rest."""
        where: list[Condition] = []
        if self.created_to is not None:
            where.append(Where("RowKey", "ge", newest_first_bound(self.created_to)))
        if self.created_from is not None:
            where.append(Where("RowKey", "le", newest_first_bound(self.created_from) + "~"))
        if self.name is not None:
            where.append(Where("name", "eq", self.name))
        if self.prefix:
            where.append(Where("instance", "ge", self.prefix))
            where.append(Where("instance", "lt", self.prefix + "\U0010ffff"))
        if self.updated_from is not None:
            where.append(Where("updated", "ge", max(self.updated_from, _EARLIEST)))
        if self.updated_to is not None:
            where.append(Where("updated", "le", max(self.updated_to, _EARLIEST)))
        room = min(room, COMPARISONS) - len(where)
        if self.statuses is not None and len(self.statuses) <= room:
            where.append(OneOf("status", sorted(map(str, self.statuses))))
            room -= len(self.statuses)
        tags = sorted(self.tags.items())[: max(room, 0)]
        where += [Where(tag_column(name), "eq", value) for name, value in tags]
        return where

    def matches(self, row: Row) -> bool:
        """Whether a row of a query with `conditions` is one that is meant."""
        if self.statuses is not None and row.values["status"] not in self.statuses:
            return False
        return all(row.values.get(tag_column(name)) == self.tags[name] for name in self.tags)

    @property
    def columns(self) -> list[str]:
        """What `matches` looks at."""
        return ["status", *map(tag_column, self.tags)]


def tag_columns(tags: Mapping[str, str]) -> dict[str, Value]:
    """The columns that an instance's tags are found by."""
    return {tag_column(name): value for name, value in tags.items()}


def tag_column(name: str) -> str:
    """A tag's name may be any text, a column's not."""
    return f"tag_{blake2s(name.encode(), digest_size=8).hexdigest()}"
