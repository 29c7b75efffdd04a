"""What README and guide show is there, and runs."""

from __future__ import annotations

import json
import os
import re
import secrets
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

import durable as df
from tests.azurite import Azurite
from tools.processes import ROOT, Process, free_ports, worker_command

PAGES = ("README.md", "docs/guide.md", "docs/http-api.md")
OWNERS = {
    "df": df,
    "context": df.DurableOrchestrationContext,
    "client": df.DurableOrchestrationClient,
}


def page(name: str) -> str:
    return (ROOT / name).read_text()


def block(text: str, language: str, containing: str) -> str:
    """The code block of that language which contains a text."""
    (found,) = (
        code
        for code in re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)
        if containing in code
    )
    return str(found)


@pytest.mark.parametrize("name", PAGES)
def test_every_name_exists(name: str) -> None:
    used = set(re.findall(r"\b(df|context|client)\.([a-z]\w+|[A-Z]\w+)", page(name)))
    files = {("client", "py")}
    missing = [
        f"{owner}.{each}" for owner, each in used - files if not hasattr(OWNERS[owner], each)
    ]
    assert missing == []


@pytest.mark.parametrize("name", PAGES)
def test_every_link_leads_somewhere(name: str) -> None:
    links = [link for link in re.findall(r"\]\(([^)]+)\)", page(name)) if "://" not in link]
    folder = (ROOT / name).parent
    assert [link for link in links if not (folder / link).exists()] == []


def test_the_first_orchestrator_runs(azurite: Azurite, tmp_path: Path) -> None:
    readme = page("README.md")
    code = block(readme, "python", "say_hellos").replace("seconds=10", "seconds=0.1")
    host = json.loads(block(readme, "json", "hubName"))
    host["extensions"]["durableTask"]["hubName"] = f"Readme{secrets.token_hex(6)}"
    local = json.loads(block(readme, "json", "AzureWebJobsStorage"))
    local["Values"]["AzureWebJobsStorage"] = azurite.connection_string
    (tmp_path / "function_app.py").write_text(code)
    (tmp_path / "host.json").write_text(json.dumps(host))
    (tmp_path / "local.settings.json").write_text(json.dumps(local))

    (port,) = free_ports(1)
    command = worker_command("--folder", str(tmp_path), "--port", str(port))
    environment = {k: v for k, v in os.environ.items() if not k.startswith("AzureWebJobs")}
    worker = Process("the worker", command, log=tmp_path / "log", environment=environment)
    try:
        worker.wait_for_port(port)
        url = f"http://127.0.0.1:{port}/api/hello"
        links = request(url, json.dumps(["Oslo", "Rome"]).encode())
        deadline = time.monotonic() + 30
        while (status := request(links["statusQueryGetUri"]))["output"] is None:
            assert time.monotonic() < deadline, f"{status}\n{worker.tail()}"
            time.sleep(0.1)
        assert status["output"] == ["Hello Oslo!", "Hello Rome!"]
    finally:
        worker.stop()


def request(url: str, body: bytes | None = None) -> Any:
    with urllib.request.urlopen(url, body, timeout=30) as answer:
        return json.load(answer)
