"""Seeds of the simulated world, in two processes. `make simulate` runs more of them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.__main__ import live

SEEDS = os.environ.get("DURABLE_SEEDS", "2000")

FOUND = {
    16: "a start replaced a running instance that another start had just begun",
    74: "a work item's holder died, and a queue trigger's worker did not take over its outbox",
    131: "a guard under a queue trigger was late, and forgot whom it followed",
    462: "what came before a scheduled start was taken in another order: suspended for ever",
    715: "resumed while continuing as new, and suspended for ever",
    1001: "an event was dropped since two processes' clocks were not quite the same",
    1438: "two starts in one microsecond: clearing the first took the second's row",
    5165: "an entity's run without time left rang for itself for ever",
    3523: "an entity's row stayed unsettled: who had lost a turn showed it, and the winner did not",
    1241: "a timer that was cancelled in the turn in which it fired was told of twice",
    139: "a head of long ago ended an activity of the incarnation after it, and its message went",
    7050: "an end that was put off after a decision did not fit when read from events alone",
}


def test_no_seed_breaks_a_promise() -> None:
    command = [sys.executable, "-m", "tests.simulation", "--seeds", SEEDS]
    ran = subprocess.run(
        command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize("seed", FOUND)
def test_what_was_found_stays_mended(seed: int) -> None:
    _, error = live(seed)
    assert error is None, f"{FOUND[seed]}: {error}"


def test_a_seed_can_be_had_again() -> None:
    for seed in range(20, 30):
        first, second = list[str](), list[str]()
        live(seed, first)
        live(seed, second)
        assert first == second
