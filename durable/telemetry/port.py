"""What the client and the runtime tell of themselves, and to whom."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from durable.telemetry.spans import Attributes, Span, Trace


class Histogram(StrEnum):
    """Durations, in seconds. Attributes are names of functions and kinds, never ids."""

    QUEUE_AGE = "durable.queue.age"
    """From when something could be taken until it was: `durable.queue.kind` is `start`, `inbox`
    (events, results and all else that comes from outside a turn), `timer` or `activity`."""
    TURN = "durable.turn.duration"
    """One turn, from what it takes in until it is stored."""
    ACTIVITY = "durable.activity.duration"
    """One run of an activity function."""


class Counter(StrEnum):
    """What is counted, each time."""

    CONFLICTS = "durable.commit.conflicts"
    """Turns that were not stored, since another process had changed the instance."""
    ACTIVITY_RETRIES = "durable.activity.retries"
    """Further attempts of activities that a retry policy asked for."""
    STORAGE_RETRIES = "durable.storage.retries"
    """Storage calls made again: they were refused for now, or their answer was lost."""


class OpenSpan(Protocol):
    """A span that has begun."""

    @property
    def header(self) -> tuple[str, str]:
        """traceparent and tracestate, for its children."""
        ...

    def enter(self) -> None:
        """Make it the current span of this context, for as long as the context is used."""
        ...

    def end(
        self, at: datetime, *, error: str | None = None, attributes: Attributes | None = None
    ) -> None:
        """Export it; with `error` its status is ERROR."""
        ...


class Telemetry(Protocol):
    """One for each hub object; may be called from several threads, and never raises."""

    @property
    def traces(self) -> bool:
        """Whether anybody takes spans. Nobody makes one otherwise."""
        ...

    @property
    def measures(self) -> bool:
        """Whether anybody takes measurements."""
        ...

    @property
    def payloads(self) -> bool:
        """Whether spans are to have inputs and outputs."""
        ...

    def flags(self, trace_id: str, name: str) -> int:
        """The W3C flags of a trace that begins with a span of that name."""
        ...

    def begin(self, span: Span) -> OpenSpan:
        """Begin a span."""
        ...

    def within(self, place: Trace, *, by_default: bool = False) -> AbstractContextManager[None]:
        """What runs inside finds this place as its current span; `by_default`, where it would
        find none."""
        ...

    def record(self, histogram: Histogram, seconds: float, attributes: Attributes) -> None:
        """One more duration."""
        ...

    def count(self, counter: Counter, attributes: Attributes) -> None:
        """Once more."""
        ...


class NoTelemetry:
    """Nobody listens. `traces` and `measures` are False, and so the rest is not called."""

    traces = measures = payloads = False

    def flags(self, trace_id: str, name: str) -> int:
        """Not sampled."""
        return 0

    def begin(self, span: Span) -> OpenSpan:
        """A span that nobody sees."""
        return Unseen()

    def within(self, place: Trace, *, by_default: bool = False) -> AbstractContextManager[None]:
        """Nothing."""
        return nullcontext()

    def record(self, histogram: Histogram, seconds: float, attributes: Attributes) -> None:
        """Nothing."""

    def count(self, counter: Counter, attributes: Attributes) -> None:
        """Nothing."""


class Unseen:
    """An `OpenSpan` that is not exported."""

    header = ("", "")

    def enter(self) -> None:
        """Nothing."""

    def end(
        self, at: datetime, *, error: str | None = None, attributes: Attributes | None = None
    ) -> None:
        """Nothing."""


NO_TELEMETRY = NoTelemetry()
