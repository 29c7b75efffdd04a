"""docs/guide/work-item-filters.md"""

from __future__ import annotations

import shlex
from argparse import Namespace

import pytest

import durable as df
from durable.cli.commands import parse
from durable.runtime.options import RuntimeOptions
from tests.guide.pages import GUIDE, Page
from tests.guide.running import Guide, result


async def test_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    async with Guide("work-item-filters") as guide:
        await guide.start("process_order", "tea", "video-1")
        await guide.client.start_new("ship_order", "old", version="1.0")
        await guide.client.start_new("ship_order", "new", version="2.0")
        await guide.run(120)
        await guide.page.run("status.waiting")
        shown = guide.page.only("python", "status.waiting").text.rpartition("# ")[2]
        assert capsys.readouterr().out == shown
        assert result(await guide.status("new")) == "2.0"
        waiting = (await guide.status("old")).waiting
        assert waiting == "a worker that takes the orchestrator 'ship_order' of version '1.0'"

        others = df.WorkItemFilters(orchestrations=["ship_order"], activities=["render_video"])
        await guide.add_runtime(options=RuntimeOptions(filters=others))
        assert result(await guide.wait("video-1")) == "tea.mp4"
        assert result(await guide.wait("old")) == "1.0"


def test_the_commands_are_understood() -> None:
    text = Page(GUIDE / "work-item-filters.md").only("console", "durable start").text
    commands = [parse(shlex.split(line.removeprefix("$ durable "))) for line in text.splitlines()]
    assert [named(each) for each in commands] == [
        ("process_order,ship_order@2.0", None, "stock"),
        (None, "charge_card,render_video", None),
    ]


def named(options: Namespace) -> tuple[str | None, ...]:
    """What a worker takes, by the arguments."""
    return options.only_orchestrations, options.only_activities, options.only_entities
