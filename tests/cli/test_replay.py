"""durable replay: a hub that one version of the code filled, held against another."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Any

import pytest

from durable.cli.commands import parse
from durable.cli.errors import DONE, REFUSED, WRONG
from durable.errors import InvalidRequestError
from durable.exporting.formats import content_of
from durable.model.functions import OrchestratorDefinition, Registry
from durable.model.versioning import VersioningOptions
from tests.azurite import Azurite
from tests.cli.running import CommandLine, Done
from tests.memory_hub import MemoryHub
from tests.worker.running import run, worker

APP = """
import durable as df
app = df.DFApp()

@app.activity_trigger(input_name="order")
def charge(order: str) -> str:
    return f"paid {order}"

@app.activity_trigger(input_name="receipt")
def ship(receipt: str) -> None:
    pass

async def settle(context, order):
    receipt = await context.call_activity("charge", order)
    await context.call_activity("ship", receipt)
    return receipt

@app.orchestration_trigger(context_name="context")
async def process_order(context: df.DurableOrchestrationContext) -> str:
    order = context.get_input(str)
    receipt = await settle(context, order)
    if order == "slow":
        await context.wait_for_external_event("go")
    return receipt

@app.orchestration_trigger(context_name="context")
def batch(context):
    return (yield context.call_sub_orchestrator("process_order", "tea", "of-batch"))
"""
CHANGED = APP.replace(
    '    await context.call_activity("ship", receipt)\n',
    '    await context.call_activity("notify", receipt)\n'
    '    await context.call_activity("ship", receipt)\n',
)
LINE = 1 + CHANGED.split("\n").index('    await context.call_activity("notify", receipt)')


async def started(durable: CommandLine, *given: str, **changed: Any) -> Done:
    """A replay of the memory hub by the fixtures' code, changed perhaps."""
    registry = Registry()
    for name, definition in durable.memory.registry.orchestrators.items():
        function = changed.get(name, definition.function)
        if function is not None:
            registry.add(OrchestratorDefinition(name, function))
    known = registry, VersioningOptions()

    def parsed(command: Any) -> Any:
        options = parse(command)
        options.against = known
        return options

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.cli.running.parse", parsed)
        return await durable("replay", *given)


@pytest.fixture
async def filled(durable: CommandLine, memory: MemoryHub) -> CommandLine:
    """With two greetings and one that waits."""
    await memory.client.start_new("greeting", "ann", "Ann")
    await memory.client.start_new("greeting", "bob", "Bob")
    await memory.client.start_new("waiting", "w")
    await memory.run(5)
    return durable


async def changed_greeting(context: Any) -> Any:
    return await context.call_activity("wave", context.get_input())


async def test_all_the_same(filled: CommandLine) -> None:
    done = await started(filled)
    assert done == Done(DONE, "3 histories: 3 same\n", "")


async def test_one_that_differs(filled: CommandLine) -> None:
    done = await started(filled, greeting=changed_greeting)
    assert done.code == REFUSED
    assert "MISMATCH  greeting\n" in done.stdout
    assert "2 of them  ann (Completed), bob (Completed)\n" in done.stdout
    assert "history has  activity 'greet' (task 0)\n" in done.stdout
    assert done.stdout.endswith("3 histories: 1 same, 2 different\n")
    filled.coloured = True
    assert (
        "\x1b[31mMISMATCH\x1b[0m  greeting"
        in (await started(filled, greeting=changed_greeting)).stdout
    )


async def test_ids_filters_and_a_limit(filled: CommandLine) -> None:
    done = await started(filled, "w", "--id", "ann", "--output", "json")
    assert [each["instanceId"] for each in done.document["instances"]] == ["w", "ann"]
    assert (await started(filled, "w", greeting=changed_greeting)).code == DONE
    assert (await started(filled, "--status", "running", greeting=None)).code == DONE
    done = await started(filled, "--name", "greeting", "--limit", "1")
    assert done == Done(
        DONE, "1 history: 1 same\n", "These are the newest 1: --limit takes more.\n"
    )


async def test_a_gate_that_looked_at_nothing_fails(filled: CommandLine) -> None:
    done = await started(filled, "--name", "nothing")
    assert (done.code, done.stdout) == (WRONG, "")
    assert done.stderr.startswith("durable: no instance matches, so that no code was held against")
    done = await started(filled, "--name", "nothing", "--output", "json")
    assert (done.code, done.stdout) == (WRONG, "")
    assert json.loads(done.stderr)["error"] == "InvalidRequest"


async def test_what_cannot_be_read_and_what_is_gone(filled: CommandLine) -> None:
    done = await started(filled, "ann", "nobody")
    assert done.code == WRONG
    assert "UNREADABLE" in done.stdout
    done = await started(filled, "ann", "nobody", greeting=None)
    assert done.code == REFUSED
    assert "GONE  greeting" in done.stdout


async def test_json(filled: CommandLine) -> None:
    done = await started(filled, "ann", "--output", "json", greeting=changed_greeting)
    assert done.code == REFUSED
    (found,) = done.document["instances"]
    assert done.document["ok"] is False
    assert done.document["counts"]["mismatch"] == 1
    assert found["verdict"] == "mismatch"
    assert found["line"]["file"] == __file__
    assert found["line"]["line"] == changed_greeting.__code__.co_firstlineno + 1
    assert found["step"]["turn"] == 1


