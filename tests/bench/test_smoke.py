"""The benchmark runs, at tiny sizes and without peers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tools.processes import ROOT

SECONDS = 120.0


def test_a_quick_run_measures_and_keeps_the_results(tmp_path: Path) -> None:
    kept = tmp_path / "results.json"
    options = ["--quick", "--no-peers", "--only", "W4,W7", "--json", str(kept)]
    done = subprocess.run(
        [sys.executable, "-m", "bench", *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    workloads = json.loads(kept.read_text())["workloads"]
    chains = workloads["W4"]
    assert chains["series"]["durable, inline"]["seconds"][0] > 0, done.stdout
    assert chains["series"]["ceiling, inline"]["seconds"][0] > 0
    assert chains["not_run"] == {"Restate, inline": "--no-peers", "DBOS": "--no-peers"} | {
        "durabletask": "--no-peers"
    }
    assert workloads["W7"]["series"]["durable"]["per_thousand_ms"][0] > 0
    assert "W4  durable, inline: a step, last 100" in done.stdout
