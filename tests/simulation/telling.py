"""Somebody who listens to a simulated hub, and says where what is told cannot be: of a turn that is
not stored, twice of one, or of a parent that no trace has."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from typing import Any

from durable.hub import tracing as names
from durable.runtime.children import child_execution_id
from durable.telemetry import Counter, Histogram, OpenSpan, Span, Trace, span_id_of
from tests.simulation.watch import Watch

_NAMES_OF_MEASURES = {
    names.TYPE,
    names.NAME,
    names.QUEUE,
    names.STATUS,
    names.REPLAYED,
    names.ERROR,
}


class Told:
    """A `durable.telemetry.Telemetry` that remembers all."""

    traces = measures = True
    payloads = False

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self.spans: dict[str, Trace] = {}
        """Of each span its id, and the place in its trace that it is below."""
        self.turns = 0
        self.links: dict[str, Trace] = {}
        """Of each span that has one, the span in another trace that led to it."""
        self._traces: dict[str, str] = {}
        """The trace of each execution."""

    def flags(self, trace_id: str, name: str) -> int:
        """See `durable.telemetry.Telemetry.flags`."""
        return 1

    def begin(self, span: Span) -> OpenSpan:
        """See `durable.telemetry.Telemetry.begin`."""
        require, about = self._watch.require, span.attributes
        number = len(self.spans) + 1
        above = span.parent or Trace(f"{number:032x}")
        span_id = span.span_id or f"{number:016x}"
        # what is begun once more after it was purged has the ids that it had
        again = about.get(names.INSTANCE) in self._watch.removed
        require(again or span_id not in self.spans, f"told twice: {span}")
        self.spans[span_id] = above
        if span.link is not None:
            self.links[span_id] = span.link
        execution = str(about.get(names.EXECUTION, ""))
        if execution:
            trace_id = self._traces.setdefault(execution, above.trace_id)
            require(trace_id == above.trace_id, f"one execution in two traces: {span}")
        if names.SEQUENCE in about:
            self.turns += 1
            turn: Any = execution, about[names.SEQUENCE]
            require(turn in self._watch.turns, f"told, and not stored: {span}")
        return _Begun(Trace(above.trace_id, span_id, 1), span.start, self._watch)

    def within(self, place: Trace, *, by_default: bool = False) -> AbstractContextManager[None]:
        """See `durable.telemetry.Telemetry.within`."""
        return nullcontext()

    def record(self, histogram: Histogram, seconds: float, attributes: Any) -> None:
        """See `durable.telemetry.Telemetry.record`."""
        self._watch.require(set(attributes) <= _NAMES_OF_MEASURES, f"{histogram} {attributes}")

    def count(self, counter: Counter, attributes: Any) -> None:
        """See `durable.telemetry.Telemetry.count`."""
        self._watch.require(set(attributes) <= _NAMES_OF_MEASURES, f"{counter} {attributes}")

    def check(self) -> None:
        """Each span's parent is of its trace, and its link's end: told, or known and lost with the
        process that would have told of it. A child is in the trace of its parent."""
        for execution, number in self._watch.known:
            child = self._traces.get(child_execution_id(execution, number))
            own = self._traces.get(execution)
            assert None in (child, own) or child == own, f"children of {execution} elsewhere"
        lost = {span_id_of(execution): trace for execution, trace in self._traces.items()}
        waited = {span_id_of(*task) for task in self._watch.known}
        waited |= {
            span_id_of(execution, number, sequence)
            for execution, sequence in self._watch.turns
            if execution in self._watch.rewound
            for asker, number in self._watch.known
            if asker == execution
        }
        for span_id, above in [*self.spans.items(), *self.links.items()]:
            if not above.span_id:
                continue
            parent = self.spans.get(above.span_id)
            trace_id = lost.get(above.span_id) if parent is None else parent.trace_id
            if trace_id is None:
                assert above.span_id in waited, f"{span_id} is below {above}, which is nowhere"
            else:
                assert trace_id == above.trace_id, f"{span_id} is below {above} of {trace_id}"


class _Begun:
    def __init__(self, trace: Trace, start: datetime, watch: Watch) -> None:
        self._trace, self._start, self._watch = trace, start, watch
        self._ended = False

    @property
    def header(self) -> tuple[str, str]:
        return self._trace.header(1)

    def enter(self) -> None:
        pass

    def end(self, at: datetime, *, error: str | None = None, attributes: Any = None) -> None:
        self._watch.require(not self._ended, f"ended twice: {self._trace}")
        self._ended = True
