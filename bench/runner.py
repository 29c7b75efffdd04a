"""Runs workloads: repetition by repetition, the contenders in turn, so that noise hits all."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import median

from bench.contenders import Measure
from bench.environments import Unavailable
from tools.processes import ProcessFailed

LONGEST_SECONDS = 400.0
"""Of one measurement, its processes' start included."""

Series = dict[str, list[float]]
"""By figure, a value for each repetition."""


@dataclass
class Measured:
    """What a workload gave: series by contender, and why some did not run."""

    series: dict[str, Series] = field(default_factory=dict)
    not_run: dict[str, str] = field(default_factory=dict)


async def repeated(
    workload: str, contenders: Mapping[str, Measure], repetitions: int, limits: Mapping[str, int]
) -> Measured:
    """Run all in turn, `repetitions` times or as often as `limits` says for one. Who fails is
    not run again, and the others go on."""
    measured = Measured()
    for number in range(repetitions):
        for name, measure in contenders.items():
            if name in measured.not_run or number >= limits.get(name, repetitions):
                continue
            began = time.monotonic()
            try:
                async with asyncio.timeout(LONGEST_SECONDS):
                    figures = await measure()
            except (Unavailable, ProcessFailed, RuntimeError, OSError) as error:
                # a time-out is an OSError, too
                reason = str(error) or f"it took more than {LONGEST_SECONDS:.0f} s"
                measured.not_run[name] = reason[:2000]
                say(f"{workload} {name}: not run: {reason}")
                continue
            series = measured.series.setdefault(name, {})
            shown = []
            for figure, value in figures.items():
                values = [value] if isinstance(value, int | float) else list(value)
                series.setdefault(figure, []).extend(map(float, values))
                shown.append(f"{figure} {median(values):.4g}")
            took = time.monotonic() - began
            say(f"{workload} {number + 1}/{repetitions} {name}: {', '.join(shown)} [{took:.1f} s]")
    return measured


def say(text: str) -> None:
    """A line of progress."""
    print(text, flush=True)
