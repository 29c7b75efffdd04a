"""Schedules."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durable.model.crontab import parse_schedule

START = "2026-01-01 00:00:00"  # a Thursday


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("schedule", "after", "expected"),
    [
        ("* * * * * *", START, "2026-01-01 00:00:01"),
        ("*/15 * * * * *", START, "2026-01-01 00:00:15"),
        ("*/15 * * * * *", "2026-01-01 00:00:45", "2026-01-01 00:01:00"),
        ("0 */5 * * * *", "2026-01-01 00:04:59", "2026-01-01 00:05:00"),
        ("*/5 * * * *", START, "2026-01-01 00:05:00"),
        ("30 10 9 * * *", "2026-01-01 09:10:30", "2026-01-02 09:10:30"),
        ("0 0 0 * * *", "2026-12-31 00:00:00", "2027-01-01 00:00:00"),
        ("0 0 9-17/4 * * *", "2026-01-01 10:00:00", "2026-01-01 13:00:00"),
        ("0 0 9-17/4 * * *", "2026-01-01 17:00:00", "2026-01-02 09:00:00"),
        ("0 30 9 * * 1-5", "2026-01-02 10:00:00", "2026-01-05 09:30:00"),
        ("0 0 0 * * sun", START, "2026-01-04 00:00:00"),
        ("0 0 0 * * Mon,Wednesday", START, "2026-01-05 00:00:00"),
        ("0 0 0 1 feb *", START, "2026-02-01 00:00:00"),
        ("0 0 0 29 2 *", START, "2028-02-29 00:00:00"),
        ("0 0 0 31 * *", "2026-01-31 00:00:00", "2026-03-31 00:00:00"),
        ("0 0 0 13 * fri", START, "2026-02-13 00:00:00"),
        ("5/20 * * * * *", "2026-01-01 00:00:30", "2026-01-01 00:00:45"),
        ("00:00:30", START, "2026-01-01 00:00:30"),
        ("1.00:00:00", START, "2026-01-02 00:00:00"),
        ("24:00:00", START, "2026-01-02 00:00:00"),
    ],
)
def test_next(schedule: str, after: str, expected: str) -> None:
    assert parse_schedule(schedule).next(moment(after)) == moment(expected)


@pytest.mark.parametrize(
    ("schedule", "says"),
    [
        ("", "six fields"),
        ("* * *", "six fields"),
        ("60 * * * * *", "no second"),
        ("* * 24 * * *", "no hour"),
        ("* * * 0 * *", "no day"),
        ("* * * * 13 *", "no month"),
        ("* * * * * 8", "no day of the week"),
        ("*/0 * * * * *", "step"),
        ("*/x * * * * *", "step"),
        ("5-1 * * * * *", "backwards"),
        ("1, * * * * *", "no second"),
        ("0 0 0 31 2 *", "no day fits"),
        ("00:00:00", "above"),
        ("@daily", "six fields"),
    ],
)
def test_refused(schedule: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        parse_schedule(schedule)


def test_a_zone_and_its_changes_of_the_clock() -> None:
    schedule = parse_schedule("0 30 2 * * *", ZoneInfo("Europe/Berlin"))
    times, at = [], moment("2026-03-27 12:00:00")
    for _ in range(3):
        following = schedule.next(at)
        assert following is not None
        times.append(at := following)
    # 02:30 is skipped on 2026-03-29: it runs when the clocks show 03:30.
    assert times == [
        moment("2026-03-28 01:30:00"),
        moment("2026-03-29 01:30:00"),
        moment("2026-03-30 00:30:00"),
    ]
    autumn = parse_schedule("0 30 2 * * *", ZoneInfo("Europe/Berlin"))
    first = autumn.next(moment("2026-10-24 12:00:00"))
    assert first == moment("2026-10-25 00:30:00")
    assert autumn.next(first) == moment("2026-10-26 01:30:00")


@given(
    st.sampled_from(["*/7 * * * * *", "0 */13 * * * *", "1-5,50 3 */6 * * 0-3", "9 8 7 6 * *"]),
    st.datetimes(datetime(2025, 1, 1), datetime(2030, 1, 1)),
)
def test_moments_rise_and_none_is_left_out(expression: str, start: datetime) -> None:
    schedule = parse_schedule(expression)
    at = start.replace(tzinfo=UTC)
    found = []
    for _ in range(5):
        following = schedule.next(at)
        assert following is not None
        found.append(at := following)
    for before, after in pairwise(found):
        assert before < after
        assert schedule.next(after - timedelta(microseconds=1)) == after
        assert schedule.next(before + (after - before) / 2) == after
