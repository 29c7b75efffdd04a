"""`python -m durable` as real processes on Azurite: streams, terminals, signals, exit codes."""

from __future__ import annotations

import json
import os
import pty
import secrets
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.azurite import Azurite
from tests.worker.running import SECONDS, environment, run, worker

APP = """
import durable as df
app = df.DFApp()

@app.activity_trigger(input_name="name")
def greet(name: str) -> str:
    return f"hello {name}"

@app.orchestration_trigger(context_name="context")
async def hello(context: df.DurableOrchestrationContext) -> str:
    return await context.call_activity(greet, context.get_input(str))

@app.orchestration_trigger(context_name="context")
async def waiting(context: df.DurableOrchestrationContext) -> str:
    return await context.wait_for_external_event("go", str)
"""


@pytest.fixture
def folder(tmp_path: Path, azurite: Azurite) -> Path:
    """An app on a hub of its own, with its connection in local.settings.json."""
    hub = {"hubName": f"C{secrets.token_hex(4)}", "partitionCount": 2}
    (tmp_path / "host.json").write_text(json.dumps({"extensions": {"durableTask": hub}}))
    values = {"AzureWebJobsStorage": azurite.connection_string}
    (tmp_path / "local.settings.json").write_text(json.dumps({"Values": values}))
    (tmp_path / "function_app.py").write_text(APP)
    return tmp_path


@pytest.fixture
def started(folder: Path) -> Iterator[Path]:
    """The folder, while a worker runs its app."""
    with worker(folder) as process:
        assert process.address
        yield folder


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "durable", *arguments]


def on_terminal(folder: Path, *arguments: str, answer: str = "", **values: str) -> tuple[int, str]:
    """A command whose streams are a terminal of 100 columns; its exit code and what it showed."""
    controller, terminal = pty.openpty()
    try:
        process = subprocess.Popen(
            command(*arguments),
            cwd=folder,
            env=environment({"TERM": "xterm", "COLUMNS": "100", **values}),
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
        )
        os.close(terminal)
        os.write(controller, answer.encode())
        shown, end = b"", time.monotonic() + SECONDS
        while time.monotonic() < end:
            select.select([controller], [], [], SECONDS)
            try:
                shown += os.read(controller, 65_536)
            except OSError:
                break
        return process.wait(SECONDS), shown.decode().replace("\r\n", "\n")
    finally:
        os.close(controller)


