"""docs/guide/determinism.md"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from durable.checking import CODES, check
from durable.model.functions import OrchestratorDefinition, Registry
from durable.model.instance import OrchestrationRuntimeStatus as Status
from durable.replaying import StoredHistory, Verdict, read_histories, replay_instances
from tests.guide.pages import GUIDE, Page
from tests.guide.running import Guide, result


async def test_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    histories = tmp_path / "tests" / "histories"
    histories.mkdir(parents=True)
    async with Guide("determinism") as guide:
        await guide.start("process_order", "tea", "order-1")
        await guide.start("process_order", "milk", "order-2")
        await guide.client.raise_event("order-2", "packed")
        assert result(await guide.wait("order-2")) == "sent receipt for milk"
        assert str(await guide.outcome("label")).startswith("sent 2")
        async for history in read_histories(guide.client):
            assert isinstance(history, StoredHistory)
            file = histories / f"{history.instance_id}.json"
            file.write_text(json.dumps(history.to_dict()))
        guide.page.names["test_stored_orders_fit"]()
        await guide.snippet("replay_instances")
        assert capsys.readouterr().out == ""


async def test_the_report_is_what_is_said() -> None:
    """The change of the page, made to the page's code."""
    async with Guide("determinism", checked=False) as guide:
        await guide.start("process_order", "tea", "order-1")
        added = re.search(r"^\+( .*)$", guide.page.only("diff", "notify").text, re.MULTILINE)
        assert added is not None
        before = "    await context.wait_for_external_event"
        app = guide.page.only("python", "async def process_order").text
        names: dict[str, Any] = {"__name__": "changed"}
        code = app.replace(before, f"{added[1]}\n{before}")
        exec(compile(code, "gone/function_app.py", "exec"), names)
        changed: Registry = names["app"].durable.registry
        assert isinstance(changed.orchestrator("process_order"), OrchestratorDefinition)
        report = await replay_instances(guide.client, changed, runtime_status=[Status.RUNNING])
    shown = guide.page.only("console", "MISMATCH").text.splitlines()[1:]
    said = report.text.splitlines()
    # times, and where the file lies
    places = [n for n, line in enumerate(shown) if line.lstrip().startswith(("step", "at"))]
    for number in places:
        assert shown[number].split()[0] == said[number].split()[0]
    assert "turn 2 of 2, " in shown[places[0]]
    assert "turn 2 of 2, " in said[places[0]]
    rest = [line for n, line in enumerate(shown) if n not in places]
    # no file was there to take the line's text from
    assert [line for n, line in enumerate(said) if n not in places] == [
        line for line in rest if line.strip() != added[1].strip()
    ]


def test_the_finding_is_what_is_said(tmp_path: Path) -> None:
    page = Page(GUIDE / "determinism.md")
    source = page.source()
    (tmp_path / "function_app.py").write_text(source)
    (found,) = check([tmp_path], tmp_path).findings
    shown = page.only("console", "durable check").text.splitlines()[1]

    def plain(text: str) -> str:
        return re.sub(r"function_app\.py:[\d:]+", "", text)

    assert plain(found.text) == plain(shown)


def test_the_tables_are_whole() -> None:
    page = (GUIDE / "determinism.md").read_text()
    assert re.findall(r"^\| (DUR\d+) \|", page, re.MULTILINE) == list(CODES)
    assert re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE) == [str(each) for each in Verdict]
