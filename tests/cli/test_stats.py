"""What the hub's workers used, from the command line."""

from __future__ import annotations

from datetime import timedelta

from durable.hub.usage import UsageRows, WorkerUsage
from durable.model.usage import Metered, Usage
from tests.cli.running import CommandLine
from tests.memory_hub import MemoryHub

WORK = Usage(
    transactions=14_000,
    sends=1_000,
    receives=500,
    deletes=1_000,
    triggers=10,
    bytes_sent=7_000_000,
    started=1_001,
    ended=1_000,
    turns=11_000,
    inline_activities=9_000,
    queued_activities=1_000,
)
UPKEEP = Usage(queries=300, empty_receives=7_000)


async def _write(memory: MemoryHub) -> None:
    rows, now = UsageRows(memory.storage, memory.hub.names), memory.clock.now()
    hour = timedelta(hours=1)
    await rows.write(
        WorkerUsage("w1", "worker", "node-1", now - 2 * hour, now - hour, Metered(WORK, Usage()))
    )
    await rows.write(
        WorkerUsage("f1", "functions", "no\x1b[de", now - hour, now, Metered(Usage(), UPKEEP))
    )


async def test_a_hub_whose_workers_have_said_nothing(durable: CommandLine) -> None:
    done = await durable("stats")
    assert (done.code, done.stdout) == (0, "")
    assert "No worker of this hub has written its figures yet" in done.stderr
    document = await durable.json("stats")
    assert (document["workers"], document["since"]) == ([], None)
    assert document["operationsPerActivity"] is None


async def test_figures_for_people(memory: MemoryHub, durable: CommandLine) -> None:
    await _write(memory)
    lines = (await durable("stats")).stdout.splitlines()
    cells = [" ".join(line.split()) for line in lines]
    assert cells[:10] == [
        "WORK UPKEEP PER ORCHESTRATION PER ACTIVITY",
        "table transactions 14,000 0 14.00 1.40",
        "table query pages 0 300 0.00 0.00",
        "queue sends 1,000 0 1.00 0.10",
        "queue receives 500 0 0.50 0.05",
        "queue receives, empty 0 7,000 0.00 0.00",
        "queue deletes 1,000 0 1.00 0.10",
        "Functions' triggers × 2 20 0 0.02 0.00",
        "all operations 16,520 7,300 16.52 1.65",
        "bytes sent 7,000,000 0 7,000.00 700.00",
    ]
    assert cells[12].startswith("1,000 orchestrations ended, 1,001 started; 11,000 turns; 9,000 ")
    assert cells[13:16] == [
        "$1.51 for a million such orchestrations, without upkeep",
        "$0.15 for a million such activities, without upkeep",
        "$0.0043 for all of the above, upkeep included",
    ]
    assert cells[17] == "WORKER HOST SINCE FOR LAST WRITTEN OPERATIONS NODE"
    assert cells[18].startswith("w1 worker 2025-12-31 22:00:00Z 1h 00m")
    assert cells[18].endswith("16,520 node-1")
    assert cells[19].endswith("now 7,300 no\\x1b[de")
    # a column ends where its title does
    assert (
        len(
            {
                line.index(text) + len(text)
                for line, text in zip(lines[:2], ("WORK", "14,000"), strict=True)
            }
        )
        == 1
    )


async def test_figures_for_programs_at_other_prices(
    memory: MemoryHub, durable: CommandLine
) -> None:
    await _write(memory)
    document = await durable.json("stats", "--queue-price", "10", "--table-price", "1")
    assert document["work"] == {
        "operations": 16_520,
        "tableOperations": 14_000,
        "queueOperations": 2_520,
        "transactions": 14_000,
        "sends": 1_000,
        "receives": 500,
        "deletes": 1_000,
        "triggers": 10,
        "bytesSent": 7_000_000,
        "started": 1_001,
        "ended": 1_000,
        "turns": 11_000,
        "inlineActivities": 9_000,
        "queuedActivities": 1_000,
    }
    assert document["upkeep"]["emptyReceives"] == 7_000
    assert document["operationsPerOrchestration"] == 16.52
    assert document["operationsPerActivity"] == 1.652
    assert document["cost"] == (14_300 * 1 + 9_520 * 10) / 10_000
    assert document["costOfMillionOrchestrations"] == 3_920
    assert document["costOfMillionActivities"] == 392
    assert [each["worker"] for each in document["workers"]] == ["w1", "f1"]
    assert document["workers"][0]["until"] == "2025-12-31T23:00:00.000000Z"
    assert document["until"] == "2026-01-01T00:00:00.000000Z"


async def test_prices_are_numbers(durable: CommandLine) -> None:
    for price in ("-1", "cheap", "nan", "1e9"):
        assert "dollars" in await durable.refused(2, "stats", f"--queue-price={price}")
