"""When something recurs: pure, with every time as an argument. All times are aware."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from durable.errors import InvalidRequestError
from durable.model.crontab import Crontab

SHORTEST = timedelta(seconds=1)
_FAR = datetime(9000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Recurrence:
    """Planned times: those of a crontab, or `start` and every so often from then on. None is
    before `start`, and none after `end`."""

    pattern: Crontab | timedelta
    start: datetime
    end: datetime | None = None

    def next(self, after: datetime) -> datetime | None:
        """The first planned time after `after`, in UTC; None when there is none any more."""
        if isinstance(self.pattern, timedelta):
            steps = (after - self.start) // self.pattern + 1
            found: datetime | None = _plus(self.start, self.pattern, max(0, steps))
        else:
            instant = timedelta(microseconds=1)
            found = self.pattern.next(max(after, self.start - instant))
        if found is None or found > _FAR or (self.end is not None and found > self.end):
            return None
        return found

    def first(self, after: datetime, until: datetime, most: int) -> list[datetime]:
        """The earliest planned times after `after` up to and including `until`."""
        found: list[datetime] = []
        while len(found) < most and (moment := self.next(after)) is not None and moment <= until:
            found.append(after := moment)
        return found

    def last(self, after: datetime, until: datetime, most: int) -> list[datetime]:
        """The latest planned times after `after` up to and including `until`, in their order.
        Takes time for what it answers, not for what lies before."""
        if most < 1:
            return []
        span = SHORTEST * most
        while True:
            begin = max(after, until - span)
            found = self._tail(begin, until, most)
            if len(found) == most or begin == after:
                return found
            span *= 2

    def _tail(self, after: datetime, until: datetime, most: int) -> list[datetime]:
        tail: deque[datetime] = deque(maxlen=most)
        while (moment := self.next(after)) is not None and moment <= until:
            tail.append(after := moment)
        return list(tail)


def _plus(start: datetime, every: timedelta, steps: int) -> datetime | None:
    try:
        return (start + every * steps).astimezone(UTC)
    except OverflowError:
        return None


def time_zone(name: str) -> tzinfo:
    """The zone of an IANA name. Raises InvalidRequestError for one that is not known here."""
    if name.upper() == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise InvalidRequestError(
            f"no time zone {name!r} is known here: write an IANA name such as 'Europe/Paris' "
            "(on a machine without time zones, install the package tzdata)"
        ) from None
