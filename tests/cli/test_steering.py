"""Starting and steering from the command line, with and without a worker."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from tests.cli.running import CommandLine, alongside
from tests.memory_hub import MemoryHub


async def test_what_is_started_is_carried_out_by_a_worker(
    memory: MemoryHub, durable: CommandLine
) -> None:
    done = await durable(
        "start-new", "--function-name", "greeting", "--id", "a", "--input", '"you"'
    )
    assert (done.code, done.stderr) == (0, "")
    assert done.stdout == "Started greeting as a\n"
    assert (await memory.wait("a")).output == '"hello you"'


async def test_a_random_id_a_version_and_tags(memory: MemoryHub, durable: CommandLine) -> None:
    options = ("--version", "1.2", "--tag", "team=a=b", "--tag", "kind=")
    answer = await durable.json("start-new", "--function-name", "waiting", *options)
    status = await memory.outside.get_status(answer["instanceId"])
    assert status is not None
    assert (status.name, status.version, status.input) == ("waiting", "1.2", None)
    assert status.tags == {"team": "a=b", "kind": ""}


@pytest.mark.parametrize("instance_id", ["-x", "--output", "-1", "two words", "-two words", "--x"])
async def test_ids_that_look_like_options(
    memory: MemoryHub, durable: CommandLine, instance_id: str
) -> None:
    given = ("--id", instance_id) if instance_id != "--output" else (f"--id={instance_id}",)
    started = await durable.json("start-new", "--function-name", "greeting", *given)
    assert started == {"instanceId": instance_id}
    assert (await memory.wait(instance_id)).instance_id == instance_id
    status = await durable.json("get-runtime-status", *given)
    assert status["instanceId"] == instance_id


@pytest.mark.parametrize("number", ["-5", "-1.5e3"])
async def test_a_negative_number_is_an_input(
    memory: MemoryHub, durable: CommandLine, number: str
) -> None:
    await durable.json("start-new", "--function-name", "waiting", "--id", "a", "--input", number)
    status = await memory.outside.get_status("a")
    assert status is not None
    assert json.loads(status.input or "") == float(number)


async def test_input_from_a_file_and_from_stdin(
    memory: MemoryHub, durable: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "in put.json"
    file.write_text('\ufeff{"name": "ä"}', encoding="utf-8")
    start = ("start-new", "--function-name", "waiting", "--id")
    await durable.json(*start, "a", "--input", f"@{file}")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b" [1, 2]\n")))
    await durable.json(*start, "b", "--input", "-")
    found = [await memory.outside.get_status(each) for each in ("a", "b")]
    assert [json.loads(each.input or "") for each in found if each] == [{"name": "ä"}, [1, 2]]


async def test_an_ended_instance_is_replaced_unless_it_is_not_to_be(
    memory: MemoryHub, durable: CommandLine
) -> None:
    start = ("start-new", "--function-name", "greeting", "--id", "a", "--input")
    await durable(*start, '"you"')
    await memory.wait("a")
    said = await durable.refused(1, *start, '"them"', "--if-exists", "error")
    assert "exists and is Completed" in said
    await durable(*start, '"them"', "--if-exists", "skip")
    assert (await memory.wait("a")).output == '"hello you"'
    await durable(*start, '"them"')
    assert (await memory.wait("a")).output == '"hello them"'


async def test_an_event_reaches_its_instance(memory: MemoryHub, durable: CommandLine) -> None:
    await durable("start-new", "--function-name", "waiting", "--id", "a")
    await memory.idle()
    options = ("--id", "a", "--event-name", "go", "--event-data", '{"ok": true}')
    done = await durable("raise-event", *options)
    assert done.stdout == "Raised go to a\n"
    assert (await memory.wait("a")).output == '{"ok":true}'
    said = await durable.refused(1, "raise-event", *options)
    assert "has ended: it is Completed" in said


async def test_suspend_and_resume(memory: MemoryHub, durable: CommandLine) -> None:
    await durable("start-new", "--function-name", "waiting", "--id", "a")
    assert await durable.json("suspend", "--id", "a", "--reason", "- lunch") == {"instanceId": "a"}

    async def is_now(status: str) -> bool:
        return bool(
            (await durable.json("get-runtime-status", "--id", "a"))["runtimeStatus"] == status
        )

    await memory.until(lambda: is_now("Suspended"))
    assert await durable.json("resume", "--id", "a") == {"instanceId": "a"}
    await memory.until(lambda: is_now("Running"))
    history = await durable.json("get-history", "--id", "a")
    assert "- lunch" in [event.get("Reason") for event in history["historyEvents"]]


@pytest.mark.parametrize(("options", "child"), [((), "Running"), (("--recursive",), "Terminated")])
async def test_terminate(
    memory: MemoryHub, durable: CommandLine, options: tuple[str, ...], child: str
) -> None:
    await durable("start-new", "--function-name", "parent", "--id", "a")
    await memory.run(5)
    done = await durable("terminate", "--id", "a", "--reason", "enough", *options)
    assert done.stdout == "Terminating a\n"
    assert str((await memory.wait("a")).runtime_status) == "Terminated"
    await memory.run(60)
    status = await durable.json("get-runtime-status", "--id", "the child")
    assert status["runtimeStatus"] == child


async def test_rewind(memory: MemoryHub, durable: CommandLine) -> None:
    await durable("start-new", "--function-name", "greeting", "--id", "a", "--input", '"nobody"')
    await memory.wait("a")
    before = await durable.json("get-history", "--id", "a")
    done = await durable("rewind", "--id", "a", "--reason", "mended")
    assert done.stdout == "Rewinding a\n"
    await memory.run(1)
    assert str((await memory.wait("a")).runtime_status) == "Failed"
    after = await durable("get-history", "--id", "a")
    assert "ExecutionRewound" in after.stdout
    assert after.stdout.count("TaskFailed") == 2
    assert len((await durable.json("get-history", "--id", "a"))["historyEvents"]) > len(
        before["historyEvents"]
    )
    await durable("start-new", "--function-name", "waiting", "--id", "b")
    said = await durable.refused(1, "rewind", "--id", "b")
    assert "is Pending: only a failed one is rewound" in said
    await memory.run(1)
    await memory.outside.terminate("b")
    await memory.wait("b")
    assert "only a failed one is rewound" in await durable.refused(1, "rewind", "--id", "b")


async def test_restart(memory: MemoryHub, durable: CommandLine) -> None:
    await durable("start-new", "--function-name", "greeting", "--id", "a", "--input", '"you"')
    await memory.wait("a")
    another = (await durable.json("restart", "--id", "a"))["instanceId"]
    assert another != "a"
    assert (await memory.wait(another)).output == '"hello you"'
    assert await durable.json("restart", "--id", "a", "--same-id") == {"instanceId": "a"}
    await memory.wait("a")
    await durable("start-new", "--function-name", "waiting", "--id", "b")
    assert "exists" in await durable.refused(1, "restart", "--id", "b", "--same-id")


async def test_fork(memory: MemoryHub, durable: CommandLine) -> None:
    await durable("start-new", "--function-name", "greeting", "--id", "a", "--input", '"you"')
    await memory.wait("a")
    fork = ("fork", "--id", "a", "--step")
    same = (await durable.json(*fork, "0"))["instanceId"]
    assert (await memory.wait(same)).output == '"hello you"'
    done = await durable(*fork, "0", "--input", '"them"', "--new-id", "b", "--tag", "x=y")
    assert done.stdout == "Forked a from step 0 as b\n"
    status = await memory.wait("b")
    assert (status.output, status.tags) == ('"hello them"', {"x": "y"})
    shown = await durable("get-runtime-status", "--id", "b")
    assert "from step 0 of a" in shown.stdout
    assert "exists" in await durable.refused(1, *fork, "0", "--new-id", "b")
    assert "its last step is" in await durable.refused(2, *fork, "9")
    assert "there is no instance" in await durable.refused(1, "fork", "--id", "c", "--step", "0")


async def test_an_instance_that_is_not_there(durable: CommandLine) -> None:
    for command in ("terminate", "suspend", "resume", "rewind", "restart", "get-runtime-status"):
        assert "there is no instance 'gone'" in await durable.refused(1, command, "--id", "gone")
    done = await durable("terminate", "--id", "gone", "--output", "json")
    assert (done.code, done.stdout) == (1, "")
    assert json.loads(done.stderr) == {
        "error": "InstanceNotFound",
        "message": "there is no instance 'gone'",
    }


async def test_a_payload_over_the_limit_starts_nothing(
    durable: CommandLine, tmp_path: Path
) -> None:
    limit = {"extensions": {"durableTask": {"maxPayloadBytes": 1024}}}
    (tmp_path / "host.json").write_text(json.dumps(limit))
    text = json.dumps("x" * 2000)
    start = ("start-new", "--function-name", "waiting", "--id", "a", "--input", text)
    assert "maxPayloadBytes" in await durable.refused(2, *start)
    assert "there is no instance" in await durable.refused(1, "get-runtime-status", "--id", "a")


async def test_a_start_at_a_later_time(memory: MemoryHub, durable: CommandLine) -> None:
    later = ("--start-at", "2026-01-01T01:00:00+00:00")
    await durable.json("start-new", "--function-name", "greeting", "--id", "a", *later)
    status = await durable.json("get-runtime-status", "--id", "a")
    assert (status["runtimeStatus"], status["scheduledStartTime"]) == (
        "Pending",
        "2026-01-01T01:00:00Z",
    )
    done = await durable("get-runtime-status", "--id", "a")
    assert "scheduled  2026-01-01 01:00:00Z" in done.stdout
    assert (await memory.wait("a")).last_updated_time.hour == 1
    refused = await durable.refused(
        2, "start-new", "--function-name", "greeting", "--start-at", "soon"
    )
    assert "ISO 8601" in refused


async def test_a_running_one_is_replaced_when_that_is_said(
    memory: MemoryHub, durable: CommandLine
) -> None:
    start = ("start-new", "--function-name", "waiting", "--id", "a")
    await durable.json(*start)
    await memory.run(2)
    assert "exists" in await durable.refused(1, *start)
    again = alongside(memory, durable.json(*start, "--if-exists", "terminate", "--input", "2"))
    assert await again == {"instanceId": "a"}
    status = await memory.outside.get_status("a")
    assert status is not None
    assert status.input == "2"
