"""docs/guide/events.md"""

from __future__ import annotations

import pytest

import durable as df
from tests.guide.running import Guide, result


async def test_the_page() -> None:
    async with Guide("events") as guide:
        await guide.start("expense_claim", instance_id="claim-7")
        await guide.snippet("claim-7")
        assert result(await guide.wait("claim-7")) == "approved by Ann"
        with pytest.raises(df.InstanceFinishedError):
            await guide.snippet("claim-7")

        before = guide.clock.now()
        assert await guide.outcome("expense_claim") == "nobody decided"
        assert 48 * 3600 <= (guide.clock.now() - before).total_seconds() < 49 * 3600
        turned_down = await guide.start("expense_claim")
        no = {"approved": False, "by": "Max"}
        await guide.client.raise_event(turned_down, "Decision", no)
        assert result(await guide.wait(turned_down)) == "turned down by Max"

        collect = await guide.client.start_new("collect")
        for name, item in (("item", "a"), ("ITEM", "b"), ("Item", "c")):
            await guide.client.raise_event(collect, name, item)
        assert result(await guide.wait(collect)) == ["a", "b", "c"]

        claims = [await guide.start("expense_claim") for _ in range(2)]
        assert await guide.outcome("approve_all", [*claims, "claim-7", "unknown"]) is None
        for claim in claims:
            assert result(await guide.wait(claim)) == "approved by the board"
