"""docs/guide/schedules.md"""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from tests.guide.running import Guide, result

DAY = 24 * 3600


async def test_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    polls: list[datetime] = []
    async with Guide("schedules", inbox=SimpleNamespace()) as guide:
        guide.page.names["inbox"].poll = lambda: polls.append(guide.clock.now())
        start = datetime(2026, 1, 5, tzinfo=UTC)  # a Monday
        await guide.run((start - guide.clock.now()).total_seconds())
        await guide.snippet("schedules.create")
        await guide.run(3610)
        assert len(polls) == 12
        schedules = guide.page.names["schedules"]
        # a week of polls takes long to run
        await guide.during(schedules.pause("poll"))
        await guide.run(7 * DAY)
        await guide.during(schedules.resume("poll"))
        assert len(polls) == 12
        found = guide.client.list_instances(name="make_report")
        ids = [status.instance_id async for status in found]
        expected = [f"daily-report-202601{day:02}T083000Z" for day in (5, 6, 7, 8, 9)]
        assert sorted(ids) == expected
        assert result(await guide.status(expected[0])) == "report of sales, 05.01."

        await guide.snippet("schedules.pause")
        shown = capsys.readouterr().out.splitlines()
        assert [line.split()[:2] for line in shown] == [
            ["daily-report", "Active"],
            ["poll", "Paused"],
        ]
        before = len(polls)
        await guide.run(605)
        # every minute by now
        assert len(polls) - before == 10
        assert [each.schedule_id async for each in schedules.list()] == ["poll"]
