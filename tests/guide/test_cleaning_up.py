"""docs/guide/cleaning-up.md"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

import durable as df
from durable.codec import decode
from durable.model.retention import Retention
from durable.runtime.options import RuntimeOptions
from durable.settings import load_settings
from tests.guide.pages import GUIDE, Page
from tests.guide.running import Guide

DAY = 24 * 3600.0
APP = df.DFApp()


@APP.orchestration_trigger(context_name="context")
async def process_order(context: df.DurableOrchestrationContext) -> None:
    """Has a child, waits if told so, and fails if told so."""
    if context.get_input() == "parent":
        await context.call_sub_orchestrator(process_order, None, f"{context.instance_id}-child")
    if context.get_input() == "wait":
        await context.wait_for_external_event("never")
    if context.get_input() == "fail":
        raise ValueError("no")


async def test_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    async with Guide("cleaning-up", app=APP) as guide:
        await guide.start("process_order", "parent", "order-1")
        for instance_id in ("order-2", "order-3"):
            await guide.start("process_order", None, instance_id)
        guide.page.names["last_year"] = guide.clock.now()
        await guide.run(DAY)
        await guide.start("process_order", None, "new")
        await guide.start("process_order", "wait", "waiting")

        await guide.snippet("purge_instance_history(")
        assert capsys.readouterr().out == "2 True\n"
        assert await ids(guide) == ["new", "waiting"]

        guide.page.names["last_year"] = guide.clock.now()
        await guide.snippet("start_purge")
        done = await guide.wait(guide.page.names["job"])
        assert decode(done.output)["instances_deleted"] == 1
        assert await ids(guide) == ["waiting"]


async def test_retention(tmp_path: Path) -> None:
    block = Page(GUIDE / "cleaning-up.md").only("json", "retention")
    (tmp_path / "host.json").write_text(block.text)
    retention = load_settings(tmp_path, {}).retention
    assert retention == Retention(timedelta(days=7), None, timedelta(days=90))
    options = RuntimeOptions(retention=retention)
    async with Guide("cleaning-up", checked=False, options=options, app=APP) as guide:
        for word in ("done", "fail", "wait"):
            await guide.start("process_order", word, word)
        await guide.client.terminate("wait")
        await guide.run(6.9 * DAY)
        assert await ids(guide) == ["done", "fail", "wait"]
        await guide.run(0.2 * DAY)
        assert await ids(guide) == ["fail", "wait"]
        await guide.run(100 * DAY)
        assert await ids(guide) == ["fail"]


async def ids(guide: Guide) -> list[str]:
    """Of all instances of the app's orchestrator."""
    found = guide.client.list_instances(name="process_order")
    return sorted([status.instance_id async for status in found])
