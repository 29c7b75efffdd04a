"""docs/cost.md says what is counted."""

from __future__ import annotations

from tests.cost.page import COMMAND, counted, written


async def test_the_page_has_the_counts_of_today() -> None:
    assert written() == await counted(), f"count again: {COMMAND}"
