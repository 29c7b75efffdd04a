"""A workload as a chain of stages that instances move along."""

from __future__ import annotations

from dataclasses import dataclass

from bench.scale.limits import Site
from bench.scale.operations import By, Workload


@dataclass(frozen=True, slots=True)
class Stage:
    """One call of one part. `then` is the stage after it, -1 at the end of the part; `rings` is
    where the message leads to that it sends, -1 if it sends none."""

    by: By
    site: Site
    units: int
    then: int
    rings: int
    is_last: bool
    """Whether the instance's work is done after it."""
    drops_timer: bool = False


class Plan:
    """Stages of several workloads in one list. What is received goes on at the stage after the
    receive, which the pumps make."""

    def __init__(self) -> None:
        self.stages: list[Stage] = []

    def add(self, workload: Workload, *, counts: bool = True) -> list[int]:
        """Its parts' first stages. With `counts`, its end is the end of an instance."""
        parts = [part for part in workload.parts if part.calls]
        starts: list[int] = []
        position = len(self.stages)
        for part in parts:
            starts.append(position)
            position += len(part.calls) - _received(part.calls[0].verb)
        for number, part in enumerate(parts):
            skipped = _received(part.calls[0].verb)
            calls = part.calls[skipped:]
            following = starts[number + 1] if number + 1 < len(parts) else -1
            for index, call in enumerate(calls):
                at_end = index + 1 == len(calls)
                here = at_end and number + 1 < len(parts) and parts[number + 1].by is By.HERE
                rings = part.rings - skipped == index
                self.stages.append(
                    Stage(
                        part.by,
                        call.site,
                        call.units,
                        following if here else -1 if at_end else len(self.stages) + 1,
                        following if rings else -1,
                        counts and at_end and following == -1,
                        call.site is Site.TIMERS and part.by is By.CONTROL,
                    )
                )
        return starts


def _received(verb: str) -> int:
    return 1 if verb == "receive" else 0
