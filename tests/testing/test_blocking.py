"""Tests that are plain functions, and the fixtures."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from durable.testing import StalledError, SyncTestHub, TestHub, run
from tests.testing.app import app

ROOT = Path(__file__).resolve().parent.parent.parent


def _public(kind: type) -> dict[str, object]:
    return {
        name: inspect.signature(value).parameters if callable(value) else None
        for name, value in vars(kind).items()
        if not name.startswith("_") or name == "__init__"
    }


def test_it_has_all_that_the_other_has() -> None:
    blocking = _public(SyncTestHub)
    assert blocking.pop("call")
    assert blocking == _public(TestHub)


def test_one_run() -> None:
    assert run(app, "sleep", 3600)[:16] == "2026-01-01T01:00"
    paid = {"number": "x", "cents": 1}
    assert run(app, "buy", {"item": "tea", "cents": 1}, activities={"charge": paid}) == paid


async def test_where_an_event_loop_runs_it_says_what_to_use() -> None:
    with pytest.raises(RuntimeError, match=r"in an `async def` test use `async with TestHub"):
        run(app, "sleep", 3600)


def test_a_whole_story() -> None:
    with SyncTestHub(app) as hub:
        instance_id = hub.start("decide")
        hub.advance(timedelta(days=1))
        assert hub.status(instance_id).custom_status == {"asked": True}
        with pytest.raises(StalledError):
            hub.wait_for(instance_id)
        hub.crash()
        hub.raise_event(instance_id, "decision", "yes")
        assert hub.result(instance_id) == "yes"
        assert hub.call(hub.client.get_status(instance_id)).output == "yes"
        hub.signal_entity("counter", "one", "add", 2)
        assert hub.entity_state("counter", "one") == 2
        hub.replace("charge", {"number": "x", "cents": 1})
        assert hub.run("buy", {"item": "tea", "cents": 1})["number"] == "x"
        assert [call.activity for call in hub.calls()] == ["charge", "ship"]
        assert len(hub.history(instance_id)) == 3


APP = """
import azure.durable_functions as df

app = df.DFApp()

@app.activity_trigger(input_name="name")
def greet(name: str) -> str:
    return f"Hello {name}"

@app.orchestration_trigger(context_name="context")
def hello(context: df.DurableOrchestrationContext):
    return (yield context.call_activity("greet", context.get_input()))
"""
TESTS = """
import pytest

def test_hello(durable_hub):
    assert durable_hub.run("hello", "Ada") == "Hello Ada"

class TestReplaced:
    @pytest.fixture
    def durable_activities(self):
        return {"greet": "Hei"}

    def test_hello(self, durable_hub):
        assert durable_hub.run("hello", "Ada") == "Hei"
"""


def test_the_fixtures_find_the_app_of_the_rootdir(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["durable.testing.pytest"]\n')
    (tmp_path / "function_app.py").write_text(APP)
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests/test_hello.py").write_text(TESTS)
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "2 passed" in ran.stdout, ran.stdout + ran.stderr
