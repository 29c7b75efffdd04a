"""`durabletask.history`: what a client reads of instances that have done all there is to do."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Generator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from durable.compat import apps
from durable.compat.client import DurableFunctionsClient
from durable.compat.v2.entities import DurableEntity, EntityInstanceId
from tests.compat.running import aliased, hub_of
from tests.memory_hub import MemoryHub

with aliased():
    from durabletask import history  # type: ignore[import-not-found]

Code = Generator[Any, Any, Any]
SAFE, OTHER = EntityInstanceId("Safe", "one"), EntityInstanceId("Safe", "two")


def functions() -> apps.DFApp:
    app = apps.DFApp()
    broken = [True]

    @app.activity_trigger(input_name="why")
    def fail(ctx: Any, why: str) -> None:
        if why != "once" or broken.pop():
            raise ValueError(why)

    @app.orchestration_trigger(context_name="context")
    def child(ctx: Any, given: Any) -> Code:
        if given == "fail":
            yield ctx.call_activity("fail", input="inside")
        ctx.send_event(ctx.parent_instance_id or "nobody", "Done", data=given)
        return given

    @app.entity_trigger(context_name="context")
    class Safe(DurableEntity):
        def put(self, amount: int) -> int:
            if amount < 0:
                raise ValueError("less than nothing")
            self.set_state(amount)
            return amount

    @app.orchestration_trigger(context_name="context")
    def everything(ctx: Any, given: Any) -> Code:
        if given == "first":
            ctx.continue_as_new("second")
            return None
        yield ctx.create_timer(timedelta(minutes=5))
        yield ctx.call_sub_orchestrator("child", input=1, instance_id="inner")
        failing = [
            ctx.call_activity("fail", input="so"),
            ctx.call_sub_orchestrator("child", input="fail"),
            ctx.call_entity(SAFE, "put", -1),
        ]
        for each in failing:
            with pytest.raises(Exception, match=r"fail|inside|nothing"):
                yield each
        ctx.signal_entity(OTHER, "put", 2, ctx.current_utc_datetime + timedelta(minutes=1))
        with (yield ctx.lock_entities([SAFE])):
            yield ctx.call_entity(SAFE, "put", 3)
        return (yield ctx.wait_for_external_event("Go"))

    @app.orchestration_trigger(context_name="context")
    def unlucky(ctx: Any, given: Any) -> Code:
        yield ctx.call_activity("fail", input="once")
        return "in the end"

    return app


@pytest.fixture
async def hub() -> AsyncIterator[MemoryHub]:
    async with hub_of(functions()) as hub:
        yield hub


def only(events: list[Any], kind: type[Any]) -> Any:
    (found,) = [event for event in events if type(event) is kind]
    return found


async def test_each_event_has_its_class(hub: MemoryHub) -> None:
    client = DurableFunctionsClient(hub.client)
    await client.schedule_new_orchestration("everything", input="first", instance_id="one")
    await hub.run(600)
    await client.suspend_orchestration("one", reason="rest")
    await hub.run(1)
    await client.resume_orchestration("one", reason="go on")
    await client.raise_orchestration_event("one", "Go", data={"a": 1})
    await hub.wait("one")
    events = await client.get_orchestration_history("one")
    assert all(isinstance(event, history.HistoryEvent) for event in events)

    timer, fired = only(events, history.TimerCreatedEvent), only(events, history.TimerFiredEvent)
    assert (fired.timer_id, fired.fire_at) == (timer.event_id, timer.fire_at)
    created = [e for e in events if type(e) is history.SubOrchestrationInstanceCreatedEvent]
    assert [(each.name, each.input) for each in created] == [("child", "1"), ("child", '"fail"')]
    done = only(events, history.SubOrchestrationInstanceCompletedEvent)
    assert (done.task_scheduled_id, done.result) == (created[0].event_id, "1")
    failed = only(events, history.SubOrchestrationInstanceFailedEvent)
    assert failed.task_scheduled_id == created[1].event_id
    assert failed.failure_details.is_caused_by(ValueError)
    task_failed = only(events, history.TaskFailedEvent)
    assert task_failed.task_scheduled_id == only(events, history.TaskScheduledEvent).event_id
    assert (task_failed.failure_details.message, task_failed.failure_details.error_type) == (
        "so",
        "ValueError",
    )
    raised = [(e.name, e.input) for e in events if isinstance(e, history.EventRaisedEvent)]
    assert raised == [("Done", "1"), ("Go", '{"a":1}')]
    assert only(events, history.ExecutionSuspendedEvent).input == "rest"
    assert only(events, history.ExecutionResumedEvent).input == "go on"

    called = [e for e in events if type(e) is history.EntityOperationCalledEvent]
    assert [(each.operation, each.input) for each in called] == [("put", "-1"), ("put", "3")]
    assert {each.target_instance_id for each in called} == {"@safe@one"}
    refused = only(events, history.EntityOperationFailedEvent)
    assert refused.request_id == called[0].request_id
    assert refused.failure_details.message == "less than nothing"
    put = only(events, history.EntityOperationCompletedEvent)
    assert (put.request_id, put.output) == (called[1].request_id, "3")
    signal = only(events, history.EntityOperationSignaledEvent)
    assert (signal.target_instance_id, signal.operation, signal.input) == ("@safe@two", "put", "2")
    section = only(events, history.EntityLockRequestedEvent)
    assert (section.lock_set, section.position) == (["@safe@one"], 0)
    granted = only(events, history.EntityLockGrantedEvent)
    unlocked = only(events, history.EntityUnlockSentEvent)
    assert granted.critical_section_id == section.critical_section_id
    assert unlocked.target_instance_id == "@safe@one"

    sent = only(await client.get_orchestration_history("inner"), history.EventSentEvent)
    assert (sent.instance_id, sent.name, sent.input) == ("one", "Done", "1")


async def test_how_executions_begin_and_end(hub: MemoryHub) -> None:
    client = DurableFunctionsClient(hub.client)
    later = hub.clock.now() + timedelta(seconds=30)
    await client.schedule_new_orchestration(
        "everything", instance_id="one", tags={"team": "tea"}, version="2.0", start_at=later
    )
    await hub.run(600)
    begun = only(await client.get_orchestration_history("one"), history.ExecutionStartedEvent)
    assert (begun.name, begun.version, begun.tags) == ("everything", "2.0", {"team": "tea"})
    assert begun.scheduled_start_timestamp == later
    assert isinstance(begun.orchestration_instance, history.OrchestrationInstance)
    assert begun.orchestration_instance.instance_id == "one"
    assert begun.orchestration_instance.execution_id
    assert (begun.parent_instance, begun.parent_trace_context) == (None, None)
    inner = only(await client.get_orchestration_history("inner"), history.ExecutionStartedEvent)
    assert isinstance(inner.parent_instance, history.ParentInstanceInfo)
    assert inner.parent_instance.orchestration_instance.instance_id == "one"

    await client.terminate_orchestration("one", output="enough")
    await hub.wait("one")
    ended = only(await client.get_orchestration_history("one"), history.ExecutionTerminatedEvent)
    assert (ended.input, ended.recurse) == ("enough", True)

    await client.schedule_new_orchestration("unlucky", instance_id="two")
    await hub.wait("two")
    await client.rewind_orchestration("two", reason="again")
    await hub.wait("two")
    rewound = only(await client.get_orchestration_history("two"), history.ExecutionRewoundEvent)
    assert (rewound.reason, rewound.instance_id) == ("again", "two")


async def test_events_are_plain_data(hub: MemoryHub) -> None:
    client = DurableFunctionsClient(hub.client)
    await client.schedule_new_orchestration("unlucky", instance_id="one")
    await hub.wait("one")
    events = await client.get_orchestration_history("one")
    shown = [history.to_dict(event) for event in events]
    assert json.loads(json.dumps(shown)) == shown
    failure = only(events, history.TaskFailedEvent).to_dict()
    assert set(failure) == {"event_id", "timestamp", "task_scheduled_id", "failure_details"}
    assert (
        failure["failure_details"].items()
        >= {
            "message": "once",
            "error_type": "ValueError",
            "inner_failure": None,
        }.items()
    )
    assert datetime.fromisoformat(failure["timestamp"]).tzinfo is not None


def test_events_are_made_by_position_as_in_unit_tests_of_apps() -> None:
    now = datetime(2026, 1, 2, tzinfo=UTC)
    trace = history.TraceContext("00-ab-cd-01", "cd")
    parent = history.ParentInstanceInfo(3, "outer", None, history.OrchestrationInstance("p", "e"))
    started = history.ExecutionStartedEvent(
        -1, now, "flow", None, "1", None, parent, None, trace, None, {"a": "b"}
    )
    assert started.to_dict()["parent_instance"] == {
        "task_scheduled_id": 3,
        "name": "outer",
        "version": None,
        "orchestration_instance": {"instance_id": "p", "execution_id": "e"},
    }
    assert started.to_dict()["parent_trace_context"]["span_id"] == "cd"
    assert history.ContinueAsNewEvent(1, now, "2") == history.ContinueAsNewEvent(1, now, input="2")
    called = history.EntityOperationCalledEvent(1, now, "r", "add", None, "1", "one", "e", "@a@b")
    assert (called.parent_instance_id, called.target_instance_id) == ("one", "@a@b")
    with pytest.raises(AttributeError):
        called.anything_else = 1
