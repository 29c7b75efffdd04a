"""Moments that recur: NCRONTAB expressions, or an interval as `hh:mm:ss`.

When the clocks of a zone go forward, a time that they skip counts as if they had not: 02:30 is
then at what they call 03:30. When they go back, a time that comes twice counts once, the first
time; only if all hours fit, it is about time passing, and both count.
"""

from __future__ import annotations

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_SPAN = re.compile(r"(?:(\d{1,4})\.)?(\d{1,4}):([0-5]?\d):([0-5]?\d)")
_YEARS = 9
_NONE = timedelta(0)
_DAY_LONG = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()

    def values(self, text: str) -> frozenset[int]:
        """The numbers that `text` (`*`, `1-5`, `*/10`, `mon,fri`) stands for."""
        return frozenset(number for part in text.split(",") for number in self._part(part))

    def _part(self, text: str) -> range:
        span, slash, step = text.partition("/")
        if slash and (not step.isdecimal() or int(step) == 0):
            raise ValueError(f"the step in {text!r} ({self.name}) must be a number above 0")
        first, dash, last = span.partition("-")
        if span == "*":
            low, high = self.low, self.high
        else:
            low = self._number(first)
            high = self._number(last) if dash else self.high if slash else low
        if low > high:
            raise ValueError(f"the range {span!r} ({self.name}) runs backwards")
        return range(low, high + 1, int(step) if slash else 1)

    def _number(self, text: str) -> int:
        short = text[:3].lower()
        if short in self.names:
            return self.names.index(short) + self.low
        if text.isdecimal() and text.isascii() and self.low <= int(text) <= self.high:
            return int(text)
        raise ValueError(f"{text!r} is no {self.name}: write {self.low} to {self.high}")


_SECOND = _Field("second", 0, 59)
_MINUTE = _Field("minute", 0, 59)
_HOUR = _Field("hour", 0, 23)
_DAY = _Field("day", 1, 31)
_MONTH = _Field("month", 1, 12, _MONTHS)
_WEEKDAY = _Field("day of the week", 0, 6, _DAYS)


class Interval:
    """Every so often from the last time on."""

    def __init__(self, every: timedelta) -> None:
        self._every = every

    def next(self, after: datetime) -> datetime | None:
        """`after` and one interval."""
        return after + self._every


class Crontab:
    """Moments at which all six fields fit: also both days, unlike in Unix cron."""

    def __init__(self, expression: str, zone: tzinfo = UTC) -> None:
        fields = expression.split()
        if len(fields) == 5:
            fields = ["0", *fields]
        if len(fields) != 6:
            raise ValueError(
                "a schedule is six fields (second minute hour day month weekday), five without "
                "the seconds, or an interval hh:mm:ss"
            )
        second, minute, hour, day, month, weekday = fields
        self._seconds = sorted(_SECOND.values(second))
        self._minutes = sorted(_MINUTE.values(minute))
        self._hours = sorted(_HOUR.values(hour))
        self._days = _DAY.values(day)
        self._months = _MONTH.values(month)
        self._weekdays = _WEEKDAY.values(weekday)
        self._zone = zone
        if self.next(datetime(2024, 1, 1, tzinfo=UTC)) is None:
            raise ValueError("no day fits the schedule")

    def next(self, after: datetime) -> datetime | None:
        """The first moment after `after` (aware), in UTC; None when there is none in years."""
        found = self._first(after)
        if len(self._hours) < 24:
            return found
        again = self._repeated(after)
        return min(found, again) if found and again else found

    def _first(self, after: datetime) -> datetime | None:
        """Where times that come twice count the first time."""
        local = self._local(after)
        skipped = self._offset(after) - self._offset(after - _DAY_LONG)
        if skipped > _NONE and self._offset(after - skipped) < self._offset(after):
            # skipped times may still be ahead
            local -= skipped
        earliest: datetime | None = None
        while (found := self._next_local(local)) is not None:
            moment = found.replace(tzinfo=self._zone).astimezone(UTC)
            if moment > after:
                earliest = min(earliest or moment, moment)
                # one that is skipped comes later than some that are not
                if self._local(moment) == found:
                    break
            local = found
        return earliest

    def _repeated(self, after: datetime) -> datetime | None:
        """The first that comes for the second time, if it may be the next moment of all."""
        overlap = self._offset(after - _DAY_LONG) - self._offset(after + _DAY_LONG)
        if overlap <= _NONE or self._offset(after - overlap) == self._offset(after + overlap):
            return None
        local = self._local(after) - overlap
        while (found := self._next_local(local)) is not None:
            moment = found.replace(tzinfo=self._zone, fold=1).astimezone(UTC)
            if moment > after:
                return moment
            local = found
        return None

    def _local(self, moment: datetime) -> datetime:
        return moment.astimezone(self._zone).replace(tzinfo=None)

    def _offset(self, moment: datetime) -> timedelta:
        return moment.astimezone(self._zone).utcoffset() or _NONE

    def _next_local(self, after: datetime) -> datetime | None:
        start = after.replace(microsecond=0) + timedelta(seconds=1)
        time = self._time_from(start)
        day = start.date()
        if time is None or not self._fits(day):
            found = self._next_day(day)
            if found is None:
                return None
            day, time = found, (self._hours[0], self._minutes[0], self._seconds[0])
        return datetime(day.year, day.month, day.day, *time)

    def _time_from(self, start: datetime) -> tuple[int, int, int] | None:
        """The first time of day that fits, not before that of `start`."""
        for hour in self._hours:
            if hour < start.hour:
                continue
            if hour > start.hour:
                return hour, self._minutes[0], self._seconds[0]
            for minute in self._minutes:
                if minute < start.minute:
                    continue
                if minute > start.minute:
                    return hour, minute, self._seconds[0]
                for second in self._seconds:
                    if second >= start.second:
                        return hour, minute, second
        return None

    def _fits(self, day: date) -> bool:
        return (
            day.month in self._months
            and day.day in self._days
            and day.isoweekday() % 7 in self._weekdays
        )

    def _next_day(self, after: date) -> date | None:
        day = after + timedelta(days=1)
        while day.year <= after.year + _YEARS:
            if day.month not in self._months:
                day += timedelta(days=monthrange(day.year, day.month)[1] - day.day + 1)
            elif self._fits(day):
                return day
            else:
                day += timedelta(days=1)
        return None


Schedule = Interval | Crontab


def parse_schedule(text: str, zone: tzinfo = UTC) -> Schedule:
    """ValueError, in words for the user, for what is no schedule. Crontabs go by `zone`."""
    span = _SPAN.fullmatch(text.strip())
    if span is None:
        return Crontab(text, zone)
    days, hours, minutes, seconds = (int(part or 0) for part in span.groups())
    every = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    if not every:
        raise ValueError("the interval must be above 00:00:00")
    return Interval(every)
