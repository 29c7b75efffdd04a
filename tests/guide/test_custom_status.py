"""docs/guide/custom-status.md"""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from tests.guide.running import Guide


async def test_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    go_on = asyncio.Event()

    async def scan(page: int) -> None:
        if page == 2:
            await go_on.wait()

    async with Guide("custom-status", scanner=SimpleNamespace(scan=scan)) as guide:
        await guide.start("scan_book", 300, "book-1")
        await guide.snippet("get_status")
        assert capsys.readouterr().out == "{'page': 3, 'of': 300}\n"
        go_on.set()
        await guide.run(10)
        assert (await guide.status("book-1")).custom_status == '"waiting for the librarian"'
        await guide.client.raise_event("book-1", "checked")
        await guide.wait("book-1")
