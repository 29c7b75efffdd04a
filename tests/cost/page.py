"""The table of docs/cost.md, made from counts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from durable.model.usage import LIST_PRICES
from durable.runtime.metering import IDLE
from durable.worker.worker import SWEEP_SECONDS
from tests.cost.workloads import (
    Drive,
    calling,
    chaining,
    fanning,
    having_children,
    looking,
    metered_hub,
    napping,
    raising,
    running,
    signaling,
    sweeping,
    waiting_for_an_hour,
    work_of,
)

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "cost.md"
BEGIN, END = "<!-- counted -->\n", "<!-- end of counted -->\n"
COMMAND = "python -m tests.cost"

MILLION = 1_000_000
HOURS_A_MONTH = 730
LOW, HIGH = 5, 15
"""Sizes of a workload whose difference is that of so many repetitions when it is warm."""


def written() -> str:
    """What the page says."""
    text = PAGE.read_text()
    return text[text.index(BEGIN) + len(BEGIN) : text.index(END)]


def write(table: str) -> None:
    """Put the table into the page."""
    text = PAGE.read_text()
    start, end = text.index(BEGIN) + len(BEGIN), text.index(END)
    PAGE.write_text(text[:start] + table + text[end:])


async def counted() -> str:
    """The tables as they have to be."""
    return "\n".join([await _work_table(), await _upkeep_table()])


async def _work_table() -> str:
    lines = [
        "| one more … | table | queue | a million, list prices |",
        "| --- | --: | --: | --: |",
    ]

    def add(what: str, tables: float, queues: float) -> None:
        dollars = (tables * LIST_PRICES.table + queues * LIST_PRICES.queue) * MILLION / 10_000
        lines.append(f"| {what} | {tables:.4g} | {queues:.4g} | ${dollars:,.2f} |")

    async def whole(what: str, drive: Drive) -> None:
        usage = await work_of(drive)
        add(what, usage.table_operations, usage.queue_operations)

    async def each(what: str, make: Callable[[int], Drive], low: int = LOW) -> None:
        high = low + HIGH - LOW
        usage = await work_of(make(high)) - await work_of(make(low))
        add(what, usage.table_operations / (high - low), usage.queue_operations / (high - low))

    await whole("orchestration without steps", chaining("inline", 0))
    outside = running("chain", ["inline", 0], 0, outside=True)
    await whole("the same, started from another process", outside)
    await each("inline step of a chain", lambda n: chaining("inline", n))
    await each("queued activity of a chain", lambda n: chaining("queued", n))
    for kind, title in (("inline", "activity"), ("queued", "queued activity")):
        usage = await work_of(fanning(kind, 1000))
        add(
            f"{title} of a fan-out of 1,000, its orchestration included",
            usage.table_operations / 1000,
            usage.queue_operations / 1000,
        )
    await each("sub-orchestration without steps", having_children)
    await each("event", raising)
    await each("timer of up to two minutes", lambda n: napping(n, 60))
    await each("timer of an hour", lambda n: napping(n, 3600))
    await each("entity call", calling)
    await each("entity signal", signaling)
    await whole("look at a status", looking)
    async with metered_hub() as hub:
        waited = (await waiting_for_an_hour(hub)).work
    add("instance that waits, an hour", waited.table_operations, waited.queue_operations)
    return "\n".join(lines) + "\n"


async def _upkeep_table() -> str:
    async with metered_hub() as hub:
        before = hub.read()
        await hub.an_hour_idle()
        pumps = (hub.read() - before).upkeep
        queues = len({*hub.runtimes[0].work_queues.values()})
    async with metered_hub() as hub:
        sweep = await sweeping(hub)
    sweeps = 3600 / SWEEP_SECONDS
    tables, of_queues = sweep.table_operations * sweeps, pumps.queue_operations
    sends = sweep.queue_operations * sweeps
    return "\n".join(
        [
            f"| an idle worker, an hour | table | queue | a month of {HOURS_A_MONTH} hours |",
            "| --- | --: | --: | --: |",
            _upkeep(f"its pumps: 1 control queue, {queues} of activities", 0, of_queues),
            _upkeep("its sweeps, which one worker of a kind makes", tables, sends),
            _upkeep("its asking who sweeps, where another does", sweeps, 0),
            _upkeep("its figures, for `durable stats`", 3600 / IDLE, 0),
            "",
        ]
    )


def _upkeep(what: str, tables: float, queues: float) -> str:
    dollars = (tables * LIST_PRICES.table + queues * LIST_PRICES.queue) / 10_000
    return f"| {what} | {tables:,.0f} | {queues:,.0f} | ${dollars * HOURS_A_MONTH:,.2f} |"
