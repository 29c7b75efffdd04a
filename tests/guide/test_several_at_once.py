"""docs/guide/several-at-once.md"""

from __future__ import annotations

from tests.guide.running import Guide, result

SHOP = {"tea": 300, "milk": 100}


async def test_the_page() -> None:
    async with Guide("several-at-once", shop=SHOP) as guide:
        assert await guide.outcome("total", ["tea", "milk", "tea"]) == 700
        assert await guide.outcome("total", []) == 0
        assert "KeyError" in await guide.outcome("total", ["tea", "gold"])

        before = guide.clock.now()
        assert await guide.outcome("price_in_time") == "no answer"
        assert 3600 <= (guide.clock.now() - before).total_seconds() < 3660
        asked = await guide.start("price_in_time")
        await guide.client.raise_event(asked, "price", 250)
        assert result(await guide.wait(asked)) == "250 cents"

        instance_id = await guide.start("total_of_many", ["tea", "milk"] * 20)
        assert result(await guide.wait(instance_id)) == 8000
        assert await most_at_once(guide, instance_id) == 10


async def most_at_once(guide: Guide, instance_id: str) -> int:
    """How many activities were under way at the most, by the history."""
    now = most = 0
    for _, event in await guide.client.get_history(instance_id):
        now += {"TaskScheduled": 1, "TaskCompleted": -1}.get(type(event).__name__, 0)
        most = max(most, now)
    return most
