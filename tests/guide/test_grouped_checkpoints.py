"""docs/guide/grouped-checkpoints.md"""

from __future__ import annotations

from pathlib import Path

import pytest

from durable.host import _options
from durable.runtime.options import RuntimeOptions
from durable.settings import load_settings
from tests.guide.pages import GUIDE, Page
from tests.guide.running import Guide, result
from tests.runtime.helpers import DiesAt, head_of


def options(folder: Path) -> RuntimeOptions:
    """What the page's host.json means."""
    page = Page(GUIDE / "grouped-checkpoints.md")
    (folder / "host.json").write_text(page.only("json", "checkpointSteps").text)
    return _options(load_settings(folder, {}), under_functions=False)


async def test_the_page(tmp_path: Path) -> None:
    converted: list[int] = []
    grouped = options(tmp_path)
    assert grouped.checkpoint_steps == 5
    async with Guide("grouped-checkpoints", options=grouped, converted=converted) as guide:
        book = await guide.start("convert_book")
        assert result(await guide.wait(book)) == 10
        assert converted == list(range(10))
        assert (await head_of(guide, book)).sequence == 3
    one_by_one = RuntimeOptions()
    async with Guide("grouped-checkpoints", options=one_by_one, converted=converted) as guide:
        book = await guide.start("convert_book")
        assert result(await guide.wait(book)) == 10
        assert (await head_of(guide, book)).sequence == 11


@pytest.mark.parametrize("commit", [1, 2, 3])
async def test_a_crash_takes_the_group_back(tmp_path: Path, commit: int) -> None:
    converted: list[int] = []
    options_ = options(tmp_path)
    async with Guide("grouped-checkpoints", options=options_, converted=converted) as guide:
        guide.tamper(guide.runtimes[0], before=DiesAt(guide, commit))
        book = await guide.client.start_new("convert_book")
        assert result(await guide.wait(book)) == 10
        again = converted[: len(converted) - 10]
        assert 1 <= len({*again}) <= 5 or len(converted) <= 15
        assert sorted(set(converted)) == list(range(10))
