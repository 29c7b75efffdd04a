"""docs/guide/queries-and-updates.md"""

from __future__ import annotations

from types import SimpleNamespace

import pytest

import durable as df
from tests.guide.running import Guide, result


async def test_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    given: list[int] = []

    def pay(amount: int) -> str:
        given.append(amount)
        return f"receipt {amount}"

    bank = SimpleNamespace(refund=pay)
    async with Guide("queries-and-updates", bank=bank) as guide:
        await guide.start("auction", instance_id="auction-1")
        await guide.snippet("place = ")
        names = guide.page.names
        assert names["place"] == 1
        assert names["bids"] == [names["Bid"]("Ann", 50)]
        await guide.snippet("error.failure.message")
        assert capsys.readouterr().out == "more than 50 is asked for\n"
        assert result(await guide.wait("auction-1")) == "Ann"

        await guide.start("complaint", instance_id="complaint-1")
        with pytest.raises(df.UpdateRejectedError, match="at most 100"):
            await guide.during(guide.client.update("complaint-1", "decide", 101))
        await guide.snippet("decision-1")
        assert guide.page.names["receipt"] == "receipt 70"
        assert result(await guide.wait("complaint-1")) == "receipt 70"
        assert given == [70]
