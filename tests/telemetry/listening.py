"""The OpenTelemetry SDK in memory, and what it heard."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, Sampler

from durable.telemetry import NO_TELEMETRY, Telemetry, open_telemetry
from durable.testing import TestHub


class Listener:
    """Providers of its own; `telemetry` is for a hub."""

    def __init__(self, *, payloads: bool = False, sampler: Sampler = ALWAYS_ON) -> None:
        self._spans = InMemorySpanExporter()
        self._reader = InMemoryMetricReader()
        self.tracers = TracerProvider(sampler=sampler, shutdown_on_exit=False)
        self.tracers.add_span_processor(SimpleSpanProcessor(self._spans))
        self.meters = MeterProvider([self._reader], shutdown_on_exit=False)
        self.telemetry: Telemetry = open_telemetry(self.tracers, self.meters, payloads=payloads)

    @property
    def spans(self) -> list[ReadableSpan]:
        """In the order of their ends."""
        return list(self._spans.get_finished_spans())

    def only(self, name: str, kind: str | None = None) -> ReadableSpan:
        """The one span of that name, and kind perhaps."""
        (found,) = (s for s in self.spans if s.name == name and kind in (None, s.kind.name))
        return found

    def tree(self) -> list[str]:
        """Each span indented below its parent, those of turns left out; siblings by name."""
        below: dict[int, list[ReadableSpan]] = {}
        known = {span.context.span_id for span in self.spans}
        for span in self.spans:
            if not span.name.startswith("turn:"):
                parent = span.parent.span_id if span.parent else 0
                below.setdefault(parent if parent in known else 0, []).append(span)
        lines: list[str] = []

        def show(parent: int, depth: int) -> None:
            for span in sorted(below.get(parent, ()), key=lambda s: (s.name, s.kind.name)):
                lines.append(f"{'  ' * depth}{span.name} {span.kind.name}")
                show(span.context.span_id, depth + 1)

        show(0, 0)
        return lines

    def measured(self, name: str) -> list[tuple[dict[str, Any], int, float]]:
        """Of an instrument: attributes, how often, and the sum."""
        data = self._reader.get_metrics_data()
        points = [
            point
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
            for point in metric.data.data_points
        ]
        return [
            (
                _plain(p.attributes),
                getattr(p, "count", 1),
                getattr(p, "sum", getattr(p, "value", 0)),
            )
            for p in points
        ]


def deafen(hub: TestHub) -> None:
    """Let its client be of a process where nobody listens, as the command line is."""
    client: Any = hub.client.native_client
    client._hub.telemetry = NO_TELEMETRY


def _plain(attributes: Mapping[str, Any] | None) -> dict[str, Any]:
    return {key.rpartition(".")[2]: value for key, value in (attributes or {}).items()}
