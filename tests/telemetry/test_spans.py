"""Spans of orchestrations, on a hub in memory."""

from __future__ import annotations

from datetime import timedelta

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased
from opentelemetry.trace import StatusCode

from durable.testing import TestHub
from tests.telemetry.app import app, broken, places, seen
from tests.telemetry.listening import Listener, deafen


@pytest.fixture(autouse=True)
def _fresh() -> None:
    for each in (seen, broken, places):
        each.clear()


CHAIN = [
    "create_orchestration:chain PRODUCER",
    "  orchestration:chain SERVER",
    "    activity:double SERVER",
    "    activity:double SERVER",
    "    activity:double SERVER",
]


@pytest.mark.parametrize("replayed", [False, True])
async def test_a_chain_is_one_trace_whether_or_not_it_is_replayed(replayed: bool) -> None:
    heard = Listener()
    async with TestHub(app, telemetry=heard.telemetry, replay_every_turn=replayed) as hub:
        assert await hub.run("chain", instance_id="c") == 8
    assert heard.tree() == CHAIN
    assert len({span.context.trace_id for span in heard.spans}) == 1
    turns = [span for span in heard.spans if span.name == "turn:chain"]
    told = [(_of(turn, "turn.sequence"), _of(turn, "turn.replayed")) for turn in turns]
    assert told == [(n, replayed and n > 0) for n in range(4)]


async def test_what_a_span_says() -> None:
    heard = Listener()
    async with TestHub(app, telemetry=heard.telemetry) as hub:
        await hub.run("chain", instance_id="c", version="1.2")
    whole = heard.only("orchestration:chain@(1.2)")
    assert whole.attributes is not None
    execution = str(whole.attributes["durabletask.task.execution_id"])
    assert whole.attributes == {
        "durabletask.type": "orchestration",
        "durabletask.task.name": "chain",
        "durabletask.task.version": "1.2",
        "durabletask.task.instance_id": "c",
        "durabletask.task.execution_id": execution,
        "durabletask.task.status": "Completed",
    }
    assert whole.status.status_code is StatusCode.UNSET
    first = next(span for span in heard.spans if span.name == "activity:double")
    assert first.attributes == {
        "durabletask.type": "activity",
        "durabletask.task.name": "double",
        "durabletask.task.instance_id": "c",
        "durabletask.task.execution_id": execution,
        "durabletask.task.task_id": 0,
        "durable.task.attempt": 1,
        "durable.task.idempotency_key": f"c:{execution}:0",
    }


async def test_an_activity_finds_its_own_span() -> None:
    heard = Listener()
    async with TestHub(app, telemetry=heard.telemetry) as hub:
        await hub.run("fan_out")
    spans = [span for span in heard.spans if span.name == "activity:double"]
    ids = {f"{span.context.span_id:016x}" for span in spans}
    assert len(ids) == 5
    assert {current for _, current in seen} == ids
    whole = heard.only("orchestration:fan_out").context.trace_id
    assert {parent for parent, _ in seen} == {f"00-{whole:032x}-{each}-03" for each in ids}


@pytest.mark.parametrize("known", [True, False])
async def test_what_an_orchestrator_logs_belongs_to_its_span(known: bool) -> None:
    heard = Listener()
    async with TestHub(app, telemetry=heard.telemetry) as hub:
        if not known:
            deafen(hub)
        with heard.tracers.get_tracer("test").start_as_current_span("request"):
            await hub.run("chain")
    whole = heard.only("orchestration:chain").context
    (place,) = places
    assert (place.trace_id, place.span_id) == (whole.trace_id, whole.span_id)
    assert place.trace_flags.sampled
    assert not trace.get_current_span().get_span_context().is_valid


async def test_a_child_a_timer_and_an_event() -> None:
    heard = Listener()
    async with TestHub(app, telemetry=heard.telemetry) as hub:
        started = await hub.start("parent")
        await hub.client.raise_event(started, "approved", True)
        assert await hub.result(started) == [8, True]
    assert heard.tree() == [
        "create_orchestration:parent PRODUCER",
        "  orchestration:parent SERVER",
        "    orchestration:child CLIENT",
        "      orchestration:child SERVER",
        "        activity:double SERVER",
        "        orchestration:child:timer INTERNAL",
        "    orchestration_event:approved CONSUMER",
        "orchestration_event:approved PRODUCER",
    ]
    timer = heard.only("orchestration:child:timer")
    assert _seconds(timer) == 7200
    assert str(_of(timer, "fire_at", "durabletask")).startswith("2026-01-01T02:00:00")
    assert _seconds(heard.only("orchestration:parent")) == 7200
    # the event was raised outside of the orchestration's trace
    assert _of(heard.only("orchestration_event:approved", "PRODUCER"), "event.target_instance_id")


