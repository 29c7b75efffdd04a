"""Where nobody listens, nothing is made, asked or stored."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import TracerProvider

from durable.errors import ConfigurationError
from durable.telemetry import NO_TELEMETRY, find_telemetry, open_telemetry
from durable.telemetry.port import NoTelemetry
from durable.testing import TestHub
from tests.telemetry.app import app

PLAIN = """
import asyncio, sys
import durable as df
from durable.telemetry import NO_TELEMETRY, find_telemetry
from durable.testing import run

app = df.DFApp()

@app.orchestration_trigger(context_name="context")
async def one(context):
    return 1

assert run(app, "one") == 1
assert find_telemetry() is NO_TELEMETRY
assert not [name for name in sys.modules if name.startswith("opentelemetry")]
"""


def test_nothing_of_opentelemetry_is_imported() -> None:
    ran = subprocess.run([sys.executable, "-c", PLAIN], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


def test_the_api_alone_is_no_sdk() -> None:
    assert find_telemetry() is NO_TELEMETRY


async def test_nobody_is_asked_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: object, *args: object) -> Any:
        raise AssertionError("nobody listens")

    for name in ("flags", "begin", "record", "count"):
        monkeypatch.setattr(NoTelemetry, name, refuse)
    async with TestHub(app) as hub:
        started = await hub.start("parent")
        await hub.client.raise_event(started, "approved", True)
        assert await hub.result(started) == [8, True]
        assert await hub.run("retrying") == 7
        await hub.client.start_many("fan_out", [1, 2])
        await hub.run("calling_an_entity")
        world = hub._world
        page = await world.tables.query(world.hub.names.history, [])
        heads = [row.values for row in page.rows if "instance" in row.values]
        assert len(heads) == 7
        assert {head["trace"] for head in heads} == {""}


# ---- what is found ----


@pytest.fixture
def providers(monkeypatch: pytest.MonkeyPatch) -> tuple[TracerProvider, MeterProvider]:
    tracers, meters = TracerProvider(shutdown_on_exit=False), MeterProvider(shutdown_on_exit=False)
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: tracers)
    monkeypatch.setattr(metrics, "get_meter_provider", lambda: meters)
    return tracers, meters


def test_what_the_process_has_configured_is_found(providers: object) -> None:
    found = find_telemetry()
    assert (found.traces, found.measures, found.payloads) == (True, True, False)
    found = find_telemetry(tracing=False, payloads=True)
    assert (found.traces, found.measures, found.payloads) == (False, True, True)


def test_a_provider_of_something_else_gets_no_spans() -> None:
    class Other(trace.TracerProvider):
        def get_tracer(self, *args: Any, **options: Any) -> trace.Tracer:
            return trace.ProxyTracer("other")

    with pytest.raises(ConfigurationError, match="Other is no tracer provider of the Open"):
        open_telemetry(Other())


def test_without_the_package_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "durable.telemetry.otel", None)
    with pytest.raises(ConfigurationError, match=r"install durable\[telemetry\]"):
        open_telemetry()


def test_what_cannot_be_used_is_said_and_stops_nothing(
    monkeypatch: pytest.MonkeyPatch,
    providers: tuple[TracerProvider, MeterProvider],
    caplog: pytest.LogCaptureFixture,
) -> None:
    def older(name: str, unit: str = "") -> None:
        raise AssertionError("it takes no boundaries")

    class Older(MeterProvider):
        def get_meter(self, *args: Any, **options: Any) -> Any:
            return SimpleNamespace(create_histogram=older)

    monkeypatch.setattr(metrics, "get_meter_provider", Older)
    assert find_telemetry() is NO_TELEMETRY
    assert "cannot be used" in caplog.text
    assert "TypeError" in caplog.text