@pytest.mark.parametrize(
    "given",
    [
        ("a", "--name", "b"),
        ("--file", "x", "--name", "b"),
        ("--file", "x", "--save", "y"),
        ("--file", "x", "a"),
        ("--limit", "0"),
        ("--created-after", "2026-02-01", "--created-before", "2026-01-01"),
    ],
)
def test_what_does_not_go_together(given: tuple[str, ...]) -> None:
    with pytest.raises((InvalidRequestError, SystemExit)):
        parse(["replay", *given])


async def test_saving_cannot_hide_its_failure(filled: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    done = await started(filled, "--save", str(tmp_path / "taken" / "x"))
    assert done.code == WRONG
    assert "--save: " in done.stderr


async def test_only_reads_reach_storage(filled: CommandLine, memory: MemoryHub) -> None:
    called: set[str] = set()

    class Noting:
        def __init__(self, inner: Any) -> None:
            self.inner = inner

        def __getattr__(self, name: str) -> Any:
            called.add(name)
            return getattr(self.inner, name)

    memory.storage = type(memory.storage)(
        tables=Noting(memory.tables), queues=Noting(memory.queues), clock=memory.clock
    )
    assert (await started(filled, greeting=changed_greeting)).code == REFUSED
    assert called == {"get", "query"}


def test_a_hub_of_a_worker_against_a_changed_checkout(tmp_path: Path, azurite: Azurite) -> None:
    hub = f"R{secrets.token_hex(4)}"
    for name, text in (("old", APP), ("new", CHANGED)):
        folder = tmp_path / name
        folder.mkdir()
        extension = {"durableTask": {"hubName": hub, "partitionCount": 1}}
        (folder / "host.json").write_text(json.dumps({"extensions": extension}))
        (folder / "function_app.py").write_text(text)
    old, new = tmp_path / "old", tmp_path / "new"
    connection = {"AzureWebJobsStorage": azurite.connection_string}
    with worker(old, **connection) as process:
        assert process.address
        for name, instance_id, value in (
            ("process_order", "order-1", '"tea"'),
            ("process_order", "order-2", '"slow"'),
            ("batch", "batch-1", "null"),
        ):
            start = ("--function-name", name, "--id", instance_id, "--input", value)
            assert run(old, "start-new", *start, **connection).returncode == DONE
        for instance_id in ("order-1", "batch-1"):
            watched = ("get-runtime-status", "--id", instance_id, "--watch")
            assert run(old, *watched, **connection).returncode == DONE
        process.terminate()

    saved = tmp_path / "saved"
    same = run(old, "replay", "--save", str(saved), **connection)
    assert (same.returncode, same.stdout) == (DONE, "4 histories: 4 same\n"), same.stderr

    named = ("--hub", hub, "--connection", "OTHER", "--status", "Running")
    other = run(new, "replay", *named, OTHER=azurite.connection_string)
    assert other.returncode == REFUSED, other.stderr
    lines = [line.strip() for line in other.stdout.splitlines()]
    assert lines[0] == "MISMATCH  process_order"
    assert lines[1] == "instance  order-2 (Running)"
    assert lines[2].startswith("step  turn ")
    assert lines[2].endswith(", after activity 'charge' (task 0) completed")
    assert lines[3] == "history has  activity 'ship' (task 1)"
    assert lines[4] == "the code has  activity 'notify' (task 1)"
    assert lines[5] == f"at  {new / 'function_app.py'}:{LINE}, in settle"
    assert lines[6] == 'await context.call_activity("notify", receipt)'
    assert lines[7].startswith("so  with this code it becomes Stuck at its next turn")
    assert lines[-1] == "1 history: 1 different"

    # a gate without a hub: what was saved
    assert run(old, "replay", "--file", str(saved)).returncode == DONE
    gate = run(new, "replay", "--file", "../saved", "--output", "json")
    assert gate.returncode == REFUSED, gate.stderr
    found = {each["instanceId"]: each["verdict"] for each in json.loads(gate.stdout)["instances"]}
    assert found == {
        "order-1": "mismatch",
        "order-2": "mismatch",
        "of-batch": "mismatch",
        "batch-1": "same",
    }
    # what is in the way is not taken for code that does not fit
    (new / "function_app.py").write_text("import nothing_of_that_name\n")
    for given in (("replay",), ("replay", "--file", str(saved))):
        broken = run(new, *given, **connection)
        assert (broken.returncode, broken.stdout) == (WRONG, "")
    absent = run(old, "replay", "--hub", "Absent", **connection)
    assert absent.returncode == WRONG
    assert "there is no hub Absent" in absent.stderr
    assert run(old, "replay", "--file", "absent.json").returncode == WRONG


async def test_exported_files_are_a_gate_too(
    memory: MemoryHub, filled: CommandLine, tmp_path: Path
) -> None:
    status = await memory.client.get_status("ann")
    assert status is not None
    events = await memory.client.get_history("ann", payloads=True)
    app = 'import durable as df\napp = df.DFApp()\n\n@app.orchestration_trigger(context_name="c")\n'
    code = "async def greeting(c):\n    return await c.call_activity({!r}, c.get_input())\n"
    exported = tmp_path / "exported"
    exported.mkdir()
    (exported / "ann.jsonl.gz").write_bytes(content_of(status, events, "jsonl.gz"))
    for name, expected in (("greet", DONE), ("wave", REFUSED)):
        (tmp_path / "function_app.py").write_text(app + code.format(name))
        assert run(tmp_path, "replay", "--file", str(exported)).returncode == expected
