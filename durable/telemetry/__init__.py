"""Spans and measurements, for whoever has configured an OpenTelemetry SDK."""

from __future__ import annotations

from durable.telemetry.finding import find_telemetry, open_telemetry
from durable.telemetry.port import (
    NO_TELEMETRY,
    Counter,
    Histogram,
    NoTelemetry,
    OpenSpan,
    Telemetry,
)
from durable.telemetry.spans import Kind, Span, Trace, span_id_of, trace_id_of

__all__ = [
    "NO_TELEMETRY",
    "Counter",
    "Histogram",
    "Kind",
    "NoTelemetry",
    "OpenSpan",
    "Span",
    "Telemetry",
    "Trace",
    "find_telemetry",
    "open_telemetry",
    "span_id_of",
    "trace_id_of",
]
