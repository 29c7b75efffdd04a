"""What the SDK is given, and what becomes of its errors."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any

import pytest
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.sdk.trace.sampling import Sampler, SamplingResult, TraceIdRatioBased

from durable.telemetry import Counter, Histogram, Kind, Trace, open_telemetry, span_id_of
from durable.telemetry import Span as OwnSpan
from durable.testing import TestHub
from tests.telemetry.app import app
from tests.telemetry.listening import Listener

NOW = datetime(2026, 1, 1, 12, 0, 0, 123456, tzinfo=UTC)


class Bad(SpanProcessor):
    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        raise RuntimeError("no room")

    def on_end(self, span: ReadableSpan) -> None:
        raise RuntimeError("no room")


async def test_what_fails_while_telling_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    heard = Listener()
    heard.tracers.add_span_processor(Bad())
    async with TestHub(app, telemetry=heard.telemetry) as hub:
        assert await hub.run("chain") == 8
    assert {r.getMessage() for r in caplog.records if r.name == "durable.telemetry"} >= {
        "span orchestration:chain was lost",
        "span activity:double was lost",
    }


def test_measurements_that_fail_stop_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    heard = Listener()
    unusable: Any = heard.telemetry
    monkeypatch.setattr(unusable, "_histograms", {})
    monkeypatch.setattr(unusable, "_counters", {})
    heard.telemetry.record(Histogram.TURN, 1.0, {})
    heard.telemetry.count(Counter.CONFLICTS, {})
    assert [record.getMessage() for record in caplog.records] == [
        "a measurement of durable.turn.duration was lost",
        "a count of durable.commit.conflicts was lost",
    ]


def test_ids_are_those_that_are_given_and_others_are_the_sdk_s() -> None:
    heard = Listener()
    # a second hub of the process
    again = open_telemetry(heard.tracers)
    given = span_id_of("execution", 7)
    root = Trace("ab" * 16)
    for telemetry in (heard.telemetry, again):
        span = OwnSpan("s", Kind.SERVER, NOW, root, given, {"a": 1})
        telemetry.begin(span).end(NOW)
    heard.telemetry.begin(OwnSpan("random", Kind.SERVER, NOW)).end(NOW)
    own = heard.tracers.get_tracer("durable").start_span("own")
    first, second, other = heard.spans
    for each in (first, second):
        assert f"{each.context.span_id:016x}" == given
        assert f"{each.context.trace_id:032x}" == root.trace_id
        assert each.parent is None
        assert each.start_time == 1767268800_123456000
    assert other.context.span_id != first.context.span_id
    assert other.context.trace_id not in (first.context.trace_id, 0)
    assert own.get_span_context().is_valid


def test_samplers_decide_alike_for_all_spans_of_a_trace() -> None:
    class Asked(Sampler):
        def should_sample(
            self, parent_context: Any, trace_id: int, *args: Any, **more: Any
        ) -> SamplingResult:
            ids.append(trace_id)
            return TraceIdRatioBased(0.5).should_sample(parent_context, trace_id, *args, **more)

        def get_description(self) -> str:
            return "half"

    ids: list[int] = []
    heard = Listener(sampler=Asked())
    low, high = Trace("1".rjust(32, "0"), flags=None), Trace("f" * 32)
    assert [heard.telemetry.flags(each.trace_id, "s") for each in (low, high)] == [1, 0]
    for root in (low, high):
        below = Trace(root.trace_id, span_id_of("above"))
        for parent in (root, below):
            heard.telemetry.begin(OwnSpan("s", Kind.INTERNAL, NOW, parent)).end(NOW)
    assert [span.context.trace_id for span in heard.spans] == [1, 1]
    assert set(ids) == {1, 2**128 - 1}


@pytest.mark.parametrize(
    "header",
    [
        "",
        "00",
        f"00-{'0' * 32}-{'1' * 16}-01",
        f"00-{'1' * 32}-{'0' * 16}-01",
        f"00-{'g' * 32}-{'1' * 16}-01",
        f"00-{'1' * 32}-{'1' * 16}-1",
    ],
)
def test_what_is_no_traceparent_is_none(header: str) -> None:
    assert Trace.parse((header, "")) is None


def test_a_traceparent_is_read_and_written() -> None:
    header = f"00-{'a1' * 16}-{'b2' * 8}-01"
    found = Trace.parse((header, "x=1"))
    assert found == Trace("a1" * 16, "b2" * 8, 1, "x=1")
    assert found.header(0) == (header, "x=1")
    # a later version may say more
    assert Trace.parse((f"01-{'a1' * 16}-{'b2' * 8}-01-more", "")) == Trace("a1" * 16, "b2" * 8, 1)
