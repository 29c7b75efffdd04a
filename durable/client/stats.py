"""What a hub's workers have used."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from durable.client.access import Access
from durable.hub.ringing import repeat
from durable.hub.usage import UsageRows, WorkerUsage
from durable.model.usage import LIST_PRICES, Metered, Prices


@dataclass(frozen=True, slots=True)
class HubStats:
    """The figures of all workers that have been heard of within the last seven days, each since
    its process began. The longest silent one comes first."""

    workers: tuple[WorkerUsage, ...]

    @property
    def total(self) -> Metered:
        """Of all workers together."""
        return sum((each.usage for each in self.workers), Metered())

    @property
    def since(self) -> datetime | None:
        """When the first of them began; None without any."""
        return min((each.since for each in self.workers), default=None)

    @property
    def until(self) -> datetime | None:
        """When the last of them was heard of; None without any."""
        return max((each.until for each in self.workers), default=None)

    @property
    def operations_per_orchestration(self) -> float | None:
        """Storage operations of work for each orchestration that ended, whatever it consisted
        of; None when none has ended."""
        return _ratio(self.total.work.operations, self.total.work.ended)

    @property
    def operations_per_activity(self) -> float | None:
        """The same for each activity; None when none has."""
        return _ratio(self.total.work.operations, self.total.work.activities)

    def cost(self, prices: Prices = LIST_PRICES) -> float:
        """What all of it cost, upkeep included, in dollars."""
        return prices.of(self.total.total)

    def cost_of_million_orchestrations(self, prices: Prices = LIST_PRICES) -> float | None:
        """Dollars for the work of a million such orchestrations; None when none has ended."""
        work = self.total.work
        return _ratio(prices.of(work) * 1_000_000, work.ended)

    def cost_of_million_activities(self, prices: Prices = LIST_PRICES) -> float | None:
        """Dollars for the work of a million such activities; None when none has ended."""
        work = self.total.work
        return _ratio(prices.of(work) * 1_000_000, work.activities)


class Stats(Access):
    """See the module."""

    async def get_stats(self) -> HubStats:
        """What the hub's workers say they have used, up to a minute ago; up to ten where they are
        idle."""
        rows = UsageRows(self._hub.storage, self._hub.names)
        return HubStats(tuple(await repeat(self._hub, rows.read)))


def _ratio(sum_: float, count: int) -> float | None:
    return sum_ / count if count else None
