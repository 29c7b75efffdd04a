"""docs/guide/orchestrators.md"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.guide.running import Guide

ORDER = {"card": "visa", "cents": 700}


class Bank:
    """Remembers the keys; what `before` does happens before it answers for the first time."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.before: Callable[[], None]

    def transfer(self, card: str, cents: int, idempotency_key: str) -> str:
        self.keys.append(idempotency_key)
        if len(self.keys) == 1:
            self.before()
        return f"{cents} to {card}"


async def test_the_page(caplog: pytest.LogCaptureFixture) -> None:
    bank = Bank()
    async with Guide("orchestrators", bank=bank) as guide:
        for name in ("process_order", "process_order_too", "process_order_by_name"):
            assert await guide.outcome(name, ORDER) == "paid-visa-700"
        failure = await guide.outcome("hasty")
        assert "NotDurableError" in failure
        assert "create_timer" in failure
        line = guide.page.only("python", "asyncio.sleep").line + 2
        assert f"orchestrators.md:{line}: " in failure

        # the worker dies while the money moves, and another one runs the activity again
        bank.before = guide.crash
        assert await guide.outcome("pay_out", ORDER) == "700 to visa"
        assert len(bank.keys) == 2
        assert len(set(bank.keys)) == 1
