"""get-instances, get-runtime-status and `--watch`."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.cli.running import CommandLine, alongside
from tests.memory_hub import MemoryHub


async def started(memory: MemoryHub, count: int, name: str = "greeting") -> list[str]:
    """Instances, a minute apart, newest first."""
    ids = []
    for number in range(count):
        ids.append(await memory.outside.start_new(name, f"{name}-{number}", f"n{number}"))
        memory.clock.advance(60)
    return ids[::-1]


async def test_a_list_as_a_table(memory: MemoryHub, durable: CommandLine) -> None:
    await memory.outside.start_new("greeting", "two words", "you")
    await memory.wait("two words")
    memory.clock.advance(60)
    await started(memory, 1, "waiting")
    await memory.idle()
    done = await durable("get-instances")
    assert (done.code, done.stderr) == (0, "")
    title, first, second = done.stdout.splitlines()
    assert title.split() == ["ID", "NAME", "STATUS", "CREATED", "UPDATED"]
    assert first.split()[:3] == ["waiting-0", "waiting", "Pending"]
    assert second.startswith("two words  greeting  Completed  2026-01-01 00:00:")
    assert second.endswith(" ago")
    assert title.index("STATUS") == second.index("Completed")


async def test_an_empty_list(durable: CommandLine) -> None:
    done = await durable("get-instances")
    assert (done.code, done.stdout, done.stderr) == (0, "", "No instance matches.\n")
    document = await durable.json("get-instances")
    assert document == {"instances": [], "continuationToken": None}


async def test_pages_lead_to_all_once(memory: MemoryHub, durable: CommandLine) -> None:
    ids = await started(memory, 7)
    found: list[str] = []
    token: tuple[str, ...] = ()
    for expected in (3, 3, 1):
        page = await durable.json("get-instances", "--top", "3", *token)
        assert len(page["instances"]) == expected
        found += [each["instanceId"] for each in page["instances"]]
        token = ("--continuation-token", page["continuationToken"])
    assert page["continuationToken"] is None
    assert found == ids


async def test_the_text_says_how_to_go_on(memory: MemoryHub, durable: CommandLine) -> None:
    ids = await started(memory, 12)
    done = await durable("get-instances")
    assert [line.split()[0] for line in done.stdout.splitlines()[1:]] == ids[:10]
    hint = done.stderr.split()
    token = hint[hint.index("--continuation-token") + 1].rstrip(",")
    rest = await durable("get-instances", "--continuation-token", token)
    assert [line.split()[0] for line in rest.stdout.splitlines()[1:]] == ids[10:]
    everything = await durable.json("get-instances", "--all", "--top", "1")
    assert [each["instanceId"] for each in everything["instances"]] == ids


async def test_filters(memory: MemoryHub, durable: CommandLine) -> None:
    await started(memory, 3)
    await memory.outside.start_new("greeting", "bad", "nobody")
    for each in ("greeting-0", "greeting-1", "greeting-2", "bad"):
        await memory.wait(each)
    memory.clock.advance(60)
    await memory.outside.start_new("waiting", "w")
    await memory.run(5)

    async def ids(*options: str) -> list[str]:
        page = await durable.json("get-instances", *options)
        return [each["instanceId"] for each in page["instances"]]

    assert await ids("--runtime-status", "failed") == ["bad"]
    assert await ids("--runtime-status", "failed", "Running") == ["w", "bad"]
    assert await ids("--runtime-status", "FAILED,running") == ["w", "bad"]
    assert await ids("--name", "waiting") == ["w"]
    assert await ids("--instance-id-prefix", "greeting-") == [
        "greeting-2",
        "greeting-1",
        "greeting-0",
    ]
    assert len(await ids("--created-after", "0001-01-01", "--created-before", "9999-12-31")) == 5
    window = (
        "--created-after",
        "2026-01-01T00:00:30Z",
        "--created-before",
        "2026-01-01T01:01:30+01:00",
    )
    assert await ids(*window) == ["greeting-1"]
    # a page of the table holds fewer matches than rows: more are read until there are enough
    assert await ids("--runtime-status", "Completed", "Failed", "--top", "2") == [
        "bad",
        "greeting-2",
    ]


async def test_a_status_for_people(memory: MemoryHub, durable: CommandLine) -> None:
    await memory.outside.start_new("greeting", "a", {"name": "ä" * 100}, "7", tags={"k": "v"})
    await memory.wait("a")
    durable.width = 60
    done = await durable("get-runtime-status", "--id", "a")
    lines = done.stdout.splitlines()
    assert lines[0] == "a"
    assert "     name  greeting" in lines
    assert "   status  Completed" in lines
    assert "  version  7" in lines
    assert "      tag  k=v" in lines
    (shown,) = [line for line in lines if "input" in line]
    assert shown.startswith('    input  {"name": "ää')
    assert len(shown) == 60
    assert shown.endswith("…")
    whole = await durable("get-runtime-status", "--id", "a", "--show-input")
    assert f'    input  {{"name": "{"ä" * 100}"}}\n' in whole.stdout
    without = await durable("get-runtime-status", "--id", "a", "--show-output", "false")
    assert "output" not in without.stdout


async def test_what_a_terminal_would_act_on_is_shown_as_text(
    memory: MemoryHub, durable: CommandLine
) -> None:
    await memory.outside.start_new(
        "waiting\x1b[2J", "a", "\x9b2J\u202e", tags={"k": "\x1b]0;x\x07"}
    )
    for command in ("get-runtime-status", "get-history"):
        done = await durable(command, "--id", "a")
        assert done.code == 0
        assert all(c.isprintable() or c == "\n" for c in done.stdout)
        assert "waiting\\x1b[2J" in done.stdout
    assert "waiting\\x1b[2J" in (await durable("get-instances")).stdout


async def test_a_status_for_programs(memory: MemoryHub, durable: CommandLine) -> None:
    await memory.outside.start_new("greeting", "a", "nobody")
    await memory.wait("a")
    status = await durable.json("get-runtime-status", "--id", "a")
    assert {name: status[name] for name in ("name", "instanceId", "runtimeStatus", "input")} == {
        "name": "greeting",
        "instanceId": "a",
        "runtimeStatus": "Failed",
        "input": "nobody",
    }
    assert "there is nobody to greet" in status["failure"]["message"]
    hidden = ("--show-input", "false", "--show-output", "false")
    await memory.outside.start_new("greeting", "b", "you")
    await memory.wait("b")
    status = await durable.json("get-runtime-status", "--id", "b", *hidden)
    assert (status["input"], status["output"]) == (None, None)
    completed = ("get-instances", "--runtime-status", "Completed")
    (status,) = (await durable.json(*completed, *hidden))["instances"]
    assert (status["input"], status["output"]) == (None, None)


async def test_colours_only_where_they_are_wanted(memory: MemoryHub, durable: CommandLine) -> None:
    await memory.outside.start_new("greeting", "a", "you")
    await memory.wait("a")
    assert "\x1b" not in (await durable("get-runtime-status", "--id", "a")).stdout
    durable.coloured = True
    done = await durable("get-runtime-status", "--id", "a")
    assert "   status  \x1b[32mCompleted\x1b[0m\n" in done.stdout
    title, row = (await durable("get-instances")).stdout.splitlines()
    assert title.removeprefix("\x1b[2m").index("CREATED") == row.replace("\x1b[32m", "").replace(
        "\x1b[0m", ""
    ).index("2026-")


@pytest.mark.parametrize(
    ("given", "end", "code"),
    [("you", "Completed", 0), ("nobody", "Failed", 3)],
)
async def test_watching_ends_with_the_instance(
    memory: MemoryHub, durable: CommandLine, given: str, end: str, code: int
) -> None:
    await memory.outside.start_new("greeting", "a", given)
    done = await alongside(memory, durable("get-runtime-status", "--id", "a", "--watch"))
    assert done.code == code
    lines = done.stdout.splitlines()
    assert lines[0].endswith("Z  Pending")
    assert lines[lines.index("") - 1].endswith(f"Z  {end}")
    assert f"   status  {end}" in lines


async def test_watching_shows_the_custom_status_as_it_changes(
    memory: MemoryHub, durable: CommandLine
) -> None:
    await memory.outside.start_new("waiting", "a")
    await memory.run(3)
    watching = asyncio.ensure_future(durable("get-runtime-status", "--id", "a", "--watch"))
    await memory.run(60)
    assert durable.stdout.getvalue().endswith('  Running    {"waits": "for go"}\n')
    assert durable.stdout.getvalue().count("\n") == 1
    await memory.outside.terminate("a")
    done = await alongside(memory, watching)
    assert done.code == 3
    assert "Terminated" in done.stdout


async def test_watching_for_programs_is_one_document(
    memory: MemoryHub, durable: CommandLine
) -> None:
    await memory.outside.start_new("greeting", "a", "nobody")
    command = ("get-runtime-status", "--id", "a", "--watch", "--output", "json")
    done = await alongside(memory, durable(*command))
    assert done.code == 3
    assert done.document["runtimeStatus"] == "Failed"


async def test_watching_is_cheap(memory: MemoryHub, durable: CommandLine) -> None:
    await memory.outside.start_new("waiting", "a")
    await memory.run(30)
    calls: list[str] = []
    get, query = memory.tables.get, memory.tables.query

    async def counted_get(table: str, *key: Any) -> Any:
        calls.append("get")
        return await get(table, *key)

    async def counted_query(*args: Any, **options: Any) -> Any:
        calls.append("query")
        return await query(*args, **options)

    memory.tables.get, memory.tables.query = counted_get, counted_query
    for command in ("get-runtime-status", "get-history"):
        watching = asyncio.ensure_future(durable(command, "--id", "a", "--watch"))
        await memory.idle()
        calls.clear()
        for _ in range(10):
            memory.clock.advance(1)
            await memory.idle()
        assert calls == ["get"] * 10
        watching.cancel()


async def test_an_instance_that_is_purged_while_it_is_watched(
    memory: MemoryHub, durable: CommandLine
) -> None:
    await memory.outside.start_new("waiting", "a")
    await memory.run(5)
    watching = asyncio.ensure_future(durable("get-runtime-status", "--id", "a", "--watch"))
    await memory.idle()
    await memory.outside.terminate("a")
    while (found := await memory.outside.get_status("a")) and not found.runtime_status.is_terminal:
        assert await memory.deliver()
        await memory.idle()
    purging = asyncio.ensure_future(memory.outside.purge_instance_history("a"))
    await memory.idle()
    await memory.run(5)
    await purging
    done = await watching
    assert done.code == 1
    assert "instance 'a' was purged" in done.stderr


async def test_a_status_has_what_activities_said(memory: MemoryHub, durable: CommandLine) -> None:
    await memory.outside.start_new("loading", "a", 100)
    await memory.run(35)
    done = await durable("get-runtime-status", "--id", "a")
    assert 'heartbeat  load (task 0): {"row": 3}\n' in done.stdout
    document = await durable.json("get-runtime-status", "--id", "a")
    assert document["heartbeats"][0]["details"] == {"row": 3}
