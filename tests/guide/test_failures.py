"""docs/guide/failures.md"""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from durable.model.instance import OrchestrationRuntimeStatus as Status
from tests.guide.running import Guide


class Bank:
    """Out of order for as many calls as `trouble` says."""

    def __init__(self) -> None:
        self.trouble = 0
        self.asked = 0

    def charge(self, card: str) -> str:
        self.asked += 1
        if self.trouble:
            self.trouble -= 1
            raise ConnectionError("the bank is closed")
        return f"receipt for {card}"


async def test_the_page(caplog: pytest.LogCaptureFixture) -> None:
    bank, hall = Bank(), SimpleNamespace(reserved=set())
    async with Guide("failures", bank=bank, hall=hall) as guide:
        bank.trouble = 3
        before = guide.clock.now()
        assert await guide.outcome("pay", "visa") == "receipt for visa"
        assert bank.asked == 4
        # 1 + 2 + 4 seconds between the attempts
        assert 7 <= (guide.clock.now() - before).total_seconds() < 12

        bank.trouble, bank.asked = 99, 0
        assert await guide.outcome("pay", "visa") == "not paid: the bank is closed"
        assert bank.asked == 5
        # what may not be tried again is not
        expected = "not paid: ask the customer for another card"
        assert await guide.outcome("pay", "stolen") == expected
        assert "attempt 1: CardDeclined" in caplog.text
        assert "attempt 2: CardDeclined" not in caplog.text
        assert "not paid: ConnectionError: the bank is closed" in caplog.text

        failed = await guide.wait(await guide.start("book", ["A1", "stolen"]))
        assert failed.runtime_status is Status.FAILED
        assert failed.failure is not None
        assert failed.failure.is_caused_by("CardDeclined")
        assert failed.failure.inner_failure is not None
        assert failed.failure.inner_failure.properties == {"code": "declined"}
        assert hall.reserved == set()
        bank.trouble = 0
        assert await guide.outcome("book", ["A2", "visa"]) == "receipt for visa"
        assert hall.reserved == {"A2"}
