"""docs/guide/typing.md"""

from __future__ import annotations

import pytest

from tests.guide.running import Guide


async def test_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    async with Guide("typing") as guide:
        await guide.snippet("get_output(Receipt)")
        assert capsys.readouterr().out == "gold-9.90-eur\n"
        assert await guide.outcome("bill", "letter") is True
        assert await guide.outcome("bill", "card") is False
        much = {"card": "gold", "total": "much", "currency": "eur", "placed": "2026-01-02T00:00"}
        said = '$.total: expected Decimal (a number in a string), got the string "much"'
        assert said in await guide.outcome("process", much)
        assert said in " ".join(guide.page.path.read_text().split())
