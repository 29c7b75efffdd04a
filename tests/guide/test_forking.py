"""docs/guide/forking.md"""

from __future__ import annotations

import pytest

from durable.model.instance import OrchestrationRuntimeStatus as Status
from tests.guide.running import Guide, result


class Partner:
    """A bank, a store and a carrier, which knows few towns."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def charge(self, card: str) -> str:
        return self._done(f"charged {card}")

    def reserve(self, item: str) -> str:
        return self._done(f"reserved {item}")

    def ship(self, town: str) -> str:
        if town != "Paris":
            raise ValueError(f"there is no {town}")
        return self._done(f"shipped to {town}")

    def _done(self, what: str) -> str:
        self.asked.append(what)
        return what


async def test_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    partner = Partner()
    async with Guide("forking", bank=partner, store=partner, carrier=partner) as guide:
        order = {"card": "1234", "item": "lamp", "town": "Pari"}
        await guide.start("buy", order, "order-7")
        assert (await guide.wait("order-7")).runtime_status is Status.FAILED
        await guide.snippet("new_id = await")
        fork = await guide.wait(guide.page.names["new_id"])
        done = ["charged 1234", "reserved lamp", "shipped to Paris"]
        assert result(fork) == done
        assert partner.asked == done
        assert fork.forked_from is not None
        assert (fork.forked_from.instance_id, fork.forked_from.step) == ("order-7", 2)
        await guide.snippet("9)")
        assert "from step 9: its last step is 2" in capsys.readouterr().out
