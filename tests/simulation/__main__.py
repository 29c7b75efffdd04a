"""Runs seeds: `python -m tests.simulation --seeds 0:2000`, or one with its trace: `--seed 7`."""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import os
import selectors
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from tests.simulation import asking, forks, schedules
from tests.simulation.programs import KINDS
from tests.simulation.storage import FAULTS
from tests.simulation.users import WISHES
from tests.simulation.world import OUTCOMES, World

PATIENCE = 60.0
"""Seconds of real time for one seed, which takes a fraction of one."""

A_TASK = 10
NEEDED = frozenset(
    {
        *KINDS,
        *FAULTS,
        *WISHES,
        *OUTCOMES,
        *schedules.WISHES,
        *schedules.OUTCOMES,
        *forks.WISHES,
        *forks.OUTCOMES,
        *asking.WISHES,
    }
)
"""What has to have happened at least once in a long run: otherwise it has shown nothing."""

ENOUGH = 1000
"""Seeds from which on that is asked for."""


@dataclass(frozen=True)
class Lives:
    """How some seeds went."""

    seeds: int
    happened: Counter[str]
    failed: tuple[tuple[int, str], ...]


class TooLong(KeyboardInterrupt):
    """A seed goes on for ever: no task may take that for an error of its own."""


class _NoWaiting(selectors.DefaultSelector):
    """Nothing in a simulated world comes from outside: whoever does not wait need not look."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        return [] if timeout == 0 else super().select(timeout)


def live(seed: int, trace: list[str] | None = None) -> tuple[Counter[str], str | None]:
    """One seed's life: what happened, and what went wrong."""
    world = World(seed, trace)
    # a loop that never lets go would not see any other end, and what it cleans up may be as bad
    before = signal.signal(signal.SIGALRM, _too_long)
    signal.setitimer(signal.ITIMER_REAL, PATIENCE, 1.0)
    try:
        with asyncio.Runner(loop_factory=_loop) as runner:
            return runner.run(world.run()), None
    except (Exception, TooLong) as error:
        return Counter(), f"{type(error).__name__}: {error}"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _loop() -> asyncio.SelectorEventLoop:
    return asyncio.SelectorEventLoop(_NoWaiting())


def _too_long(number: int, frame: object) -> None:
    raise TooLong(f"it took more than {PATIENCE:.0f} s of real time")


def live_all(seeds: range) -> Lives:
    """Some seeds, one after the other."""
    logging.disable(logging.CRITICAL)
    # what a world leaves is collected between worlds
    gc.disable()
    happened: Counter[str] = Counter()
    failed = []
    for seed in seeds:
        what, error = live(seed)
        happened += what
        if error is not None:
            failed.append((seed, error))
    gc.collect()
    return Lives(len(seeds), happened, tuple(failed))


def run(seeds: range, *, jobs: int, stop: bool = False) -> Iterator[Lives]:
    """All seeds in several processes, as they come; with `stop`, up to the first failure."""
    tasks = [
        range(first, min(first + A_TASK, seeds.stop))
        for first in range(seeds.start, seeds.stop, A_TASK)
    ]
    if jobs == 1:
        for task in tasks:
            lives = live_all(task)
            yield lives
            if stop and lives.failed:
                return
        return
    with ProcessPoolExecutor(jobs) as pool:
        for lives in pool.map(live_all, tasks):
            yield lives
            if stop and lives.failed:
                pool.shutdown(cancel_futures=True)
                return


def missing(happened: Counter[str]) -> list[str]:
    """What never happened."""
    return sorted(kind for kind in NEEDED if not happened[kind])


def commit() -> str:
    """What is checked out, as far as git can tell."""
    command = ["git", "describe", "--always", "--dirty"]
    found = subprocess.run(
        command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False
    )
    return found.stdout.strip() or "unknown"


def main() -> int:
    """The command; 1 where something went wrong."""
    parser = argparse.ArgumentParser(prog="make simulate", description=__doc__)
    parser.add_argument("--seeds", default="2000", help="how many, or FIRST:BEYOND")
    parser.add_argument("--seed", type=int, help="this one alone, with its trace")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--stop", action="store_true", help="end with the first failure")
    given = parser.parse_args()
    if given.seed is not None:
        return _show(given.seed)
    first, _, beyond = given.seeds.rpartition(":")
    seeds = range(int(first or 0), int(beyond))
    began = monotonic()
    happened: Counter[str] = Counter()
    failures = done = 0
    for lives in run(seeds, jobs=given.jobs, stop=given.stop):
        happened += lives.happened
        done += lives.seeds
        for seed, error in lives.failed:
            failures += 1
            print(f"seed {seed} at commit {commit()}: {error:.1000}", flush=True)
            print(f"    again, step by step: make simulate SEED={seed}", flush=True)
    print(f"{done} seeds in {monotonic() - began:.0f} s, {failures} failed; commit {commit()}")
    for kind, count in happened.most_common():
        print(f"    {count:8,} {kind}")
    never = missing(happened) if done >= ENOUGH else []
    if never and not given.stop:
        print(f"never happened, so that nothing is shown: {', '.join(never)}")
    return 1 if failures or (never and not given.stop) else 0


def _show(seed: int) -> int:
    logging.disable(logging.CRITICAL)
    trace: list[str] = []
    _, error = live(seed, trace)
    print("\n".join(trace))
    print(f"seed {seed} at commit {commit()}: {error or 'all promises kept'}")
    return 1 if error else 0


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":
        # sets of strings are gone through in the same order each time then
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, "-m", "tests.simulation", *sys.argv[1:]])
    sys.exit(main())
