"""get-history: the timeline, its columns, and following a run."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta

import pytest

from durable.cli.output import duration
from tests.cli.running import CommandLine, alongside
from tests.memory_hub import MemoryHub

LINE = re.compile(
    r"(?P<time>\d\d:\d\d:\d\d\.\d{3}) +\+(?P<since>\S+(?: \d\d[smh])?)  (?P<event>[A-Z]\w+)"
    r"(?P<rest>.*)"
)


def events_of(text: str) -> list[str]:
    """The names of the events, in order."""
    return [found["event"] for found in map(LINE.fullmatch, text.splitlines()) if found]


async def test_a_timeline(memory: MemoryHub, durable: CommandLine) -> None:
    await memory.outside.start_new("flaky", "a", {"order": 7})
    await memory.wait("a")
    done = await durable("get-history", "--id", "a")
    assert (done.code, done.stderr) == (0, "")
    day, *lines = done.stdout.splitlines()
    assert day == "2026-01-01 UTC"
    assert events_of(done.stdout) == [
        "ExecutionStarted",
        "TaskScheduled",
        "TaskFailed",
        "TimerCreated",
        "TimerFired",
        "TaskScheduled",
        "TaskCompleted",
        "ExecutionCompleted",
    ]
    assert lines[0].startswith("00:00:00.000    +0.000s  ExecutionStarted ")
    assert lines[0].endswith('  flaky                   {"order": 7}')
    failed, fired, again = lines[2], lines[4], lines[5]
    assert "  #0 stutter              OSError: once more" in failed
    assert re.search(r"TimerFired +5\.\d{3}s", fired)
    assert "  #2 stutter (attempt 2)  " in again
    assert "due 00:00:05.000" in lines[3]
    assert lines[-1] == "a  flaky  Completed"


async def test_a_line_fits_the_terminal(memory: MemoryHub, durable: CommandLine) -> None:
    await memory.outside.start_new("waiting", "a", "日本" * 200)
    await memory.run(2)
    durable.width = 80
    done = await durable("get-history", "--id", "a")
    (line,) = [line for line in done.stdout.splitlines() if "ExecutionStarted" in line]
    assert line.endswith("…")
    assert 78 <= len(line) + line.count("日") + line.count("本") <= 80
    durable.width = None
    assert "日本" * 200 in (await durable("get-history", "--id", "a")).stdout


async def test_a_long_payload_is_told_by_its_size(memory: MemoryHub, durable: CommandLine) -> None:
    await memory.outside.start_new("waiting", "a", "x" * 50_000)
    await memory.run(2)
    assert "  (50 kB)\n" in (await durable("get-history", "--id", "a")).stdout
    document = await durable.json("get-history", "--id", "a")
    assert document["historyEvents"][0]["Input"] == "x" * 50_000


async def test_colours(memory: MemoryHub, durable: CommandLine) -> None:
    await memory.outside.start_new("greeting", "a", "nobody")
    await memory.wait("a")
    plain = (await durable("get-history", "--id", "a")).stdout
    assert "\x1b" not in plain
    durable.coloured = True
    painted = (await durable("get-history", "--id", "a")).stdout
    assert re.search("\x1b\\[31mTaskFailed\x1b\\[0m", painted)
    assert re.sub("\x1b\\[\\d+m", "", painted) == plain


async def test_a_history_for_programs(memory: MemoryHub, durable: CommandLine) -> None:
    await memory.outside.start_new("greeting", "a", "you")
    await memory.wait("a")
    document = await durable.json("get-history", "--id", "a")
    assert document["runtimeStatus"] == "Completed"
    completed = [e for e in document["historyEvents"] if e["EventType"] == "TaskCompleted"]
    assert [(e["FunctionName"], e["Input"], e["Result"]) for e in completed] == [
        ("greet", "you", "hello you")
    ]
    hidden = ("--show-input", "false", "--show-output", "false")
    document = await durable.json("get-history", "--id", "a", *hidden)
    assert not any({"Input", "Result"} & event.keys() for event in document["historyEvents"])
    assert document["output"] is None


async def test_an_instance_that_did_not_begin(memory: MemoryHub, durable: CommandLine) -> None:
    await memory.outside.start_new("greeting", "a", "you")
    done = await durable("get-history", "--id", "a")
    assert done.stdout == "\na  greeting  Pending\n"
    assert "is not there" in await durable.refused(1, "get-history", "--id", "b")


async def test_following_shows_each_event_once(memory: MemoryHub, durable: CommandLine) -> None:
    await memory.outside.start_new("flaky", "a", "x")
    done = await alongside(memory, durable("get-history", "--id", "a", "--watch"))
    assert done.code == 0
    again = await durable("get-history", "--id", "a")
    assert events_of(done.stdout) == events_of(again.stdout)
    assert done.stdout.splitlines()[-1] == "a  flaky  Completed"


async def test_following_over_generations(memory: MemoryHub, durable: CommandLine) -> None:
    await memory.outside.start_new("counting", "a", 2)
    done = await alongside(memory, durable("get-history", "--id", "a", "--watch"))
    assert done.code == 0
    generation = ["ExecutionStarted", "TimerCreated", "TimerFired"]
    assert events_of(done.stdout) == [
        *generation,
        "ContinueAsNew",
        *generation,
        "ContinueAsNew",
        *generation,
        "ExecutionCompleted",
    ]
    fired = [line for line in done.stdout.splitlines() if "TimerFired" in line]
    assert all(re.search(r"\+10\.\d{3}s  TimerFired +10\.\d{3}s", line) for line in fired)
    alone = await durable("get-history", "--id", "a")
    assert events_of(alone.stdout) == [*generation, "ExecutionCompleted"]


async def test_following_an_instance_to_a_bad_end(memory: MemoryHub, durable: CommandLine) -> None:
    await memory.outside.start_new("waiting", "a")
    watching = asyncio.ensure_future(durable("get-history", "--id", "a", "--watch"))
    await memory.run(3)
    assert events_of(durable.stdout.getvalue()) == ["ExecutionStarted"]
    await memory.outside.terminate("a", "enough")
    done = await alongside(memory, watching)
    assert done.code == 3
    (line,) = [line for line in done.stdout.splitlines() if "ExecutionTerminated" in line]
    assert line.endswith("  enough")
    assert done.stdout.splitlines()[-1] == "a  waiting  Terminated"


async def test_following_for_programs_waits_for_the_end(
    memory: MemoryHub, durable: CommandLine
) -> None:
    await memory.outside.start_new("greeting", "a", "you")
    command = durable("get-history", "--id", "a", "--watch", "--output", "json")
    done = await alongside(memory, command)
    assert done.code == 0
    assert done.document["historyEvents"][-1]["OrchestrationStatus"] == "Completed"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.000s"),
        (0.0009, "0.000s"),
        (59.9999, "59.999s"),
        (60, "1m 00s"),
        (3599, "59m 59s"),
        (3600, "1h 00m"),
        (86_399, "23h 59m"),
        (86_400 * 400 + 7200, "400d 02h"),
        (-2, "-2.000s"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(timedelta(seconds=seconds)) == text