def test_from_a_start_to_a_timeline(started: Path) -> None:
    begun = subprocess.run(
        command("start-new", "--function-name", "hello", "--id", "-a b", "--input", "-"),
        cwd=started,
        env=environment({"PYTHONUTF8": "1"}),
        encoding="utf-8",
        input='"yöu"',
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert (begun.returncode, begun.stdout, begun.stderr) == (0, "Started hello as -a b\n", "")
    watched = run(started, "get-runtime-status", "--id", "-a b", "--watch", "--output", "json")
    assert (watched.returncode, watched.stderr) == (0, "")
    assert json.loads(watched.stdout)["output"] == "hello yöu"
    history = run(started, "get-history", "--id", "-a b")
    assert "\x1b" not in history.stdout
    assert "TaskCompleted" in history.stdout
    narrow = run(started, "get-history", "--id", "-a b", PYTHONIOENCODING="ascii")
    assert narrow.returncode == 0, narrow.stderr
    assert '"hello y\\xf6u"' in narrow.stdout
    code, shown = on_terminal(started, "get-history", "--id", "-a b")
    assert code == 0
    assert "\x1b[32mTaskCompleted" in shown
    code, shown = on_terminal(started, "get-history", "--id", "-a b", NO_COLOR="1")
    assert code == 0
    assert "TaskCompleted" in shown
    assert "\x1b" not in shown
    listed = json.loads(run(started, "get-instances", "--output", "json").stdout)
    assert [each["instanceId"] for each in listed["instances"]] == ["-a b"]


def test_steering_what_runs(started: Path) -> None:
    for instance_id in ("a", "b"):
        assert run(started, "start-new", "--function-name", "waiting", "--id", instance_id)
    event = ("--event-name", "go", "--event-data", '"now"')
    assert run(started, "raise-event", "--id", "a", *event).returncode == 0
    assert run(started, "get-history", "--id", "a", "--watch").returncode == 0
    assert run(started, "terminate", "--id", "b", "--reason", "enough").returncode == 0
    ended = run(started, "get-runtime-status", "--id", "b", "--watch")
    assert ended.returncode == 3
    assert "   status  Terminated\n" in ended.stdout
    again = run(started, "raise-event", "--id", "a", *event, "--output", "json")
    assert again.returncode == 1
    assert json.loads(again.stderr)["error"] == "InstanceFinished"


def test_pages_and_deleting(folder: Path, azurite: Azurite) -> None:
    absent = run(folder, "get-instances", "--output", "json")
    assert (absent.returncode, absent.stdout) == (1, "")
    assert json.loads(absent.stderr)["error"] == "TaskHubNotFound"
    hub = json.loads((folder / "host.json").read_text())["extensions"]["durableTask"]["hubName"]
    with worker(folder) as process:
        assert process.address
    for number in range(3):
        done = run(folder, "start-new", "--function-name", "hello", "--id", f"i{number}")
        assert done.returncode == 0, done.stderr
    first = json.loads(run(folder, "get-instances", "--top", "2", "--output", "json").stdout)
    token = ("--continuation-token", first["continuationToken"])
    rest = json.loads(run(folder, "get-instances", *token, "--output", "json").stdout)
    found = [each["instanceId"] for page in (first, rest) for each in page["instances"]]
    # each process reads the service's clock for itself, and that is to the second
    assert sorted(found) == ["i0", "i1", "i2"]

    assert "say --yes" in run(folder, "delete-task-hub").stderr
    code, shown = on_terminal(folder, "delete-task-hub", answer="no\n")
    assert code == 1
    assert f"delete hub {hub} in " in shown
    assert "nothing was deleted" in shown
    # from elsewhere, by name
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    named = ("--task-hub-name", hub, "--connection-string-setting", "OTHER")
    values = {"OTHER": azurite.connection_string}
    listed = run(elsewhere, "get-instances", *named, **values)
    assert listed.stdout.count("Pending") == 3, listed.stderr
    deleted = run(elsewhere, "delete-task-hub", *named, "--yes", "--output", "json", **values)
    assert (deleted.returncode, json.loads(deleted.stdout)) == (0, {"taskHub": hub})
    assert run(folder, "get-instances").returncode == 1


def test_interrupting_and_leaving(started: Path) -> None:
    assert run(started, "start-new", "--function-name", "waiting", "--id", "a").returncode == 0
    watching = subprocess.Popen(
        command("get-runtime-status", "--id", "a", "--watch"),
        cwd=started,
        env=environment({}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert watching.stdout is not None
    assert watching.stdout.readline()
    watching.send_signal(signal.SIGINT)
    _, said = watching.communicate(timeout=SECONDS)
    assert (watching.returncode, said) == (130, "")

    reader, writer = os.pipe()
    os.close(reader)
    unread = subprocess.run(
        command("get-instances"),
        cwd=started,
        env=environment({}),
        stdout=writer,
        stderr=subprocess.PIPE,
        timeout=SECONDS,
        check=False,
    )
    os.close(writer)
    assert (unread.returncode, unread.stderr) == (141, b"")


def test_keys_and_functions_for_programs(started: Path) -> None:
    keys = json.loads(run(started, "keys", "--output", "json").stdout)
    assert run(started, "keys").stdout == (
        f"function {keys['function']}\nmaster   {keys['master']}\n"
    )
    functions = json.loads(run(started, "functions", "--output", "json").stdout)["functions"]
    assert "hello: orchestrator" in functions
