"""Spans of what a client asks for: they begin the trace, or continue the caller's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from durable.hub import tracing as names
from durable.hub.hub import Hub
from durable.hub.tracing import named, operation_of
from durable.model.entities import EntityId
from durable.telemetry import Kind, Span, Trace

Values = dict[str, str | int | float | bool]


@contextmanager
def creating(
    hub: Hub, name: str, version: str | None, trace: tuple[str, str], about: Mapping[str, str | int]
) -> Iterator[tuple[str, str]]:
    """A start, or several. Gives the traceparent and tracestate for what is started: of a span
    below `trace`, or else below the caller's current one."""
    values: Values = {names.TYPE: "orchestration", names.NAME: name, **about}
    if version:
        values[names.VERSION] = version
    parent = Trace.parse(trace)
    with _span(hub, named("create_orchestration", name, version), values, parent) as header:
        yield header


@contextmanager
def raising(hub: Hub, name: str, instance_id: str) -> Iterator[tuple[str, str]]:
    """An event or update for an instance; gives the span's traceparent and tracestate."""
    values: Values = {names.TYPE: "event", names.NAME: name, names.TARGET: instance_id}
    with _span(hub, named("orchestration_event", name), values, None) as header:
        yield header


@contextmanager
def signalling(hub: Hub, entity_id: EntityId, operation: str) -> Iterator[tuple[str, str]]:
    """As `raising`, a signal for an entity."""
    called = operation_of(str(entity_id), operation)
    values: Values = {names.TYPE: "entity", names.NAME: called, names.TARGET: str(entity_id)}
    with _span(hub, named("signal_entity", called), values, None) as header:
        yield header


@contextmanager
def _span(hub: Hub, name: str, values: Values, parent: Trace | None) -> Iterator[tuple[str, str]]:
    if not hub.telemetry.traces:
        yield "", ""
        return
    clock = hub.storage.clock
    span = hub.telemetry.begin(Span(name, Kind.PRODUCER, clock.now(), parent, attributes=values))
    try:
        yield span.header
    except BaseException as error:
        span.end(clock.now(), error=f"{type(error).__name__}: {error}")
        raise
    span.end(clock.now())
