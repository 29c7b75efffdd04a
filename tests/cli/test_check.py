"""durable check, as a program: lines, JSON, exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from durable.cli import main
from tests.worker.running import run

APP = """import time
import durable as df

app = df.DFApp()


@app.orchestration_trigger(context_name="context")
async def orchestrate(context):
    return await context.call_activity("a", {})
"""
FINDING = (
    "function_app.py:9:45: DUR101 `time.time()` reads the clock, which says something else in "
    "replay: use context.current_utc_datetime"
)


def write(folder: Path, expression: str) -> None:
    (folder / "function_app.py").write_text(APP.format(expression))


def test_as_a_process_without_settings_or_a_hub(tmp_path: Path) -> None:
    write(tmp_path, "time.time()")
    done = run(tmp_path, "check")
    assert (done.returncode, done.stdout) == (1, f"{FINDING}\n")
    assert done.stderr == "1 finding in 1 orchestrator of 1 file\n"
    done = run(tmp_path.parent, "check", "function_app:app", "--folder", tmp_path.name)
    assert (done.returncode, done.stdout) == (1, f"{FINDING}\n")


def test_nothing_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, "context.current_utc_datetime")
    assert main(["check", "--folder", str(tmp_path)]) == 0
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "0 findings in 1 orchestrator of 1 file\n")


def test_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, "time.time()")
    given = ["check", "function_app.py", "--folder", str(tmp_path), "--output", "json"]
    assert main(given) == 1
    said = capsys.readouterr()
    assert said.err == ""
    document = json.loads(said.out)
    (found,) = document["findings"]
    assert (found["path"], found["line"], found["column"]) == ("function_app.py", 9, 45)
    assert (found["code"], document["orchestrators"]) == ("DUR101", 1)


@pytest.mark.parametrize("given", [["absent"], ["function_app.py"]])
def test_what_cannot_be_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], given: list[str]
) -> None:
    (tmp_path / "function_app.py").write_text("def (:")
    assert main(["check", *given, "--folder", str(tmp_path)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("durable: ")
