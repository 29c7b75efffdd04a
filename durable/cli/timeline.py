"""A history as a timeline: a line for each event, in columns that a terminal shows whole.

Time of the turn (UTC) and since the first event, the event, how long its task took, the task's
number and what it is about, and its payload, failure or reason, cut to what is left of the line.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from durable.cli.output import (
    Colour,
    Output,
    columns_of,
    duration,
    padded_to,
    printable,
    readable,
    size,
)
from durable.model.events import Event, ExecutionStarted, PayloadRef
from durable.model.failure import FailureDetails

_SINCE = 10
_LABEL_AND_TOOK = 27
_WIDEST_ABOUT = 24
_RED = ("Failed", "Terminated")
_GREEN = ("Completed", "Fired", "Granted")
_YELLOW = ("Suspended", "Resumed", "Rewound", "Canceled")
_ABOUT = ("name", "operation", "entity_id")


@dataclass(frozen=True, slots=True)
class _Line:
    time: datetime
    since: timedelta
    label: str
    took: timedelta | None
    about: str
    detail: str
    colour: Colour | None


@dataclass(frozen=True, slots=True)
class _Begun:
    time: datetime
    about: str


class Timeline:
    """Renders the events of one instance, which may come bit by bit."""

    def __init__(self, out: Output) -> None:
        self._out = out
        self._start: datetime | None = None
        self._day: date | None = None
        self._tasks: dict[int, _Begun] = {}
        self._about_width = 0

    def lines(self, events: Sequence[tuple[datetime, Event]]) -> Iterator[str]:
        """The lines of the events that follow; columns never become narrower."""
        lines = [self._line(time, event) for time, event in events]
        widest = max([self._about_width, *(columns_of(line.about) for line in lines)])
        self._about_width = min(widest, _WIDEST_ABOUT, (self._out.width or 1000) // 6)
        for line in lines:
            day = line.time.date()
            if day != self._day:
                self._day = day
                yield self._out.paint(f"{day} UTC", "dim")
            yield self._text(line)

    def _line(self, time: datetime, event: Event) -> _Line:
        if isinstance(event, ExecutionStarted):
            self._start = time
            self._tasks.clear()
        label = type(event).__name__.replace("OrchestrationInstance", "Orchestration")
        # events share their fields' names, so that new kinds of them are shown too
        fields: Any = event
        task_id: int | None = getattr(fields, "task_id", None)
        begun = self._tasks.get(task_id) if task_id is not None else None
        about = _about(fields)
        if task_id is not None and not hasattr(fields, "caller"):
            # by it a fork is told where to begin
            about = begun.about if begun and not about else f"#{task_id} {about}".rstrip()
        if task_id is not None and begun is None:
            self._tasks[task_id] = _Begun(time, about)
        for undone in self._tasks.keys() & getattr(fields, "undone", ()):
            self._tasks[undone] = _Begun(time, self._tasks[undone].about)
        failed = getattr(fields, "failure", None) is not None
        return _Line(
            time=time.astimezone(UTC),
            since=time - (self._start or time),
            label=label,
            took=time - begun.time if begun else None,
            about=about,
            detail=_detail(fields, time),
            colour="red" if failed else _colour(label),
        )

    def _text(self, line: _Line) -> str:
        took = duration(line.took) if line.took is not None else ""
        # a long label takes from the column beside it
        space = max(_LABEL_AND_TOOK - len(line.label), len(took) + 1)
        left = (
            f"{self._out.paint(f'{line.time:%H:%M:%S.%f}'[:12], 'dim')}"
            f" {f'+{duration(line.since)}':>{_SINCE}}"
            f"  {self._out.paint(line.label, line.colour) if line.colour else line.label}"
            f"{took:>{space}}  {padded_to(line.about, self._about_width)}  "
        )
        return f"{left}{self._out.fitted(line.detail, columns_of(left))}".rstrip()


def _about(fields: Any) -> str:
    """Which function, event, operation or instance."""
    parts = [getattr(fields, name, None) for name in _ABOUT]
    text = " ".join(printable(part) for part in parts if part)
    attempt: int = getattr(fields, "attempt", 1)
    return f"{text} (attempt {attempt})" if attempt > 1 else text


def _detail(fields: Any, time: datetime) -> str:
    failure: FailureDetails | None = getattr(fields, "failure", None)
    if failure is not None:
        return failure_text(failure)
    due: datetime | None = getattr(fields, "fire_at", None) or getattr(fields, "due", None)
    if due is not None:
        day = "" if due.date() == time.date() else f"{due.astimezone(UTC):%Y-%m-%d} "
        return f"due {day}{due.astimezone(UTC):%H:%M:%S.%f}"[:-3]
    parts = []
    if instance_id := getattr(fields, "instance_id", None):
        parts.append(printable(instance_id))
    payload = getattr(fields, "input", None) or getattr(fields, "result", None)
    if payload is not None:
        parts.append(size(payload) if isinstance(payload, PayloadRef) else readable(payload))
    if reason := getattr(fields, "reason", None):
        parts.append(printable(reason))
    return "  ".join(parts)


def failure_text(failure: FailureDetails) -> str:
    """A failure on one line, its type without the module."""
    return printable(f"{failure.error_type.rpartition('.')[2]}: {failure.message}")


def _colour(label: str) -> Colour | None:
    if label.endswith(_RED):
        return "red"
    if label.endswith(_GREEN):
        return "green"
    return "yellow" if label.endswith(_YELLOW) else None
