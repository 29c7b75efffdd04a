"""What replay found, for a person to act on and for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from durable.model.failure import FailureDetails
from durable.model.instance import OrchestrationRuntimeStatus
from durable.model.places import Place
from durable.replaying.steps import Step


class Verdict(StrEnum):
    """What replay of one history came to."""

    SAME = "same"
    """The code decides what history has."""
    MENDED = "mended"
    """It failed, and the code now gets past that: a rewind would let it go on."""
    SKIPPED = "skipped"
    """There is nothing to replay: an entity, a version that this app leaves to others, or a fork
    that took nothing over."""
    MISMATCH = "mismatch"
    """The code decides something else."""
    FAILS = "fails"
    """The code fails where history goes on, or succeeds."""
    GONE = "gone"
    """The app has no orchestrator of that name."""
    UNREADABLE = "unreadable"
    """It is no history, or one of a newer version."""

    @property
    def is_ok(self) -> bool:
        """Whether the instance can go on with this code."""
        return self in (Verdict.SAME, Verdict.MENDED, Verdict.SKIPPED)


_IDS = 5
_WHAT = {
    Verdict.SAME: "same",
    Verdict.MENDED: "mended",
    Verdict.SKIPPED: "skipped",
    Verdict.MISMATCH: "different",
    Verdict.FAILS: "failing",
    Verdict.GONE: "without an orchestrator",
    Verdict.UNREADABLE: "unreadable",
}


@dataclass(frozen=True, slots=True)
class Replayed:
    """One instance. `expected` is what history has, `actual` what the code did, in words;
    `place` is the line that did it, or where the code waits; code that returned `is_past` it.
    `why` is for what was not replayed, and `source` the file that the history is from."""

    instance_id: str
    name: str
    verdict: Verdict
    version: str | None = None
    status: OrchestrationRuntimeStatus | None = None
    expected: str = ""
    actual: str = ""
    place: Place | None = None
    is_past: bool = False
    step: Step | None = None
    failure: FailureDetails | None = None
    why: str = ""
    source: str = ""

    @property
    def ok(self) -> bool:
        """Whether the instance can go on with this code."""
        return self.verdict.is_ok

    @property
    def text(self) -> str:
        """All that is known, over several lines."""
        return "\n".join(_lines(self, [self]))

    def __str__(self) -> str:
        return self.text

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "instanceId": self.instance_id,
            "name": self.name,
            "version": self.version,
            "runtimeStatus": self.status and str(self.status),
            "verdict": str(self.verdict),
            "expected": self.expected or None,
            "actual": self.actual or None,
            "line": self.place and self.place.to_dict(),
            "step": self.step and self.step.to_dict(),
            "failure": self.failure and self.failure.to_dict(),
            "why": self.why or None,
            "source": self.source or None,
        }


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """What became of all histories; `str()` of it is for people."""

    instances: tuple[Replayed, ...]

    @property
    def ok(self) -> bool:
        """Whether all instances can go on with this code. Without any nothing was looked at, and
        it is false."""
        return bool(self.instances) and all(each.ok for each in self.instances)

    @property
    def differing(self) -> tuple[Replayed, ...]:
        """Those that were read, and cannot go on."""
        return tuple(e for e in self.instances if not e.ok and e.verdict is not Verdict.UNREADABLE)

    @property
    def unreadable(self) -> tuple[Replayed, ...]:
        """Those that could not be read."""
        return tuple(e for e in self.instances if e.verdict is Verdict.UNREADABLE)

    @property
    def counts(self) -> Mapping[Verdict, int]:
        """How many came to what."""
        return Counter(each.verdict for each in self.instances)

    @property
    def summary(self) -> str:
        """One line."""
        parts = [f"{self.counts[v]} {_WHAT[v]}" for v in Verdict if self.counts[v]]
        number = len(self.instances)
        noun = "history" if number == 1 else "histories"
        parted = ", ".join(parts)
        return f"{number} {noun}: {parted}" if parts else "no histories: nothing was replayed"

    @property
    def text(self) -> str:
        """A paragraph for each way to differ, with the instances that do, and the summary."""
        paragraphs = ["\n".join(_lines(group[0], group)) for group in self._groups()]
        return "\n\n".join([*paragraphs, self.summary])

    def __str__(self) -> str:
        return self.text

    def __bool__(self) -> bool:
        return self.ok

    def check(self) -> None:
        """Raises AssertionError with the text unless `ok`."""
        if not self.ok:
            raise AssertionError(self.text)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "ok": self.ok,
            "counts": {str(verdict): self.counts[verdict] for verdict in Verdict},
            "instances": [each.to_dict() for each in self.instances],
        }

    def _groups(self) -> Iterator[list[Replayed]]:
        """Those that differ in the same way, in the order of the first."""
        found: dict[object, list[Replayed]] = {}
        for each in self.instances:
            if each.verdict in (Verdict.SAME, Verdict.MENDED, Verdict.SKIPPED):
                continue
            way = each.name, each.verdict, each.expected, each.actual, each.place, each.why
            found.setdefault(way, []).append(each)
        yield from found.values()


def _lines(first: Replayed, group: list[Replayed]) -> Iterator[str]:
    version = f" (version {first.version})" if first.version else ""
    title = f"{first.name}{version}" if first.name else first.source or "a history"
    yield f"{first.verdict.upper()}  {title}"
    ids = [_titled(each) for each in group]
    more = f" and {len(ids) - _IDS} more" if len(ids) > _IDS else ""
    yield _row("instance" if len(ids) == 1 else f"{len(ids)} of them", ", ".join(ids[:_IDS]) + more)
    if first.source:
        yield _row("file", first.source)
    if first.step is not None:
        yield _row("step", str(first.step))
    if first.expected:
        yield _row("history has", first.expected)
        yield _row("the code has", first.actual)
    if first.place is not None:
        yield _row("after" if first.is_past else "at", f"{first.place}, in {first.place.function}")
        if first.place.text:
            yield _row("", first.place.text)
    if first.why:
        yield _row("why", first.why)
    advice = _advice(first, group)
    if advice:
        yield _row("so", advice)


def _titled(each: Replayed) -> str:
    shown = each.instance_id or "(without an id)"
    return f"{shown} ({each.status})" if each.status else shown


def _row(title: str, text: str) -> str:
    return f"  {title:>12}  {text}"


def _advice(first: Replayed, group: list[Replayed]) -> str:
    over = [each.status is not None and each.status.is_terminal for each in group]
    match first.verdict:
        case Verdict.MISMATCH | Verdict.FAILS | Verdict.GONE if all(over):
            return (
                "it has ended, and no worker replays it unless it is rewound; instances like it "
                "that are under way would become Stuck"
                if first.verdict is not Verdict.GONE
                else "it has ended, and no worker needs its code unless it is rewound"
            )
        case Verdict.MISMATCH:
            return (
                "with this code it becomes Stuck at its next turn: keep the order of the old "
                "steps, decide by context.version, or put the change into a new orchestrator"
            )
        case Verdict.FAILS:
            return (
                "with this code it becomes Stuck at its next turn: code that is new to a history "
                "must not fail over what that has"
            )
        case Verdict.GONE:
            return "it waits until a worker has an orchestrator of that name: keep it till then"
        case _:
            return ""
