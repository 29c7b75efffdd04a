"""docs/guide/activities.md"""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path
from typing import Any

import pytest

from tests.guide.pages import GUIDE, Page
from tests.guide.running import Guide, result


class Stations:
    """What the page's activities ask."""

    pause = 0.01

    def __init__(self) -> None:
        self.guide: Any = None
        self.slow = 1
        self.is_down = False
        self.left: list[str] = []
        self.gone = asyncio.Event()

    async def temperature(self, city: str) -> float:
        if city == "Oslo" and self.slow:
            self.slow -= 1
            await self.guide.clock.sleep(31)
        if city == "Rome":
            await self.guide.clock.sleep(100)
        if self.is_down:
            raise ConnectionError("no station")
        return float(len(city))

    async def leave(self, city: str) -> None:
        self.left.append(city)
        self.gone.set()


class Files:
    """What the page's activities read and write."""

    def __init__(self) -> None:
        self.guide: Any = None
        self.inserted: list[str] = []
        self.converted: list[str] = []

    def rows(self, file: str) -> list[int]:
        return list(range(8))

    async def insert(self, row: int, key: str) -> None:
        self.inserted.append(key)
        await self.guide.clock.sleep(6)
        if len(self.inserted) == 5:
            self.guide.crash()
            await self.guide.clock.sleep(1000)

    def names(self, folder: str) -> list[str]:
        return [f"{folder}{number}" for number in range(3)]

    def convert(self, name: str) -> None:
        self.converted.append(name)
        if name == "b1":
            # as a thread is told while it works
            self.guide.page.names["df"].activity_context().signals.cause = "terminated"


async def test_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # another process imports what runs there
    source = Page(GUIDE / "activities.md").source()
    (tmp_path / "guide_activities.py").write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    stations, files = Stations(), Files()
    async with Guide("activities", stations=stations, files=files) as guide:
        stations.guide = files.guide = guide
        await _limits(guide, stations)
        await _cancellation(guide, stations, files)
        text = await guide.outcome("look_after", ["seal", "text"])
        assert text is None
        assert guide.page.names["seal"]("text") == _sealed("text")
        await _heartbeats(guide, files)


async def _limits(guide: Guide, stations: Stations) -> None:
    before = guide.clock.now()
    assert await guide.outcome("warmest") == 4.0
    assert 100 <= (guide.clock.now() - before).total_seconds() < 110
    stations.slow = 3
    assert await guide.outcome("warmest") is None
    stations.slow, stations.is_down = 0, True
    assert "no station" in await guide.outcome("warmest")


async def _heartbeats(guide: Guide, files: Files) -> None:
    instance_id = await guide.start("nightly", "orders.csv")
    assert result(await guide.wait(instance_id)) == 8
    assert len(set(files.inserted)) == 8
    # the row before the crash was not said yet
    assert len(files.inserted) == 9


async def _cancellation(guide: Guide, stations: Stations, files: Files) -> None:
    await guide.outcome("look_after", ["convert", "a"])
    await guide.outcome("look_after", ["convert", "b"])
    assert files.converted == ["a0", "a1", "a2", "b0", "b1"]
    instance_id = await guide.start("look_after", ["watch_station", "Bergen"])
    await guide.client.terminate(instance_id, "enough")
    await guide.wait(instance_id)
    await asyncio.wait_for(stations.gone.wait(), 10)
    assert stations.left == ["Bergen"]


def _sealed(text: str) -> str:
    digest = text.encode()
    for _ in range(100_000):
        digest = hashlib.sha256(digest).digest()
    return digest.hex()