async def test_each_attempt_is_a_span_and_failures_are_errors() -> None:
    heard = Listener()
    async with TestHub(app, telemetry=heard.telemetry) as hub:
        assert await hub.run("retrying") == 7
    first, second = (s for s in heard.spans if s.name == "activity:fail_first")
    assert (_of(first, "task.attempt"), _of(second, "task.attempt")) == (1, 2)
    assert _of(first, "task.idempotency_key") == _of(second, "task.idempotency_key")
    assert first.status.status_code is StatusCode.ERROR
    assert (first.status.description, _of(first, "type", "error")) == (
        "ValueError: not 7",
        "ValueError",
    )
    assert second.status.status_code is StatusCode.UNSET
    # what lies between them
    assert _seconds(heard.only("orchestration:retrying:timer")) == 30


async def test_what_a_rewind_leads_to_hangs_below_what_failed() -> None:
    heard = Listener()
    broken.append(True)
    async with TestHub(app, telemetry=heard.telemetry) as hub:
        started = await hub.start("failing")
        await hub.wait_for(started)
        failed = heard.tree()
        broken.clear()
        await hub.client.rewind(started, "mended")
        await hub.result(started)
    assert failed == [
        "create_orchestration:failing PRODUCER",
        "  orchestration:failing SERVER",
        "    orchestration:failing_child CLIENT",
        "      orchestration:failing_child SERVER",
        "        activity:fail SERVER",
    ]
    assert heard.tree() == [
        "create_orchestration:failing PRODUCER",
        "  orchestration:failing SERVER",
        "    orchestration:failing SERVER",
        "    orchestration:failing_child CLIENT",
        "      orchestration:failing_child SERVER",
        "        activity:fail SERVER",
        "        activity:fail SERVER",
        "        orchestration:failing_child SERVER",
        "    orchestration:failing_child CLIENT",
    ]
    statuses = [_of(s, "task.status") for s in heard.spans if s.name == "orchestration:failing"]
    assert statuses == ["Failed", "Completed"]
    assert len({span.context.span_id for span in heard.spans}) == len(heard.spans)


async def test_generations_are_spans_beside_each_other() -> None:
    heard = Listener()
    async with TestHub(app, telemetry=heard.telemetry) as hub:
        assert await hub.run("again", 2) == 0
    assert heard.tree() == [
        "create_orchestration:again PRODUCER",
        *["  orchestration:again SERVER", "    orchestration:again:timer INTERNAL"] * 3,
    ]
    generations = [s for s in heard.spans if s.name == "orchestration:again"]
    assert [_of(s, "task.status") for s in generations] == [
        "ContinuedAsNew",
        "ContinuedAsNew",
        "Completed",
    ]
    assert [_seconds(span) for span in generations] == [600] * 3
    assert [s.end_time for s in generations[:2]] == [s.start_time for s in generations[1:]]


async def test_timers_that_are_cancelled_and_entities_that_are_called() -> None:
    heard = Listener()
    async with TestHub(app, telemetry=heard.telemetry) as hub:
        await hub.run("canceling")
        assert await hub.run("calling_an_entity") == 3
    timers = [s for s in heard.spans if s.name == "orchestration:canceling:timer"]
    assert [_of(span, "task.status") for span in timers] == [None, "Canceled"]
    assert [_seconds(span) for span in timers] == [300, 300]
    call = heard.only("call_entity:counter:add")
    assert call.kind is trace.SpanKind.CLIENT
    assert _parent(call) == heard.only("orchestration:calling_an_entity").context.span_id


async def test_what_was_terminated_says_so() -> None:
    heard = Listener()
    async with TestHub(app, telemetry=heard.telemetry) as hub:
        waiting = await hub.start("parent")
        later = await hub.start("chain", start_at=timedelta(hours=1))
        for started in (waiting, later):
            await hub.client.terminate(started, "enough")
            await hub.wait_for(started)
    for name in ("parent", "chain"):
        whole = heard.only(f"orchestration:{name}")
        assert whole.status.status_code is StatusCode.ERROR
        assert _of(whole, "task.status") == "Terminated"


