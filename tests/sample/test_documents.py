"""What the documents show is there, and runs."""

from __future__ import annotations

import ast
import inspect
import json
import os
import re
import secrets
import textwrap
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

import durable as df
from durable.client import DurableOrchestrationClient as NativeClient
from tests.azurite import Azurite
from tests.guide.pages import blocks_of
from tools.processes import ROOT, Process, free_ports, worker_command

GUIDE = sorted(f"docs/guide/{page.name}" for page in (ROOT / "docs" / "guide").glob("*.md"))
PAGES = ("README.md", *GUIDE, "docs/http-api.md", "docs/migration.md")
LINKING = (*PAGES, "docs/command-line.md", "docs/compatibility.md")
OWNERS: dict[str, tuple[Any, ...]] = {
    "df": (df,),
    "context": (df.DurableOrchestrationContext, df.EntityContext),
    # what the class of Durable Functions' names does not have, it takes from the native client
    "client": (df.DurableOrchestrationClient, NativeClient),
}


def page(name: str) -> str:
    return (ROOT / name).read_text()


def examples(text: str) -> list[str]:
    """The Python examples, those in lists too."""
    return [each.text for each in blocks_of(text) if each.language == "python"]


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
        f"{owner}.{each}"
        for owner, each in used - files
        if not any(has_name(has, each) for has in OWNERS[owner])
    ]
    assert missing == []


def has_name(owner: Any, name: str) -> bool:
    """Whether a module, or objects of a class, have it."""
    classes = [each for each in getattr(owner, "__mro__", ()) if each is not object]
    sources = map(inspect.getsource, classes or [owner])
    return hasattr(owner, name) or any(
        re.search(rf"self\.{name}(: .+)? = ", source) for source in sources
    )


@pytest.mark.parametrize("name", PAGES)
def test_every_example_is_python_and_its_arguments_exist(name: str) -> None:
    unknown = []
    for code in examples(page(name)):
        # as the body of a coroutine: examples await, and return
        tree = ast.parse("async def example():\n" + textwrap.indent(code, "    "))
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            function, is_method = called(call)
            if function is None:
                continue
            try:
                signature = inspect.signature(function)
            except ValueError:
                continue
            positional = [None] * (len(call.args) + is_method)
            keywords = {each.arg: None for each in call.keywords if each.arg}
            try:
                signature.bind_partial(*positional, **keywords)
            except TypeError as error:
                unknown.append(f"{ast.unparse(call)}: {error}")
    assert unknown == []


def called(call: ast.Call) -> tuple[Any, bool]:
    """The function of `df.name(…)`, `context.name(…)` or `client.name(…)`, None for any other;
    and whether it is a method."""
    function = call.func
    if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name):
        owner = function.value.id
        for has in OWNERS.get(owner, ()):
            if (found := getattr(has, function.attr, None)) is not None:
                return found, owner != "df"
    return None, False


@pytest.mark.parametrize("name", LINKING)
def test_every_link_leads_somewhere(name: str) -> None:
    links = [link for link in re.findall(r"\]\(([^)]+)\)", page(name)) if "://" not in link]
    missing = [link for link in links if not leads_somewhere(ROOT / name, link)]
    assert missing == []


def leads_somewhere(start: Path, link: str) -> bool:
    """Whether there is such a file, and such a heading in it."""
    path, _, anchor = link.partition("#")
    target = start.parent / path if path else start
    if not target.exists() or not anchor:
        return target.exists()
    headings = re.findall(r"^#+ (.+)$", target.read_text(), re.MULTILINE)
    return anchor in [re.sub(r"[^\w -]", "", each).lower().replace(" ", "-") for each in headings]


def test_the_first_orchestrator_runs(azurite: Azurite, tmp_path: Path) -> None:
    readme = page("README.md")
    code = block(readme, "python", "def say_hellos").replace("seconds=10", "seconds=0.1")
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
