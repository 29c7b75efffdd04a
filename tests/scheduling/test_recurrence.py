"""Planned times, without anything that runs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from durable.errors import InvalidRequestError
from durable.model.crontab import Crontab
from durable.scheduling.entity import AT_ONCE, due_times
from durable.scheduling.recurrence import Recurrence, time_zone
from durable.scheduling.spec import ScheduleSpec

START = datetime(2026, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))


def moments(crontab: Crontab, after: datetime, until: datetime) -> list[datetime]:
    found = []
    while (after := crontab.next(after) or until) < until:
        found.append(after)
    return found


CHANGES = [
    ("Europe/Berlin", "2026-03-29"),
    ("Europe/Berlin", "2026-10-25"),
    ("America/New_York", "2026-11-01"),
    ("America/Santiago", "2026-04-04"),  # back at midnight
    ("America/Santiago", "2026-09-05"),  # forward at midnight
    ("Africa/Cairo", "2026-04-23"),
    ("Australia/Lord_Howe", "2026-04-04"),  # by half an hour
    ("Australia/Lord_Howe", "2026-10-03"),
    ("Pacific/Apia", "2011-12-29"),  # forward by a day
]
EXPRESSIONS = [
    "*/15 * * * *",
    "10,35 2 * * *",
    "30 0-3 * * *",
    "0 */2 * * *",
    "5,50 * * * *",
    "0 12 30 12 *",
    "30 * * * 0",
    "*/7 1,2 * * *",
]


@pytest.mark.parametrize("expression", EXPRESSIONS)
@pytest.mark.parametrize(("zone", "day"), CHANGES)
def test_changes_of_the_clock_are_as_defined(zone: str, day: str, expression: str) -> None:
    """Each local time in turn: once, and twice where all hours fit and it comes twice."""
    at = ZoneInfo(zone)
    begin = datetime.fromisoformat(day).replace(tzinfo=UTC) - timedelta(days=1)
    end = begin + timedelta(days=3)
    minutes, hours, *days = expression.split()
    fitting_days = Crontab(f"0 0 {' '.join(days)}")
    fitting_times = Crontab(f"{minutes} {hours} * * *")
    expected = set()
    for number in range(-2880, 7200):
        local = begin.replace(tzinfo=None) + number * MINUTE
        naive = local.replace(tzinfo=UTC)
        midnight = naive.replace(hour=0, minute=0)
        if (
            fitting_times.next(naive - MINUTE) != naive
            or fitting_days.next(midnight - MINUTE) != midnight
        ):
            continue
        first = local.replace(tzinfo=at).astimezone(UTC)
        expected.add(first)
        if hours == "*" and first.astimezone(at).replace(tzinfo=None) == local:
            expected.add(local.replace(tzinfo=at, fold=1).astimezone(UTC))
    within = sorted(moment for moment in expected if begin < moment < end)
    assert moments(Crontab(expression, at), begin, end) == within


def test_a_skipped_and_a_repeated_time() -> None:
    berlin = Crontab("30 2 * * *", ZoneInfo("Europe/Berlin"))
    spring = datetime(2026, 3, 29, tzinfo=UTC)
    # 02:30 is not there: it is at what the clocks call 03:30
    assert berlin.next(spring) == spring.replace(hour=1, minute=30)
    autumn = datetime(2026, 10, 25, tzinfo=UTC)
    assert moments(berlin, autumn, autumn + timedelta(hours=23)) == [autumn.replace(minute=30)]
    # what goes by the time that passes does not stop for an hour
    quarter = Crontab("*/15 * * * *", ZoneInfo("Europe/Berlin"))
    times = moments(quarter, autumn, autumn + timedelta(hours=4))
    assert {after - before for before, after in pairwise(times)} == {15 * MINUTE}


RECURRENCES = st.builds(
    Recurrence,
    st.one_of(
        st.timedeltas(timedelta(seconds=1), timedelta(days=40)),
        st.builds(
            Crontab,
            st.sampled_from(["*/20 * * * * *", *EXPRESSIONS, "0 0 29 2 *"]),
            st.sampled_from([ZoneInfo("America/New_York"), UTC]),
        ),
    ),
    MOMENTS,
    st.one_of(st.none(), MOMENTS),
)


@settings(deadline=None)
@given(RECURRENCES, MOMENTS)
def test_the_next_time_is_later_and_none_lies_between(
    recurrence: Recurrence, after: datetime
) -> None:
    found = recurrence.next(after)
    if found is None:
        assert recurrence.end is not None
        return
    assert found > after
    assert found >= recurrence.start
    assert recurrence.end is None or found <= recurrence.end
    assert recurrence.next(after + (found - after) / 2) == found
    assert recurrence.next(found - timedelta(microseconds=1)) == found
    if isinstance(recurrence.pattern, timedelta):
        assert (found - recurrence.start) % recurrence.pattern == timedelta(0)


@settings(deadline=None)
@given(RECURRENCES, MOMENTS, st.timedeltas(timedelta(0), timedelta(hours=3)), st.integers(1, 9))
def test_the_last_times_are_those_that_walking_finds(
    recurrence: Recurrence, after: datetime, span: timedelta, most: int
) -> None:
    until = after + span
    every = recurrence.first(after, until, 100_000)
    assert recurrence.last(after, until, most) == every[-most:]
    assert recurrence.first(after, until, most) == every[:most]


def test_the_last_of_a_year_of_seconds_is_found_at_once() -> None:
    recurrence = Recurrence(Crontab("* * * * * *"), START)
    until = START + timedelta(days=365)
    assert recurrence.last(START, until, 2) == [until - timedelta(seconds=1), until]


def test_what_has_no_end_ends_with_the_calendar() -> None:
    recurrence = Recurrence(timedelta(days=999_999), START)
    found = recurrence.next(START)
    assert found is not None
    assert recurrence.next(found) is not None
    assert recurrence.next(datetime(9998, 1, 1, tzinfo=UTC)) is None


@pytest.mark.parametrize(
    ("policy", "hours_late", "expected"),
    [
        ("skip", 0.01, [12]),
        ("skip", 0.1, []),
        ("skip", 5.0, [17]),
        ("skip", 5.1, []),
        ("once", 0.1, [12]),
        ("once", 5.1, [17]),
        ("all", 5.1, [15, 16, 17]),
        ("all", 1.0, [12, 13]),
    ],
)
def test_what_is_due_after_an_absence(policy: str, hours_late: float, expected: list[int]) -> None:
    spec = ScheduleSpec("report", cron="0 * * * *", catch_up=policy, catch_up_limit=3)  # type: ignore[arg-type]
    noon = START.replace(hour=12)
    now = noon + timedelta(hours=hours_late)
    due, until = due_times(spec, spec.recurrence(START), noon - MINUTE, now)
    assert [moment.hour for moment in due] == expected
    assert until == now


def test_many_missed_times_are_started_in_parts() -> None:
    spec = ScheduleSpec("report", cron="* * * * *", catch_up="all", catch_up_limit=120)
    recurrence, done, now, found = spec.recurrence(START), START, START + timedelta(hours=9), []
    sizes = []
    while done < now:
        due, done = due_times(spec, recurrence, done, now)
        found += due
        sizes.append(len(due))
    assert sizes == [AT_ONCE, AT_ONCE, 20]
    assert found == [now - number * MINUTE for number in reversed(range(120))]


@pytest.mark.parametrize("name", ["Mars/Olympus", "", "../../etc/passwd", "Europe/", "x" * 300])
def test_an_unknown_zone_is_refused(name: str) -> None:
    with pytest.raises(InvalidRequestError, match="IANA"):
        time_zone(name)
