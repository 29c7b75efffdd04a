"""Workers on Azurite that are killed, and code that changed before others went on."""

from __future__ import annotations

import json
import secrets
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.azurite import Azurite
from tests.worker.running import SECONDS, run, worker

APP = """
import durable as df
app = df.DFApp()

@app.activity_trigger(input_name="order")
def charge(order: str) -> str:
    return f"paid {order}"

@app.orchestration_trigger(context_name="context")
async def process_order(context: df.DurableOrchestrationContext) -> str:
    receipt = await context.call_activity("charge", context.get_input(str))
    await context.wait_for_external_event("packed")
    return receipt
"""
ADDED = '    await context.call_activity("notify", receipt)'
BEFORE = "    await context.wait_for_external_event"
CHANGED = APP.replace(BEFORE, f"{ADDED}\n{BEFORE}")


def app(folder: Path, hub: str, text: str) -> Path:
    folder.mkdir()
    extension = {"durableTask": {"hubName": hub, "partitionCount": 1}}
    (folder / "host.json").write_text(json.dumps({"extensions": extension}))
    (folder / "function_app.py").write_text(text)
    return folder


def until(folder: Path, reached: Any, values: dict[str, str]) -> Any:
    """The instance's status once it is as wanted."""
    end = time.monotonic() + SECONDS * 2
    while True:
        found = run(folder, "get-runtime-status", "--id", "o", "--output", "json", **values)
        assert found.returncode == 0, found.stderr
        status = json.loads(found.stdout)
        if reached(status):
            return status
        assert time.monotonic() < end, status


def test_a_changed_checkout_after_a_kill(tmp_path: Path, azurite: Azurite) -> None:
    hub = f"R{secrets.token_hex(4)}"
    values = {"AzureWebJobsStorage": azurite.connection_string, "DURABLE_APP_NAME": "orders"}
    old, new = app(tmp_path / "old", hub, APP), app(tmp_path / "new", hub, CHANGED)
    place = f"{new / 'function_app.py'}:{1 + CHANGED.splitlines().index(ADDED)}"

    with ExitStack() as workers:
        pair = [workers.enter_context(worker(old, **values)) for _ in range(2)]
        assert all(each.address for each in pair)
        start = ("start-new", "--function-name", "process_order", "--id", "o", "--input", '"tea"')
        assert run(old, *start, **values).returncode == 0
        charged = "TaskCompleted"
        end = time.monotonic() + SECONDS
        while charged not in run(old, "get-history", "--id", "o", **values).stdout:
            assert time.monotonic() < end
        for each in pair:
            each.popen.kill()

    # nobody runs: what the gate says is what the next worker comes to
    gate = run(new, "replay", "o", "--output", "json", **values)
    (found,) = json.loads(gate.stdout)["instances"]
    assert (gate.returncode, found["verdict"], found["actual"]) == (
        1,
        "mismatch",
        "activity 'notify' (task 1)",
    )
    assert f"{found['line']['file']}:{found['line']['line']}" == place

    with worker(new, **values) as process:
        assert process.address
        assert run(new, "raise-event", "--id", "o", "--event-name", "packed", **values)
        status = until(new, lambda status: status["runtimeStatus"] == "Stuck", values)
        message = json.dumps(status)
        assert f"the code has activity 'notify' (task 1) at {place}, in process_order" in message
        process.popen.kill()
    assert run(old, "replay", "o", **values).returncode == 0

    with worker(old, **values) as process:
        assert process.address
        status = until(old, lambda status: status["runtimeStatus"] == "Completed", values)
        assert status["output"] == "paid tea"
    assert run(old, "replay", **values).stdout == "1 history: 1 same\n"
    again = run(new, "replay", **values)
    assert again.returncode == 1
    assert "it has ended, and no worker replays it" in again.stdout
