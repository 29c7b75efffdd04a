"""The monitor: one poll for each generation, and both ends."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, repeat
from typing import Any

from tests.sample.driver import Instance

MISSING = {"status": 404, "found": False, "detail": ""}
FOUND = {"status": 200, "found": True, "detail": ""}


def start(answers: Iterator[Any], **watch: Any) -> Instance:
    value = {"url": "http://127.0.0.1:1/health", "interval_seconds": 60, **watch}
    monitor = Instance("watch_endpoint", value, {"probe_endpoint": lambda _: next(answers)})
    monitor.run()
    return monitor


def test_ends_when_the_condition_is_met() -> None:
    monitor = start(chain(repeat(MISSING, 3), [FOUND]))
    monitor.advance(minutes=2)
    assert not monitor.is_over
    monitor.advance(minutes=1)
    assert monitor.output == {"outcome": "met", "polls": 4}
    assert monitor.names == [*["probe_endpoint"] * 4, "send_notice"]
    assert monitor.survives_a_crash_before_any_turn()


def test_its_history_does_not_grow() -> None:
    monitor = start(repeat(MISSING), expires_after_seconds=7 * 24 * 3600)
    monitor.advance(days=3)
    assert monitor.generations == 3 * 24 * 60
    assert len(monitor.turns) <= 3


def test_expires_at_its_time() -> None:
    monitor = start(repeat(MISSING), expires_after_seconds=150)
    monitor.advance(hours=1)
    assert monitor.output == {"outcome": "expired", "polls": 3}
