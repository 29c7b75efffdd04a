"""How many calls of an activity run at once and how often they begin, over all workers of a hub."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from durable.errors import InvalidRequestError
from durable.model.calls import CallOptions

MOST = 1_000_000
LONGEST_PERIOD = timedelta(days=31)


@dataclass(frozen=True, slots=True)
class RateLimit:
    """At most `limit` calls begin in each `period`, evenly spread. `burst` of them may begin at
    once after a pause, and the pace is even again from there."""

    limit: int
    period: timedelta = timedelta(seconds=1)
    burst: int = 1

    def __post_init__(self) -> None:
        """InvalidRequestError for what is no rate."""
        if not is_count(self.limit):
            raise InvalidRequestError(f"a rate's limit is a number from 1 to {MOST:,}")
        if not isinstance(self.period, timedelta) or not (
            timedelta(0) < self.period <= LONGEST_PERIOD
        ):
            raise InvalidRequestError("a rate's period is a positive timedelta of at most 31 days")
        if not is_count(self.burst) or self.burst > self.limit:
            raise InvalidRequestError("a rate's burst is a number from 1 to its limit")

    @property
    def interval(self) -> timedelta:
        """From one begin to the next."""
        return self.period / self.limit


@dataclass(frozen=True, slots=True)
class Limits:
    """What an activity says of all its calls in a hub. None: not limited."""

    concurrency: int | None = None
    """How many run at once."""
    rate: RateLimit | None = None
    """How often they begin."""
    key_concurrency: int | None = None
    """How many with the same key run at once; calls without a key are not counted."""
    priority_enabled: bool = False
    """Whether calls may have a priority: there are three queues then."""

    @property
    def problem(self) -> str | None:
        """What is wrong with them, in words that follow "it"; None if nothing is."""
        for name in ("concurrency", "key_concurrency"):
            value = getattr(self, name)
            if value is not None and not is_count(value):
                return f"has {name}={value!r}, which is a number from 1 to {MOST:,}"
        rate: object = self.rate
        if not isinstance(rate, RateLimit | None):
            return f"has rate={rate!r}, which is a durable.RateLimit"
        most = self.concurrency
        if most is not None and self.key_concurrency is not None and self.key_concurrency > most:
            return (
                f"has key_concurrency={self.key_concurrency}, which is more than its "
                f"concurrency={most} ever lets run"
            )
        return None


NO_LIMITS = Limits()


def is_count(value: object) -> bool:
    """Whether it is an int that may be a limit."""
    return type(value) is int and 0 < value <= MOST


def unmet(activity: str, limits: Limits | None, options: CallOptions | None) -> str | None:
    """Why an activity cannot give a call what it asks for; None where it can."""
    if options is None:
        return None
    limits = limits or NO_LIMITS
    if options.priority and not limits.priority_enabled:
        return (
            f"the call has priority={options.priority}, and activity {activity!r} has no queues "
            "for priorities: decorate it with priority_enabled=True"
        )
    if options.key is not None and limits.key_concurrency is None:
        return (
            f"the call has key={options.key!r}, and activity {activity!r} does not say how many "
            "of a key may run: decorate it with key_concurrency=1"
        )
    return None
