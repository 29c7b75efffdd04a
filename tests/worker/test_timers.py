"""Timer triggers over memory storage with the manual clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import azure.functions as func
import pytest

from durable.errors import ConfigurationError, Throttled
from durable.hub.formats import FORMAT
from durable.hub.hub import Hub
from durable.model.crontab import parse_schedule
from durable.ports import Merge
from durable.storage.memory import ManualClock, memory_storage
from durable.worker.inventory import TimerFunction
from durable.worker.invocation import Invocable, Invoker
from durable.worker.timers import TimerTrigger, time_zone
from tests.worker.settling import elapse, settle

Body = Callable[[func.TimerRequest], None]


class Rig:
    """A hub, and workers that share it."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.storage = memory_storage(self.clock)
        self.hub = Hub(self.storage, "Hub")
        self.calls: list[tuple[float, bool]] = []
        self.failure: Exception | None = None
        self._running: list[tuple[TimerTrigger, asyncio.Task[None]]] = []

    async def tick(self, t: func.TimerRequest) -> None:
        self.calls.append((self.clock.monotonic(), t.past_due))
        if self.failure is not None:
            raise self.failure

    async def start(self, expression: str, *, on_startup: bool = False) -> None:
        await self.storage.tables.create_table(self.hub.names.hub_table)
        function = TimerFunction(
            Invocable("tick", self.tick, "t"), expression, parse_schedule(expression), on_startup
        )
        trigger = TimerTrigger(self.hub, function, Invoker(Path("/srv/app")))
        self._running.append((trigger, asyncio.ensure_future(trigger.run())))
        await settle()

    async def stop(self) -> None:
        for trigger, task in self._running:
            trigger.stop()
            await task
        self._running.clear()


@pytest.fixture
async def rig() -> Rig:
    return Rig()


async def test_each_moment_once(rig: Rig) -> None:
    await rig.start("*/10 * * * * *")
    await elapse(rig.clock, 35, step=0.5)
    assert rig.calls == [(10.0, False), (20.0, False), (30.0, False)]
    await rig.stop()


async def test_workers_share_the_moments(rig: Rig) -> None:
    for _ in range(3):
        await rig.start("*/10 * * * * *")
    await elapse(rig.clock, 35, step=0.5)
    assert rig.calls == [(10.0, False), (20.0, False), (30.0, False)]
    await rig.stop()


async def test_missed_moments_are_made_up_for_once(rig: Rig) -> None:
    await rig.start("0 0 * * * *")
    await elapse(rig.clock, 10, step=5)
    await rig.stop()
    rig.clock.advance(timedelta(hours=3, minutes=5).total_seconds())
    await rig.start("0 0 * * * *")
    assert rig.calls == [(11_110.0, True)]
    await elapse(rig.clock, 3600, step=10)
    assert rig.calls[1:] == [(14_400.0, False)]
    await rig.stop()


async def test_a_new_schedule_begins_afresh(rig: Rig) -> None:
    await rig.start("0 0 * * * *")
    await rig.stop()
    rig.clock.advance(7200)
    await rig.start("*/30 * * * * *")
    assert rig.calls == []
    await elapse(rig.clock, 31, step=1)
    assert rig.calls == [(7230.0, False)]
    await rig.stop()


async def test_run_on_startup(rig: Rig) -> None:
    await rig.start("0 0 * * * *", on_startup=True)
    assert rig.calls == [(0.0, False)]
    await rig.stop()


async def test_a_failing_function_is_called_again_at_its_next_moment(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    rig.failure = ArithmeticError("of the user")
    await rig.start("00:00:10")
    await elapse(rig.clock, 25, step=1)
    assert rig.calls == [(10.0, False), (20.0, False)]
    assert caplog.text.count("timer tick failed") == 2
    assert "of the user" in caplog.text
    await rig.stop()


async def test_storage_trouble_only_delays(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    await rig.start("*/10 * * * * *")

    async def busy(*args: object) -> None:
        raise Throttled("busy", retry_after=2.0)

    with monkeypatch.context() as patch:
        patch.setattr(rig.storage.tables, "get", busy)
        await elapse(rig.clock, 11, step=0.5)
    assert rig.calls == []
    await elapse(rig.clock, 5, step=0.5)
    assert len(rig.calls) == 1
    await rig.stop()


@pytest.mark.parametrize("expression", ["*/10 * * * * *", "*/15 * * * * *"])
async def test_the_row_of_a_newer_version_is_left_to_it(
    rig: Rig, caplog: pytest.LogCaptureFixture, expression: str
) -> None:
    await rig.start("*/10 * * * * *")
    await elapse(rig.clock, 12, step=0.5)
    await rig.stop()
    tables, table = rig.storage.tables, rig.hub.names.hub_table
    await tables.transact(table, "timer", [Merge("tick", {"v": FORMAT + 1})])
    newer = await tables.get(table, "timer", "tick")
    await rig.start(expression)
    await elapse(rig.clock, 600, step=5)
    assert await tables.get(table, "timer", "tick") == newer
    assert rig.calls == [(10.0, False)]
    assert f"row 'tick' of 'timer' has format {FORMAT + 1}" in caplog.text
    await tables.transact(table, "timer", [Merge("tick", {"v": FORMAT})])
    await elapse(rig.clock, 120, step=0.5)
    assert len(rig.calls) > 3
    await rig.stop()


def test_zones() -> None:
    assert time_zone(None).utcoffset(None) == timedelta(0)
    assert str(time_zone("Europe/Berlin")) == "Europe/Berlin"
    with pytest.raises(ConfigurationError, match="WEBSITE_TIME_ZONE"):
        time_zone("Middle/Earth")
