"""`python -m bench`: run the workloads, print one table of ratios, and keep the results."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.chains import w1, w2, w3, w4
from bench.contenders import Measure
from bench.hosts import w1_elsewhere
from bench.living import w5, w6, w7, w8, w9, w10
from bench.report import Results, text_table
from bench.runner import repeated, say
from bench.sizes import FULL, QUICK, Sizes
from bench.storage_use import operations
from bench.testing_kit import w11
from tools.processes import ROOT, run

WORKLOADS: Mapping[str, Callable[[Sizes], dict[str, Measure]]] = {
    "W1": w1,
    "W1 elsewhere": w1_elsewhere,
    "W2": w2,
    "W3": w3,
    "W4": w4,
    "operations": operations,
    "W5": w5,
    "W6": w6,
    "W7": w7,
    "W8": w8,
    "W9": w9,
    "W10": w10,
    "W11": w11,
}
ONCE = frozenset({"operations", "W1 elsewhere", "W5"})
"""Counts, which are the same each time, and what measures several times by itself."""
LONG = 2
"""Repetitions of what takes long and is compared with nothing but itself."""
OURS = ("durable", "durable.testing", "event", "timer", "HTTP", "import")
KEPT = ROOT / "bench" / "results"


def main() -> int:
    options = arguments()
    sizes = QUICK if options.quick else FULL
    repeat = options.repeat or (1 if options.quick else 5)
    asked = [name.strip() for name in options.only.split(",")] if options.only else list(WORKLOADS)
    unknown = [name for name in asked if name not in WORKLOADS]
    if unknown:
        raise SystemExit(f"bench: there is no workload {unknown[0]}: {', '.join(WORKLOADS)}")
    results: Results = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "machine": machine(),
        "repeat": repeat,
        "sizes": asdict(sizes),
        "workloads": {},
    }
    target = options.json or KEPT / f"{results['date'][:10]}-{results['commit']}.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    for name in asked:
        measured = asyncio.run(measure(name, sizes, repeat, peers=not options.no_peers))
        results["workloads"][name] = measured
        # what was measured is kept when a later workload is interrupted
        target.write_text(json.dumps(results, indent=1) + "\n")
    print(f"\n{text_table(results)}\n", flush=True)
    say(f"results: {target}")
    return 0


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--only", metavar="NAMES", help=f"of {', '.join(WORKLOADS)}, with commas")
    parser.add_argument("--repeat", type=int, metavar="N", help="repetitions (default: 5)")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, one repetition")
    parser.add_argument("--no-peers", action="store_true", help="ours and the ceiling alone")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where the results go")
    return parser.parse_args()


async def measure(name: str, sizes: Sizes, repeat: int, *, peers: bool) -> dict[str, Any]:
    """Run a workload; its part of the results as they are stored."""
    contenders = WORKLOADS[name](sizes)
    left_out = {}
    if not peers:
        left_out = {each: "--no-peers" for each in contenders if not _is_ours(each)}
    kept = {each: run for each, run in contenders.items() if each not in left_out}
    large = (f"{sizes.large_fan_out:,}", f"{sizes.long_chain:,}")
    limits = {each: LONG for each in kept if each.endswith(large)}
    found = await repeated(name, kept, 1 if name in ONCE else repeat, limits)
    return {"series": found.series, "not_run": {**found.not_run, **left_out}}


def _is_ours(contender: str) -> bool:
    words = contender.replace(",", " ").split()
    return words[0] in (*OURS, "ceiling")


def machine() -> dict[str, Any]:
    """What the figures depend on."""
    processor = platform.processor() or platform.machine()
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                processor = line.partition(":")[2].strip()
                break
    azurite = ROOT / ".tools" / "node_modules" / "azurite" / "package.json"
    version = json.loads(azurite.read_text())["version"] if azurite.exists() else "unknown"
    return {
        "cores": os.cpu_count(),
        "processor": processor,
        "python": platform.python_version(),
        "azurite": version,
        "load": round(os.getloadavg()[0], 2),
    }


def _commit() -> str:
    said = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return said.stdout.strip() or "unknown"


if __name__ == "__main__":
    run(main, "bench")
