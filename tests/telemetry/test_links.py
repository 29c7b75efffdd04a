"""What a sender's span and its receiver's have to do with each other, on a hub in memory."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased
from opentelemetry.trace import SpanKind, StatusCode

import durable as df
from durable.engine.entities import EntityContext
from durable.errors import AmbiguousAnswer, RowChanged
from durable.hub import instances
from durable.hub.instances import Instances
from durable.hub.keys import encode
from durable.hub.turns import decode_arrivals, encode_arrivals
from durable.model.events import Arrival, EventRaised, TaskCompleted
from durable.outbound import LateSender
from durable.testing import TestHub
from tests.memory_hub import MemoryHub
from tests.outbound.service import LOOPBACK, serving, settings
from tests.runtime.helpers import is_commit
from tests.telemetry.app import app, broken, places, seen
from tests.telemetry.listening import Listener, deafen

ACCOUNT = df.EntityId("account", "a")


@pytest.fixture(autouse=True)
def _fresh() -> None:
    for each in (seen, broken, places):
        each.clear()


# ---- events ----


async def test_an_event_is_linked_to_the_client_that_raised_it() -> None:
    heard = Listener()
    async with TestHub(app, telemetry=heard.telemetry) as hub:
        started = await hub.start("waiting")
        with heard.tracers.get_tracer("test").start_as_current_span("request"):
            await hub.client.raise_event(started, "go", 1)
        assert await hub.result(started) == 1
    raised = heard.only("orchestration_event:go", "PRODUCER")
    taken = heard.only("orchestration_event:go", "CONSUMER")
    assert _ends(taken) == [_place(raised)]
    # each in its own trace
    assert raised.context.trace_id == heard.only("request").context.trace_id
    assert taken.context.trace_id == heard.only("orchestration:waiting").context.trace_id
    assert raised.context.trace_id != taken.context.trace_id


async def test_an_update_is_an_event() -> None:
    heard = Listener()
    async with TestHub(app, telemetry=heard.telemetry) as hub:
        started = await hub.start("updated")
        assert await hub.update(started, "add", 4) == 5
    raised = heard.only("orchestration_event:add", "PRODUCER")
    assert _ends(heard.only("orchestration_event:add", "CONSUMER")) == [_place(raised)]


@pytest.mark.parametrize("known", [True, False])
async def test_an_event_is_linked_to_the_orchestration_that_sent_it(known: bool) -> None:
    heard = Listener()
    async with TestHub(app, telemetry=heard.telemetry) as hub:
        if not known:
            deafen(hub)
        started = await hub.start("waiting")
        await hub.run("sending", started)
        assert await hub.result(started) == 1
    sent = heard.only("orchestration_event:go", "PRODUCER")
    assert sent.parent is not None
    assert sent.parent.span_id == heard.only("orchestration:sending").context.span_id
    (link,) = heard.only("orchestration_event:go", "CONSUMER").links
    assert (link.context.trace_id, link.context.span_id) == _place(sent)
    assert link.context.is_remote
    assert link.context.trace_flags.sampled


async def test_an_event_of_a_sender_that_tells_nobody_has_no_link() -> None:
    heard = Listener()
    async with TestHub(app, telemetry=heard.telemetry) as hub:
        started = await hub.start("waiting")
        deafen(hub)
        await hub.client.raise_event(started, "go", 1)
        await hub.result(started)
    assert _ends(heard.only("orchestration_event:go")) == []


async def test_what_a_fork_takes_over_was_sent_and_taken_by_another() -> None:
    heard = Listener()
    async with TestHub(app, telemetry=heard.telemetry) as hub:
        started = await hub.start("parent")
        await hub.client.raise_event(started, "approved", 1)
        sender = await hub.start("sending", started)
        for source in (started, sender):
            await hub.result(source)
            assert await hub.result(await hub.client.fork(source, 1)) == await hub.result(source)
    names = [span.name for span in heard.spans]
    assert [names.count(f"orchestration:{name}") for name in ("parent", "sending")] == [2, 2]
    assert names.count("orchestration_event:approved") == 2
    assert names.count("orchestration_event:go") == 2


# ---- entities ----


async def test_an_operation_hangs_below_the_client_s_signal() -> None:
    heard = Listener()
    async with TestHub(app, telemetry=heard.telemetry) as hub:
        with heard.tracers.get_tracer("test").start_as_current_span("request"):
            await hub.client.signal_entity(ACCOUNT, "note", 1)
        await hub.settle()
    assert heard.tree() == [
        "request INTERNAL",
        "  signal_entity:account:note PRODUCER",
        "    entity:account:note SERVER",
    ]
    assert len({span.context.trace_id for span in heard.spans}) == 1
    operation = heard.only("entity:account:note")
    assert operation.attributes == {
        "durabletask.type": "entity",
        "durabletask.task.name": "account:note",
        "durabletask.task.instance_id": "@account@a",
    }
    assert operation.status.status_code is StatusCode.UNSET
    # what the entity's code does belongs to it
    assert [(place.trace_id, place.span_id) for place in places] == [_place(operation)]


@pytest.mark.parametrize("known", [True, False])
async def test_operations_hang_below_the_orchestration_s_signal_and_call(known: bool) -> None:
    heard = Listener()
    async with TestHub(app, telemetry=heard.telemetry) as hub:
        if not known:
            deafen(hub)
        assert await hub.run("paying") == 5
    assert heard.tree()[-5:] == [
        f"{'  ' * known}orchestration:paying SERVER",
        *(
            f"{'  ' * known}{line}"
            for line in (
                "  call_entity:account:pay CLIENT",
                "    entity:account:pay SERVER",
                "  signal_entity:account:note PRODUCER",
                "    entity:account:note SERVER",
            )
        ),
    ]
    assert len({span.context.trace_id for span in heard.spans}) == 1


async def test_an_operation_that_failed_is_an_error_and_a_rewind_s_is_another() -> None:
    heard = Listener()
    broken.append(True)
    async with TestHub(app, telemetry=heard.telemetry) as hub:
        started = await hub.start("paying")
        await hub.wait_for(started)
        broken.clear()
        await hub.client.rewind(started, "filled")
        assert await hub.result(started) == 5
    calls = [span for span in heard.spans if span.name == "call_entity:account:pay"]
    runs = [span for span in heard.spans if span.name == "entity:account:pay"]
    assert [_parent(run) for run in runs] == [call.context.span_id for call in calls]
    assert len({call.context.span_id for call in calls}) == 2
    first, second = (run.status for run in runs)
    assert (first.status_code, first.description) == (StatusCode.ERROR, "ValueError: empty")
    assert runs[0].attributes is not None
    assert runs[0].attributes["error.type"] == "ValueError"
    assert second.status_code is StatusCode.UNSET


async def test_an_operation_of_a_sender_that_tells_nobody_begins_a_trace() -> None:
    heard = Listener()
    async with TestHub(app, telemetry=heard.telemetry) as hub:
        deafen(hub)
        for _ in range(2):
            await hub.client.signal_entity(ACCOUNT, "note")
            await hub.settle()
    assert heard.tree() == ["entity:account:note SERVER"] * 2
    assert len({span.context.trace_id for span in heard.spans}) == 2


async def test_the_sender_s_sampler_decides_for_the_operation() -> None:
    heard = Listener(sampler=ParentBased(ALWAYS_OFF))
    async with TestHub(app, telemetry=heard.telemetry) as hub:
        await hub.run("paying")
        await hub.run("paying", trace=(f"00-{'ab' * 16}-{'cd' * 8}-01", "vendor=1"))
    assert [s.name for s in heard.spans if s.kind is SpanKind.SERVER] == [
        "entity:account:note",
        "entity:account:pay",
        "orchestration:paying",
    ]
    states = {span.context.trace_state.to_header() for span in heard.spans}
    assert states == {"vendor=1"}


@pytest.mark.parametrize("payloads", [False, True])
async def test_an_operation_s_payloads_are_left_out_unless_asked_for(payloads: bool) -> None:
    heard = Listener(payloads=payloads)
    async with TestHub(app, telemetry=heard.telemetry) as hub:
        await hub.client.signal_entity(ACCOUNT, "note", "s3cret")
        await hub.settle()
    about = heard.only("entity:account:note").attributes or {}
    given = {name: text for name, text in about.items() if name.startswith("durable.")}
    told = {"durable.task.input": '"s3cret"', "durable.task.output": "5"}
    assert given == (told if payloads else {})


# ---- once ----


@pytest.mark.parametrize(
    ("before", "after", "ran"),
    [
        (RowChanged("another was faster"), None, 2),
        (None, AmbiguousAnswer("no answer"), 1),
    ],
)
async def test_a_turn_that_was_lost_or_not_answered_tells_once(
    before: Exception | None, after: Exception | None, ran: int
) -> None:
    heard, runs = Listener(), []
    hub = MemoryHub()
    hub.telemetry = heard.telemetry
    hub.use(hub.storage)

    @hub.entity
    def account(context: EntityContext) -> None:
        runs.append(context.operation_name)

    def hook(error: Exception | None) -> Any:
        async def strike(name: str, args: tuple[Any, ...]) -> None:
            nonlocal error
            if error is not None and is_commit(name, args) and args[1] == encode("@account@a"):
                struck, error = error, None
                raise struck

        return strike

    async with hub:
        hub.tamper(hub.runtimes[0], before=hook(before), after=hook(after))
        signal = hub.runtimes[0].spawn(hub.client.signal_entity(ACCOUNT, "note"))
        await hub.until(signal.done)
        await hub.run(60)
    assert len(runs) == ran
    assert heard.tree() == ["signal_entity:account:note PRODUCER", "  entity:account:note SERVER"]


async def test_what_is_delivered_again_is_told_of_once(monkeypatch: pytest.MonkeyPatch) -> None:
    heard, delivered = Listener(), []
    deliver = Instances.deliver

    async def twice(self: Instances, *args: Any, **options: Any) -> bool:
        delivered.append((args, options))
        return await deliver(self, *args, **options)

    monkeypatch.setattr(Instances, "deliver", twice)
    async with TestHub(app, telemetry=heard.telemetry) as hub:
        started = await hub.start("parent")
        await hub.client.raise_event(started, "approved", 1)
        await hub.client.signal_entity(ACCOUNT, "note")
        await hub.settle()
        told = heard.tree()
        world = hub._world
        assert len(delivered) == 2
        for args, options in list(delivered):
            await deliver(world.hub.instances, *args, **options)
        hub.crash()
        # both look into their inboxes again
        await hub.client.signal_entity(ACCOUNT, "look")
        await hub.result(started)
    assert "orchestration_event:approved CONSUMER" in " ".join(told)
    for name, kind in (("orchestration_event:approved", "CONSUMER"), ("entity:account:note", None)):
        heard.only(name, kind)


# ---- rows ----


@pytest.mark.parametrize("listens", [True, False])
async def test_a_row_says_who_sent_it_where_somebody_listens(
    listens: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows: list[str] = []

    def kept(arrivals: Any) -> str:
        rows.append(encode_arrivals(arrivals))
        return rows[-1]

    monkeypatch.setattr(instances, "encode_arrivals", kept)
    options: Any = {"telemetry": Listener().telemetry} if listens else {}
    async with TestHub(app, **options) as hub:
        for name in ("waiting", "updated"):
            await hub.start(name, instance_id=name)
        await hub.run("sending", "waiting")
        await hub.update("updated", "add", 4)
        await hub.client.signal_entity(ACCOUNT, "note")
        await hub.run("paying")
        await hub.settle()
    said = [arrival for row in rows for arrival in decode_arrivals(row) if any(arrival.trace)]
    kinds = sorted(type(arrival.event).__name__ for arrival in said)
    sent = ["EntityOperation"] * 3 + ["EventRaised", "UpdateRequested"]
    assert kinds == (sent if listens else [])
    assert sum('"trace"' in row for row in rows) == len(kinds)
    assert len(rows) == 6


def test_an_arrival_is_as_it_was_but_for_its_sender() -> None:
    plain = Arrival(EventRaised("go", "m", "1"), "e")
    text = encode_arrivals([plain])
    assert text == (
        '{"event":{"type":"EventRaised","name":"go","message_id":"m","input":"1"},"eid":"e"}'
    )
    told = Arrival(plain.event, "e", ("00-a-b-01", "vendor=1"))
    assert encode_arrivals([told]) == f'{text[:-1]},"trace":["00-a-b-01","vendor=1"]}}'
    both = [told, Arrival(TaskCompleted(1, "2"), "e")]
    for arrivals in ([plain], [told], both):
        assert list(decode_arrivals(encode_arrivals(arrivals))) == arrivals


# ---- durable HTTP ----


@pytest.mark.parametrize("traced", [True, False])
async def test_a_request_says_which_call_it_belongs_to(traced: bool) -> None:
    heard = Listener()
    sender = LateSender(settings(LOOPBACK), traced=traced)
    own = {"Traceparent": f"00-{'12' * 16}-{'34' * 8}-01"}
    async with serving() as service, TestHub(app, telemetry=heard.telemetry) as hub:
        service.on("/")
        hub.replace("durable_http", sender.send)
        caller = f"00-{'ab' * 16}-{'cd' * 8}-01", "vendor=1"
        for headers in ({"X-Own": "1"}, own):
            asked = hub.run("asking", [service.uri(), headers], trace=caller)
            assert await asyncio.wait_for(asked, 30) == 200
    await sender.close()
    first, second = (
        (each.headers.get("traceparent"), each.headers.get("tracestate")) for each in service.asked
    )
    span = next(s for s in heard.spans if s.name == "activity:durable_http").context
    place = f"00-{'ab' * 16}-{span.span_id:016x}-01", "vendor=1"
    assert first == (place if traced else (None, None))
    assert second == (own["Traceparent"], None)
    assert service.asked[0].headers["x-own"] == "1"


def _place(span: ReadableSpan) -> tuple[int, int]:
    return span.context.trace_id, span.context.span_id


def _ends(span: ReadableSpan) -> list[tuple[int, int]]:
    return [(link.context.trace_id, link.context.span_id) for link in span.links]


def _parent(span: ReadableSpan) -> int:
    assert span.parent is not None
    return span.parent.span_id
