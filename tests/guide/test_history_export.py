"""docs/guide/history-export.md"""

from __future__ import annotations

import asyncio
import gzip
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.guide.running import Guide

DAY = 24 * 3600


@pytest.fixture(autouse=True)
def inline(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hub's time passes while a thread works, and is to stand still."""

    async def to_thread(function: Callable[..., Any], *arguments: Any) -> Any:
        return function(*arguments)

    monkeypatch.setattr(asyncio, "to_thread", to_thread)


class Container:
    """Takes what a container client of the SDK takes."""

    def __init__(self) -> None:
        self.uploaded: list[tuple[Any, ...]] = []

    async def upload_blob(
        self, name: str, data: bytes, *, overwrite: bool, content_settings: dict[str, str]
    ) -> None:
        self.uploaded.append((name, data, overwrite, content_settings))


async def test_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EXPORT_FOLDER", str(tmp_path))
    blobs = SimpleNamespace(ContentSettings=dict)
    monkeypatch.setitem(sys.modules, "azure.storage.blob", blobs)
    async with Guide("history-export") as guide:
        june = guide.clock.now()
        for number in range(3):
            await guide.start("process_order", number, f"order-{number}")
        july = guide.clock.now()
        guide.page.names.update(june=june, july=july)
        await guide.run(DAY)
        await guide.start("process_order", 7, "late")
        await guide.snippet("exports.create")
        assert capsys.readouterr().out == "Completed 3\n"
        files = sorted((tmp_path / "june").iterdir())
        assert len(files) == 3
        lines = [json.loads(each) for each in gzip.decompress(files[0].read_bytes()).splitlines()]
        assert (lines[0]["instanceId"], lines[0]["output"]) == ("order-0", "0 charged")
        assert lines[1]["type"] == "ExecutionStarted"

        await guide.run(600)
        exported = [json.loads(file.read_bytes()) for file in (tmp_path / "all").iterdir()]
        ids = {each["instanceId"] for each in exported if each["name"] == "process_order"}
        assert ids == {"order-0", "order-1", "order-2", "late"}
        await guide.snippet("exports.delete")
        assert [each.job_id async for each in guide.page.names["exports"].list()] == ["june"]

        container = Container()
        writer = guide.page.names["BlobWriter"](container)
        await writer.write("a.jsonl.gz", b"x", "application/jsonl", "gzip")
        settings = {"content_type": "application/jsonl", "content_encoding": "gzip"}
        assert container.uploaded == [("a.jsonl.gz", b"x", True, settings)]
