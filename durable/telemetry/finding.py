"""Whether anybody has configured an OpenTelemetry SDK."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

from durable.errors import ConfigurationError
from durable.telemetry.port import NO_TELEMETRY, Telemetry

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

logger = logging.getLogger("durable.telemetry")


def find_telemetry(*, tracing: bool = True, payloads: bool = False) -> Telemetry:
    """The providers that were set for the process, before this is called; without any, an object
    that does nothing. `tracing` and `payloads` say whether spans are made, and whether they get
    inputs and outputs."""
    # whoever has configured one has imported it
    if "opentelemetry" not in sys.modules:
        return NO_TELEMETRY
    try:
        from durable.telemetry.otel import OpenTelemetry, set_providers

        tracers, meters = set_providers()
        if tracers is None and meters is None:
            return NO_TELEMETRY
        return OpenTelemetry(tracers if tracing else None, meters, payloads=payloads)
    except Exception:
        # of an old version, or half installed: the app works without
        logger.warning("the OpenTelemetry that is installed cannot be used", exc_info=True)
        return NO_TELEMETRY


def open_telemetry(
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
    *,
    payloads: bool = False,
) -> Telemetry:
    """Spans to a tracer provider of the OpenTelemetry SDK, and measurements to a meter provider:
    for tests, and processes with several. With `payloads`, spans have inputs and outputs.

    ConfigurationError where opentelemetry-api is not installed, or the tracer provider is not the
    SDK's.
    """
    try:
        from durable.telemetry.otel import OpenTelemetry
    except ImportError as error:
        raise ConfigurationError(
            "opentelemetry-api is not installed: install durable[telemetry]"
        ) from error
    found = OpenTelemetry(tracer_provider, meter_provider, payloads=payloads)
    if tracer_provider is not None and not found.traces:
        raise ConfigurationError(
            f"{type(tracer_provider).__name__} is no tracer provider of the OpenTelemetry SDK"
        )
    return found
