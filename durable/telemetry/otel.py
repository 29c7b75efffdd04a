"""OpenTelemetry: the one module that imports it, and only where somebody has before."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from opentelemetry import context as contexts
from opentelemetry import metrics, trace
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
)

from durable.telemetry.port import Counter, Histogram, OpenSpan, Unseen
from durable.telemetry.spans import Attributes, Kind, Span, Trace

logger = logging.getLogger("durable.telemetry")

SCOPE = "durable"
_KINDS = {kind: SpanKind[kind.name] for kind in Kind}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)


def set_providers() -> tuple[trace.TracerProvider | None, metrics.MeterProvider | None]:
    """Those that were set for the process; None for what was not."""
    tracers, meters = trace.get_tracer_provider(), metrics.get_meter_provider()
    # what stands in until one is set has no class of the API's public names
    no_tracers = isinstance(tracers, trace.ProxyTracerProvider | trace.NoOpTracerProvider)
    no_meters = isinstance(meters, metrics.NoOpMeterProvider) or type(meters).__name__ in (
        "_ProxyMeterProvider",
    )
    return None if no_tracers else tracers, None if no_meters else meters


class OpenTelemetry:
    """A `durable.telemetry.Telemetry`."""

    def __init__(
        self,
        tracers: trace.TracerProvider | None,
        meters: metrics.MeterProvider | None,
        *,
        payloads: bool,
    ) -> None:
        self.payloads = payloads
        self._tracer: Any = None if tracers is None else _tracer(tracers)
        self._histograms: dict[Histogram, metrics.Histogram] = {}
        self._counters: dict[Counter, metrics.Counter] = {}
        if meters is not None:
            meter = meters.get_meter(SCOPE)
            self._histograms = {
                each: meter.create_histogram(
                    each, unit="s", explicit_bucket_boundaries_advisory=_SECONDS
                )
                for each in Histogram
            }
            self._counters = {each: meter.create_counter(each) for each in Counter}

    @property
    def traces(self) -> bool:
        """See `Telemetry.traces`."""
        return self._tracer is not None

    @property
    def measures(self) -> bool:
        """See `Telemetry.measures`."""
        return bool(self._counters)

    def flags(self, trace_id: str, name: str) -> int:
        """See `Telemetry.flags`."""
        try:
            decided = self._tracer.sampler.should_sample(None, int(trace_id, 16), name)
            return int(decided.decision.is_sampled())
        except Exception:
            logger.warning("the sampler failed", exc_info=True)
            return 0

    def begin(self, span: Span) -> OpenSpan:
        """See `Telemetry.begin`."""
        try:
            return _Begun(self._start(span))
        except Exception:
            # what tells of the work is not to stop it
            logger.warning("span %s was lost", span.name, exc_info=True)
            return Unseen()

    def _start(self, span: Span) -> trace.Span:
        parent, ids, above, links = span.parent, self._tracer.id_generator, None, None
        if parent is not None:
            above = _context(parent, self.flags, span.name, contexts.Context())
        if span.link is not None:
            links = [trace.Link(_remote(span.link, self.flags, span.name))]
        with ids.given(span.span_id, "" if parent is None else parent.trace_id):
            started: trace.Span = self._tracer.start_span(
                span.name,
                above,
                _KINDS[span.kind],
                span.attributes,
                links,
                start_time=_nanoseconds(span.start),
            )
        return started

    @contextmanager
    def within(self, place: Trace, *, by_default: bool = False) -> Iterator[None]:
        """See `Telemetry.within`."""
        if by_default and trace.get_current_span().get_span_context().is_valid:
            yield
            return
        token = contexts.attach(_context(place, self.flags, "", contexts.get_current()))
        try:
            yield
        finally:
            contexts.detach(token)

    def record(self, histogram: Histogram, seconds: float, attributes: Attributes) -> None:
        """See `Telemetry.record`."""
        try:
            self._histograms[histogram].record(max(0.0, seconds), attributes)
        except Exception:
            logger.warning("a measurement of %s was lost", histogram, exc_info=True)

    def count(self, counter: Counter, attributes: Attributes) -> None:
        """See `Telemetry.count`."""
        try:
            self._counters[counter].add(1, attributes)
        except Exception:
            logger.warning("a count of %s was lost", counter, exc_info=True)


def _tracer(tracers: trace.TracerProvider) -> Any:
    """A tracer whose spans get the ids that are given; None where there is none."""
    tracer: Any = tracers.get_tracer(SCOPE)
    generator = getattr(tracer, "id_generator", None)
    if generator is None:
        if not isinstance(tracer, trace.NoOpTracer):
            logger.warning("%s takes no spans with given ids", type(tracers).__name__)
        return None
    if not isinstance(generator, _Ids):
        tracer.id_generator = _Ids(generator)
    return tracer


class _Begun:
    def __init__(self, span: trace.Span) -> None:
        self._span = span

    @property
    def header(self) -> tuple[str, str]:
        context = self._span.get_span_context()
        state = context.trace_state.to_header()
        parent = f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
        return parent, state

    def enter(self) -> None:
        contexts.attach(trace.set_span_in_context(self._span))

    def end(
        self, at: datetime, *, error: str | None = None, attributes: Attributes | None = None
    ) -> None:
        try:
            if attributes:
                self._span.set_attributes(attributes)
            if error is not None:
                self._span.set_status(Status(StatusCode.ERROR, error))
            self._span.end(_nanoseconds(at))
        except Exception:
            logger.warning("a span was lost", exc_info=True)


class _Ids:
    """An SDK's id generator that answers given ids where there are some."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self._local = threading.local()

    def given(self, span_id: str, trace_id: str) -> _Given:
        return _Given(self._local, span_id, trace_id)

    def generate_span_id(self) -> int:
        found: int = getattr(self._local, "span_id", 0) or self._inner.generate_span_id()
        return found

    def generate_trace_id(self) -> int:
        found: int = getattr(self._local, "trace_id", 0) or self._inner.generate_trace_id()
        return found

    def is_trace_id_random(self) -> bool:
        given = getattr(self._local, "trace_id", 0)
        return not given and bool(getattr(self._inner, "is_trace_id_random", bool)())


class _Given:
    """Within it, ids of this thread are these."""

    def __init__(self, local: threading.local, span_id: str, trace_id: str) -> None:
        self._local = local
        self._ids = int(span_id or "0", 16), int(trace_id or "0", 16)

    def __enter__(self) -> None:
        self._local.span_id, self._local.trace_id = self._ids

    def __exit__(self, *error: object) -> None:
        self._local.span_id = self._local.trace_id = 0


def _context(
    parent: Trace, flags: Callable[[str, str], int], name: str, base: contexts.Context
) -> contexts.Context:
    if not parent.span_id:
        return base
    remote = _remote(parent, flags, name)
    return trace.set_span_in_context(NonRecordingSpan(remote), base)


def _remote(place: Trace, flags: Callable[[str, str], int], name: str) -> SpanContext:
    sampled = flags(place.trace_id, name) if place.flags is None else place.flags
    return SpanContext(
        int(place.trace_id, 16),
        int(place.span_id, 16),
        is_remote=True,
        trace_flags=TraceFlags(sampled),
        trace_state=TraceState.from_header([place.state] if place.state else []),
    )


def _nanoseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND * 1000
