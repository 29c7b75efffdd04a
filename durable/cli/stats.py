"""stats: what the hub's workers have asked of storage, and what it costs."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from durable.cli.errors import DONE
from durable.cli.output import Output, ago, columns_of, duration, moment, padded_to, printable
from durable.cli.session import Session
from durable.client import HubStats
from durable.codec import encode
from durable.hub.usage import WorkerUsage
from durable.management.json_text import array_of, micros_of, object_of
from durable.model.usage import Metered, Prices, Usage

_OPERATIONS = (
    ("table transactions", "transactions"),
    ("table gets", "gets"),
    ("table query pages", "queries"),
    ("queue sends", "sends"),
    ("queue receives", "receives"),
    ("queue receives, empty", "empty_receives"),
    ("queue renewals", "extends"),
    ("queue deletes", "deletes"),
    ("queue peeks", "peeks"),
    ("set-up of tables", "table_setups"),
    ("set-up of queues", "queue_setups"),
    ("Functions' triggers × 2", "triggers"),
)


async def stats(session: Session, options: argparse.Namespace) -> int:
    """Print the figures of all workers together, and when each was heard of."""
    prices = Prices(options.queue_price, options.table_price)
    found = await session.client.get_stats()
    if session.out.as_json:
        session.out.line(_json(found, prices))
        return DONE
    if not found.workers:
        session.out.note("No worker of this hub has written its figures yet.")
        return DONE
    _print(session.out, found, prices)
    _print_workers(session, found.workers)
    return DONE


def _print(out: Output, found: HubStats, prices: Prices) -> None:
    total = found.total
    work = total.work
    rows: list[Sequence[str]] = [("", "WORK", "UPKEEP", "PER ORCHESTRATION", "PER ACTIVITY")]
    for title, name in _OPERATIONS:
        times = 2 if name == "triggers" else 1
        counts = times * getattr(work, name), times * getattr(total.upkeep, name)
        if any(counts):
            rows.append(_line(title, *counts, work))
    rows.append(_line("all operations", work.operations, total.upkeep.operations, work))
    for title, name in (("bytes sent", "bytes_sent"), ("bytes received", "bytes_received")):
        rows.append(_line(title, getattr(work, name), getattr(total.upkeep, name), work))
    _table(out, rows)
    out.line()
    out.line(
        f"{work.ended:,} orchestrations ended, {work.started:,} started; {work.turns:,} turns; "
        f"{work.inline_activities:,} activities inline, {work.queued_activities:,} queued; "
        f"{work.entity_requests:,} entity requests; {work.events:,} events; "
        f"{work.timers:,} timers"
    )
    for title, cost in (
        ("a million such orchestrations", found.cost_of_million_orchestrations(prices)),
        ("a million such activities", found.cost_of_million_activities(prices)),
    ):
        if cost is not None:
            out.line(f"${cost:,.2f} for {title}, without upkeep")
    out.line(f"${found.cost(prices):,.4f} for all of the above, upkeep included")


def _print_workers(session: Session, workers: Sequence[WorkerUsage]) -> None:
    now = session.hub.storage.clock.now()
    rows = [("WORKER", "HOST", "SINCE", "FOR", "LAST WRITTEN", "OPERATIONS", "NODE")]
    rows += [
        (
            printable(each.worker),
            printable(each.host),
            moment(each.since),
            duration(each.until - each.since),
            ago(each.until, now),
            f"{each.usage.total.operations:,}",
            printable(each.node),
        )
        for each in workers
    ]
    session.out.line()
    _table(session.out, rows, numbers=())


def _line(title: str, work: int, upkeep: int, all_work: Usage) -> tuple[str, ...]:
    ratios = (_ratio(work, all_work.ended), _ratio(work, all_work.activities))
    return (title, f"{work:,}", f"{upkeep:,}", *ratios)


def _ratio(count: int, by: int) -> str:
    return f"{count / by:,.2f}" if by else "-"


def _table(
    out: Output, rows: Sequence[Sequence[str]], numbers: Sequence[int] = (1, 2, 3, 4)
) -> None:
    widths = [max(map(columns_of, column)) for column in zip(*rows, strict=True)]
    for number, row in enumerate(rows):
        cells = [
            cell.rjust(width) if column in numbers else padded_to(cell, width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        text = "  ".join(cells).rstrip()
        out.line(out.paint(text, "dim") if number == 0 else text)


def _json(found: HubStats, prices: Prices) -> str:
    since, until = found.since, found.until
    return object_of(
        {
            "since": micros_of(since) if since is not None else "null",
            "until": micros_of(until) if until is not None else "null",
            **_usage_json(found.total),
            "operationsPerOrchestration": encode(found.operations_per_orchestration),
            "operationsPerActivity": encode(found.operations_per_activity),
            "cost": encode(found.cost(prices)),
            "costOfMillionOrchestrations": encode(found.cost_of_million_orchestrations(prices)),
            "costOfMillionActivities": encode(found.cost_of_million_activities(prices)),
            "workers": array_of(map(_worker_json, found.workers)),
        }
    )


def _worker_json(each: WorkerUsage) -> str:
    return object_of(
        {
            "worker": encode(each.worker),
            "host": encode(each.host),
            "node": encode(each.node),
            "since": micros_of(each.since),
            "until": micros_of(each.until),
            **_usage_json(each.usage),
        }
    )


def _usage_json(usage: Metered) -> dict[str, str]:
    return {"work": encode(_counts(usage.work)), "upkeep": encode(_counts(usage.upkeep))}


def _counts(usage: Usage) -> dict[str, int]:
    named = {_camel(name): count for name, count in usage.to_dict().items()}
    return {
        "operations": usage.operations,
        "tableOperations": usage.table_operations,
        "queueOperations": usage.queue_operations,
        **named,
    }


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(map(str.capitalize, rest))
