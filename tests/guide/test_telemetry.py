"""docs/guide/telemetry.md"""

from __future__ import annotations

import io
import logging
import sys
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import export as metric_exporters
from opentelemetry.sdk.trace import export as span_exporters

from durable.settings import TracingSettings, load_settings
from durable.telemetry import find_telemetry
from durable.testing import TestHub
from tests.guide.pages import GUIDE, Page


@pytest.fixture
def console(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What the page's exporters write: they take the stdout that was there when they were
    imported."""
    out = io.StringIO()
    for module, name in (
        (span_exporters, "ConsoleSpanExporter"),
        (metric_exporters, "ConsoleMetricExporter"),
    ):
        monkeypatch.setattr(module, name, partial(getattr(module, name), out=out))
    return out


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch, console: io.StringIO) -> Any:
    """The page's app; what it sets for the process is set for this test alone."""
    configured: list[str] = []
    monitor: Any = ModuleType("azure.monitor.opentelemetry")
    monitor.configure_azure_monitor = lambda: configured.append("monitor")
    monkeypatch.setitem(sys.modules, "azure.monitor", ModuleType("azure.monitor"))
    monkeypatch.setitem(sys.modules, monitor.__name__, monitor)
    for module, kind in ((trace, "tracer"), (metrics, "meter")):
        monkeypatch.setattr(
            module,
            f"set_{kind}_provider",
            lambda given, m=module, k=kind: monkeypatch.setattr(
                m, f"get_{k}_provider", lambda: given
            ),
        )
    page = Page(GUIDE / "telemetry.md")
    page.load({})
    assert configured == ["monitor"]
    yield page
    page.names["spans"].shutdown()
    provider: Any = metrics.get_meter_provider()
    provider.shutdown()
    page.unload()


async def test_the_page(page: Page, console: io.StringIO) -> None:
    await page.names["test_a_shipment_takes_two_days"]()
    # what the page has configured is found, and told
    async with TestHub(page.names["app"], telemetry=find_telemetry()) as hub:
        assert await hub.run("process", "order-2") == "shipped"
    page.names["spans"].force_flush()
    said = console.getvalue()
    drawn = page.only("text", "create_orchestration").text.split()
    names = [word for word in drawn if ":" in word]
    assert len(names) == 8
    assert [name for name in names if f'"name": "{name}"' not in said] == []
    assert '"name": "ask the bank"' in said
    provider: Any = metrics.get_meter_provider()
    provider.force_flush()
    assert '"name": "durable.queue.age"' in console.getvalue()
    assert page.missing() == []


def test_the_handler_shows_the_attempt(page: Page) -> None:
    handler: logging.Handler = page.names["handler"]
    record = logging.makeLogRecord({"msg": "hi", "instance_id": "i", "attempt": 2})
    assert handler.filter(record)
    assert handler.format(record) == "i 2 hi"


def test_the_settings_are_read(page: Page, tmp_path: Path) -> None:
    (tmp_path / "host.json").write_text(page.only("json", "tracing").text)
    assert load_settings(tmp_path, {}).tracing == TracingSettings(enabled=True, payloads=True)