async def test_a_crash_leaves_the_trace_as_it_is() -> None:
    calm, struck = Listener(), Listener()
    for heard in (calm, struck):
        async with TestHub(app, telemetry=heard.telemetry) as hub:
            started = await hub.start("parent", instance_id="p")
            for _ in range(3):
                await hub.advance(timedelta(minutes=30))
                if heard is struck:
                    hub.crash()
            await hub.client.raise_event(started, "approved", True)
            assert await hub.result(started) == [8, True]
    assert struck.tree() == calm.tree()
    assert len({span.context.span_id for span in struck.spans}) == len(struck.spans)
    turns = [span for span in struck.spans if span.name.startswith("turn:")]
    assert len(turns) == len([s for s in calm.spans if s.name.startswith("turn:")])
    assert any(_of(turn, "turn.replayed") for turn in turns)


# ---- where the trace comes from ----


async def test_a_start_continues_the_caller_s_span() -> None:
    heard = Listener()
    async with TestHub(app, telemetry=heard.telemetry) as hub:
        with heard.tracers.get_tracer("test").start_as_current_span("request") as request:
            started = await hub.start("chain")
        await hub.result(started)
        caller = f"00-{'ab' * 16}-{'cd' * 8}-01", "vendor=1"
        await hub.run("fan_out", trace=caller)
    assert heard.tree()[-6:] == ["request INTERNAL", *(f"  {line}" for line in CHAIN)]
    created = heard.only("create_orchestration:chain")
    assert _parent(created) == request.get_span_context().span_id
    created = heard.only("create_orchestration:fan_out")
    assert (f"{created.context.trace_id:x}", f"{_parent(created):x}") == ("ab" * 16, "cd" * 8)
    last = heard.only("orchestration:fan_out")
    assert last.context.trace_id == created.context.trace_id
    assert last.context.trace_state.to_header() == "vendor=1"


async def test_many_starts_are_one_span() -> None:
    heard = Listener()
    async with TestHub(app, telemetry=heard.telemetry) as hub:
        ids = await hub.client.start_many("chain", [1, 2, 3])
        for started in ids:
            await hub.result(started)
    created = heard.only("create_orchestration:chain")
    assert _of(created, "start.count") == 3
    wholes = [span for span in heard.spans if span.name == "orchestration:chain"]
    assert [_parent(span) for span in wholes] == [created.context.span_id] * 3


async def test_an_instance_that_nobody_gave_a_trace_begins_one() -> None:
    heard = Listener()
    async with TestHub(app, telemetry=heard.telemetry) as hub:
        deafen(hub)
        await hub.run("parent_of_all")
        await hub.run("chain")
    assert heard.tree() == [
        "orchestration:chain SERVER",
        *(line[2:] for line in CHAIN[2:]),
        "orchestration:parent_of_all SERVER",
        "  orchestration:chain CLIENT",
        "    orchestration:chain SERVER",
        *(f"  {line}" for line in CHAIN[2:]),
    ]
    assert len({span.context.trace_id for span in heard.spans}) == 2


@pytest.mark.parametrize("known", [True, False])
async def test_a_trace_that_is_not_sampled_has_no_spans(known: bool) -> None:
    heard = Listener(sampler=ParentBased(ALWAYS_OFF))
    async with TestHub(app, telemetry=heard.telemetry) as hub:
        if not known:
            deafen(hub)
        await hub.run("parent_of_all")
        # the caller has decided otherwise
        caller = f"00-{'ab' * 16}-{'cd' * 8}-01", ""
        await hub.run("chain", trace=caller)
    assert {f"{span.context.trace_id:x}" for span in heard.spans} == {"ab" * 16}


@pytest.mark.parametrize("payloads", [False, True])
async def test_payloads_are_left_out_unless_asked_for(payloads: bool) -> None:
    heard = Listener(payloads=payloads)
    async with TestHub(app, telemetry=heard.telemetry) as hub:
        started = await hub.start("parent", "s3cret")
        await hub.client.raise_event(started, "approved", "t0ken")
        await hub.result(started)
    said = " ".join(str(dict(span.attributes or {})) for span in heard.spans)
    assert ("s3cret" in said, "t0ken" in said) == (payloads, payloads)
    given = [_of(s, "task.input") for s in heard.spans if s.name == "activity:double"]
    assert given == (["4"] if payloads else [None])


def _of(span: ReadableSpan, name: str, prefix: str = "") -> object:
    """An attribute, of whichever of the two families."""
    attributes = span.attributes or {}
    for family in (prefix,) if prefix else ("durabletask", "durable"):
        if f"{family}.{name}" in attributes:
            return attributes[f"{family}.{name}"]
    return None


def _seconds(span: ReadableSpan) -> float:
    assert span.end_time is not None
    assert span.start_time is not None
    return (span.end_time - span.start_time) / 1e9


def _parent(span: ReadableSpan) -> int:
    assert span.parent is not None
    return span.parent.span_id
