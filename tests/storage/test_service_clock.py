"""The service's time from whole seconds and unsteady latencies, against simulated services."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from durable.errors import AmbiguousAnswer
from durable.storage.azure.clock import (
    ASKED_IN_A_ROW,
    CLOSE,
    DRIFT,
    SHARP_SECONDS,
    ServiceClock,
    keep_sharp,
)

START = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


@dataclass
class Service:
    """A service and a process; their clocks run apart by `drift` for each second."""

    drift: float = 0.0
    local: float = 1000.0
    time: datetime = START
    clock: ServiceClock = field(init=False)

    def __post_init__(self) -> None:
        self.clock = ServiceClock(monotonic=lambda: self.local)

    def pass_time(self, seconds: float) -> None:
        self.local += seconds
        self.time += timedelta(seconds=seconds * (1 + self.drift))

    def request(self, there: float, back: float) -> None:
        sent = self.local
        self.pass_time(there)
        date = format_datetime(self.time.replace(microsecond=0), usegmt=True)
        self.pass_time(back)
        self.clock.observe_header(date, sent=sent, received=self.local)

    def behind(self) -> float:
        """How far the clock is behind the service, in seconds."""
        return (self.time - self.clock.now()).total_seconds()


def test_the_time_is_unknown_before_an_answer() -> None:
    clock = ServiceClock()
    assert not clock.observed
    with pytest.raises(RuntimeError, match="unknown until"):
        clock.now()


def test_one_answer_gives_the_second() -> None:
    service = Service(time=START + timedelta(seconds=0.7))
    service.request(0.01, 0.02)
    assert service.clock.observed
    assert 0.7 <= service.behind() <= 0.75


@pytest.mark.parametrize("header", [None, "", "yesterday", "2026-03-01", "Sun, 99 Foo 2026"])
def test_other_headers_are_ignored(header: str | None) -> None:
    clock = ServiceClock()
    clock.observe_header(header, sent=0.0, received=0.1)
    assert not clock.observed


def test_answers_bring_it_within_their_latency() -> None:
    service = Service(time=START + timedelta(seconds=0.123))
    for _ in range(200):
        service.request(0.002, 0.003)
        service.pass_time(0.037)
    assert 0 <= service.behind() < 0.06


@pytest.mark.parametrize("drift", [0.0, 100e-6, -100e-6])
@pytest.mark.parametrize("seed", range(5))
def test_never_ahead_and_never_back(drift: float, seed: int) -> None:
    chance = random.Random(seed)
    service = Service(drift=drift, time=START + timedelta(seconds=chance.random()))
    previous = START - timedelta(days=1)
    for step in range(3000):
        service.request(chance.expovariate(50), chance.expovariate(50))
        if chance.random() < 0.01:
            service.request(chance.uniform(0, 10), chance.uniform(0, 10))
        service.pass_time(chance.expovariate(2))
        now = service.clock.now()
        assert service.behind() >= -1e-6
        assert now >= previous
        previous = now
        if step > 100:
            assert service.behind() < 0.3


def test_a_long_quiet_does_not_put_it_ahead() -> None:
    service = Service(drift=-150e-6)
    for _ in range(100):
        service.request(0.001, 0.001)
        service.pass_time(0.09)
    for _ in range(24):
        service.pass_time(3600)
        assert service.behind() >= 0


def test_it_follows_when_the_machine_slept() -> None:
    service = Service()
    service.request(0.01, 0.01)
    service.time += timedelta(hours=8)
    service.request(0.01, 0.01)
    assert 0 <= service.behind() <= 1.1


def test_it_stands_still_until_a_service_that_was_set_back_is_there_again() -> None:
    service = Service()
    service.request(0.01, 0.01)
    before = service.clock.now()
    service.time -= timedelta(seconds=10)
    service.request(0.01, 0.01)
    assert service.clock.now() == before
    service.pass_time(5)
    assert service.clock.now() == before
    service.pass_time(10)
    assert service.clock.now() > before
    assert 0 <= service.behind() <= 1.1


def test_bounds_tighten_again_after_a_step() -> None:
    service = Service()
    service.request(0.001, 0.001)
    service.time += timedelta(hours=1, seconds=0.5)
    for _ in range(100):
        service.request(0.001, 0.001)
        service.pass_time(0.019)
    assert 0 <= service.behind() < 0.03


def test_an_answer_that_comes_late_is_taken_for_its_age() -> None:
    service = Service()
    for _ in range(60):
        service.request(0.001, 0.001)
        service.pass_time(0.049)
    best = service.behind()
    service.clock.observe(START - timedelta(hours=1), sent=1000.0 - 3600, received=1000.0 - 3590)
    assert service.behind() == pytest.approx(best, abs=1e-3)


async def test_sleep_and_monotonic_are_the_process_own() -> None:
    service = Service()
    await service.clock.sleep(-1)
    assert service.clock.monotonic() == 1000.0


class Over(Exception):
    """The time of a test."""


async def kept_sharp(
    service: Service, seconds: float, *, there: float = 0.005, back: float = 0.005, fails: int = 0
) -> int:
    """Let an idle process ask for the time for so long; how often it did."""
    asked, end = 0, service.local + seconds

    async def sleep(seconds: float) -> None:
        assert seconds > 0
        service.pass_time(min(seconds, end - service.local))
        assert service.behind() >= 0
        if service.local >= end:
            raise Over

    async def ask() -> None:
        nonlocal asked
        asked += 1
        if asked <= fails:
            raise AmbiguousAnswer("no answer")
        service.request(there, back)
        assert service.behind() >= 0

    service.clock.sleep = sleep  # type: ignore[method-assign]
    with pytest.raises(Over):
        await keep_sharp(service.clock, ask)
    return asked


@pytest.mark.parametrize("seed", range(20))
async def test_an_idle_process_learns_the_time_within_seconds(seed: int) -> None:
    rnd = random.Random(seed)
    service = Service(drift=rnd.uniform(-DRIFT, DRIFT) / 2)
    service.pass_time(rnd.random())
    service.request(0.005, 0.005)
    assert service.clock.width > 0.9
    assert await kept_sharp(service, 8.0, fails=1) <= ASKED_IN_A_ROW
    assert service.clock.width <= CLOSE + 2 * DRIFT * 8.0
    assert 0 <= service.behind() <= service.clock.width


async def test_it_asks_seldom_then_and_stays_sharp() -> None:
    service = Service(drift=DRIFT / 2)
    service.request(0.005, 0.005)
    await kept_sharp(service, 20.0)
    assert await kept_sharp(service, 3600.0) <= 3 * 3600 / SHARP_SECONDS
    assert service.behind() <= 3 * CLOSE


async def test_slow_answers_are_not_asked_for_without_end() -> None:
    service = Service()
    service.request(0.1, 0.1)
    asked = await kept_sharp(service, 3600.0, there=0.1, back=0.1)
    assert asked <= ASKED_IN_A_ROW * (3600.0 / SHARP_SECONDS + 1)


def test_nothing_is_known_before_an_answer() -> None:
    assert ServiceClock().width == float("inf")
