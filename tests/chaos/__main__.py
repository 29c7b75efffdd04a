"""`make chaos`: three campaigns, one after the other, and what came out of them.

Half of the orchestrations run on workers of our own, two fifths behind a proxy that lies, a tenth
under queue triggers with leases of ten minutes, each in parts with an emulator of its own: that
reads a table whole for a query, and would do little else in the end. The exit code is 1 where a
promise was broken.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import random
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from tests.chaos.campaign import Campaign, run
from tests.chaos.report import Report
from tools.processes import ROOT
from tools.processes import run as run_command

BOUNDS = {"workers": 30.0, "queue triggers": 60.0}
"""Seconds within which 99 of 100 activities of a killed worker are recovered."""


PART, SEEDS_APART = 1000, 1000
"""Orchestrations on one emulator."""


def campaigns(size: int, seed: int, rate: float) -> list[Campaign]:
    """What `make chaos` does, by the number of orchestrations in all."""
    lying, triggered = max(20, size * 2 // 5), max(20, size // 10)
    own = max(20, size - lying - triggered)
    return [
        Campaign("workers", seed, own),
        Campaign("lying storage", seed + 1, lying, rate=rate, patience=240.0),
        Campaign("queue triggers", seed + 2, triggered, host="hosts", count=2),
    ]


def parts_of(campaign: Campaign) -> list[Campaign]:
    """The campaign in parts of PART orchestrations, each with a seed of its own."""
    full, rest = divmod(campaign.size, PART)
    sizes = [PART] * full + [rest] * (rest > 0)
    return [
        replace(campaign, size=size, seed=campaign.seed + SEEDS_APART * number)
        for number, size in enumerate(sizes)
    ]


def main() -> int:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--size", type=int, default=1000, help="orchestrations (default: 1000)")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--rate", type=float, default=0.03, help="lies per call (default: 0.03)")
    parser.add_argument("--only", help="the campaign of this name")
    parser.add_argument("--json", action="store_true", help="the reports as JSON, on stdout")
    options = parser.parse_args()
    print(f"seed {options.seed}, commit {commit()}", file=sys.stderr)
    chosen = [
        campaign
        for campaign in campaigns(options.size, options.seed, options.rate)
        if options.only in (None, campaign.name)
    ]
    reports = asyncio.run(_run_all(chosen))
    if options.json:
        found = {"seed": options.seed, "commit": commit()}
        print(json.dumps({**found, "campaigns": [each.to_dict() for each in reports]}, indent=2))
    else:
        print("\n".join(line for each in reports for line in each.lines()))
    return 1 if any(each.broken for each in reports) else 0


async def _run_all(chosen: list[Campaign]) -> list[Report]:
    reports = []
    for campaign in chosen:
        report = Report(campaign.name, campaign.seed, 0)
        for part in parts_of(campaign):
            folder = Path(tempfile.mkdtemp(prefix="durable-chaos-"))
            _say(f"{part.name}, seed {part.seed}: {part.size} orchestrations, logs in {folder}")
            report.add(await run(part, folder, _say))
        bound = BOUNDS.get(campaign.name, math.inf)
        if report.p99 > bound:
            report.broken.append(f"p99 of recovery is {report.p99:.1f} s, over {bound:.0f} s")
        reports.append(report)
    return reports


def commit() -> str:
    """What is checked out, as far as git can tell."""
    command = ["git", "describe", "--always", "--dirty"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    run_command(main, "chaos")
