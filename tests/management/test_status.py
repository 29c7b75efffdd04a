"""GET instances/{id}: the status, its codes and its history."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from durable.hub.heartbeats import Heartbeats
from durable.hub.messages import WorkItem
from durable.management.history import history_json
from durable.management.json_text import micros_of
from durable.model.events import (
    Event,
    EventSent,
    ExecutionResumed,
    ExecutionSuspended,
    PayloadRef,
    SubOrchestrationInstanceCompleted,
    SubOrchestrationInstanceCreated,
    SubOrchestrationInstanceFailed,
    TaskCompleted,
    TaskFailed,
    TaskScheduled,
    TimerCanceled,
    TimerCreated,
    TimerFired,
)
from durable.model.failure import FailureDetails
from durable.model.instance import OrchestrationRuntimeStatus

from .conftest import ROOT, World

FIELDS = [
    "name",
    "instanceId",
    "runtimeStatus",
    "input",
    "customStatus",
    "output",
    "createdTime",
    "lastUpdatedTime",
    "historyEvents",
]


async def test_a_pending_instance(world: World) -> None:
    world.clock.advance(0.75)
    await world.client.start_new("work", "i", {"a": 1})
    answer = await world.call("GET", "instances/i?code=secret&taskHub=other&connection=x")
    assert answer.status == 202
    assert answer.headers["Retry-After"] == "5"
    assert answer.headers["Location"] == f"{ROOT}/instances/i"
    assert list(answer.json) == FIELDS
    assert answer.json == {
        "name": "work",
        "instanceId": "i",
        "runtimeStatus": "Pending",
        "input": {"a": 1},
        "customStatus": None,
        "output": None,
        "createdTime": "2026-01-01T00:00:00Z",
        "lastUpdatedTime": "2026-01-01T00:00:00Z",
        "historyEvents": None,
    }


async def test_a_running_instance_keeps_the_callers_flags(world: World) -> None:
    await world.client.start_new("work", "i", "secret")
    world.clock.advance(61)
    await world.run("i")
    flags = "showInput=False&returnInternalServerErrorOnFailure=true&showHistory=false"
    answer = await world.call("GET", f"instances/i?{flags}")
    assert answer.status == 202
    assert answer.json["customStatus"] == {"waits": "go"}
    assert answer.json["input"] is None
    assert answer.json["lastUpdatedTime"] == "2026-01-01T00:01:01Z"
    location = answer.headers["Location"]
    kept = "showInput=false&returnInternalServerErrorOnFailure=true"
    assert location == f"{ROOT}/instances/i?{kept}"


async def test_a_completed_instance(world: World) -> None:
    await world.ended("echo", "i", ["out", None])
    answer = await world.call("GET", "instances/i?returnInternalServerErrorOnFailure=true")
    assert answer.status == 200
    assert answer.json["runtimeStatus"] == "Completed"
    assert answer.json["output"] == ["out", None]
    assert list(answer.json) == FIELDS
    assert not {"Location", "Retry-After"} & set(answer.headers)


async def test_a_failed_instance(world: World) -> None:
    await world.ended("fail", "i")
    answer = await world.call("GET", "instances/i")
    assert answer.status == 200
    assert answer.json["runtimeStatus"] == "Failed"
    assert answer.json["output"] == "Orchestrator function 'fail' failed: no luck"
    assert answer.json["failure"] == {"type": "ValueError", "message": "no luck"}
    flagged = await world.call("GET", "instances/i?returnInternalServerErrorOnFailure=true")
    assert (flagged.status, flagged.json) == (500, answer.json)


async def test_the_stack_is_shown_with_the_history_only(world: World) -> None:
    await world.ended("fail", "i")
    assert "raise ValueError" not in (await world.call("GET", "instances/i")).text
    answer = await world.call("GET", "instances/i?showHistory=true")
    assert "raise ValueError" in answer.json["failure"]["stack"]
    ending = answer.json["historyEvents"][-1]
    assert (ending["OrchestrationStatus"], ending["Reason"]) == ("Failed", "no luck")
    assert "raise ValueError" in ending["Details"]


async def test_a_stuck_instance_says_why_and_has_not_ended(world: World) -> None:
    await world.client.start_new("work", "i")
    head = await world.hub.instances.head("i")
    assert head is not None
    why = FailureDetails("the code has changed", "NonDeterminismError")
    await world.hub.instances.update(
        replace(head, status=OrchestrationRuntimeStatus.STUCK, failure=why)
    )
    answer = await world.call("GET", "instances/i?returnInternalServerErrorOnFailure=true")
    assert (answer.status, answer.json["runtimeStatus"]) == (202, "Stuck")
    assert answer.json["output"] is None
    assert answer.json["failure"]["message"] == "the code has changed"


async def test_a_terminated_instance(world: World) -> None:
    await world.client.start_new("work", "i")
    await world.client.terminate("i", "enough")
    await world.run("i")
    answer = await world.call("GET", "instances/i?showHistory=true")
    assert answer.status == 200
    assert (answer.json["runtimeStatus"], answer.json["output"]) == ("Terminated", "enough")
    ending = answer.json["historyEvents"][-1]
    assert ending["EventType"] == "ExecutionTerminated"
    assert (ending["OrchestrationStatus"], ending["Reason"]) == ("Terminated", "enough")


async def test_an_unknown_instance(world: World) -> None:
    for query in ("", "?showHistory=true"):
        answer = await world.call("GET", f"instances/nobody{query}")
        assert (answer.status, answer.error) == (404, "InstanceNotFound")


@pytest.mark.parametrize(
    "name", ["showHistory", "showHistoryOutput", "showInput", "returnInternalServerErrorOnFailure"]
)
@pytest.mark.parametrize("value", ["yes", "1", "true,true"])
async def test_flags_are_true_or_false(world: World, name: str, value: str) -> None:
    await world.client.start_new("work", "i")
    answer = await world.call("GET", f"instances/i?{name}={value}")
    assert (answer.status, answer.error) == (400, "InvalidRequest")
    assert name in answer.json["message"]


async def test_parameter_names_are_read_without_regard_to_case(world: World) -> None:
    await world.client.start_new("work", "i")
    answer = await world.call("GET", "INSTANCES/i?SHOWHISTORY=TRUE")
    assert answer.json["historyEvents"] == []


async def worked(world: World, value: object, result: str) -> None:
    """An instance of `work` that has ended; turns are a second apart."""
    await world.client.start_new("work", "i", value)
    await world.run("i")
    world.clock.advance(1)
    await world.client.raise_event("i", "GO", "event")
    await world.run("i")
    history = await world.client.get_history("i")
    task_id = history[-1][1].task_id  # type: ignore[union-attr]
    world.clock.advance(1)
    await world.run("i", TaskCompleted(task_id, result))


async def test_history_in_the_shape_of_durable_functions(world: World) -> None:
    await worked(world, "in", '"done"')
    answer = await world.call("GET", "instances/i?showHistory=true&showHistoryOutput=true")
    assert answer.json["historyEvents"] == [
        {
            "EventType": "ExecutionStarted",
            "FunctionName": "work",
            "Input": "in",
            "Timestamp": "2026-01-01T00:00:00.000000Z",
        },
        {
            "EventType": "EventRaised",
            "Name": "GO",
            "Input": "event",
            "Timestamp": "2026-01-01T00:00:01.000000Z",
        },
        {
            "EventType": "TaskCompleted",
            "FunctionName": "step",
            "Input": "in",
            "Result": "done",
            "ScheduledTime": "2026-01-01T00:00:01.000000Z",
            "TaskId": 0,
            "Timestamp": "2026-01-01T00:00:02.000000Z",
        },
        {
            "EventType": "ExecutionCompleted",
            "OrchestrationStatus": "Completed",
            "Result": ["done"],
            "Timestamp": "2026-01-01T00:00:02.000000Z",
        },
    ]


async def test_history_without_results_and_inputs(world: World) -> None:
    await worked(world, "in", '"done"')
    shown = (await world.call("GET", "instances/i?showHistory=true")).json["historyEvents"]
    assert not any("Result" in event for event in shown)
    assert any("Input" in event for event in shown)
    declined = await world.call("GET", "instances/i?showHistory=true&showInput=false")
    assert not any("Input" in event for event in declined.json["historyEvents"])
    assert '"in"' not in declined.text


async def test_long_payloads_are_sizes_unless_output_is_asked_for(world: World) -> None:
    long = "x" * 20_000
    await worked(world, long, f'"{long}y"')
    short = (await world.call("GET", "instances/i?showHistory=true")).json["historyEvents"]
    assert short[0]["InputBytes"] == 20_002
    assert "Input" not in short[0]
    full = await world.call("GET", "instances/i?showHistory=true&showHistoryOutput=true")
    assert full.json["historyEvents"][0]["Input"] == long
    assert full.json["historyEvents"][2]["Result"] == long + "y"
    assert full.json["input"] == long


async def test_what_running_activities_said_last(world: World) -> None:
    await world.client.start_new("work", "i")
    await world.run("i")
    await world.client.raise_event("i", "go")
    await world.run("i")
    assert "heartbeats" not in (await world.call("GET", "instances/i?showHeartbeats=true")).json
    head = await world.hub.instances.head("i")
    assert head is not None
    (stored, *_) = [
        each
        for each in await world.hub.instances.history(head)
        if any(isinstance(event, TaskScheduled) for event in each.turn.events)
    ]
    (event,) = [each for each in stored.turn.events if isinstance(each, TaskScheduled)]
    item = WorkItem.of(event, head, stored.turn)
    heartbeats = Heartbeats(world.hub.storage, world.hub.names)
    await heartbeats.write(item, '{"row":7}', again=False)
    shown = await world.call("GET", "instances/i?showHeartbeats=true")
    assert shown.headers["Location"].endswith("?showHeartbeats=true")
    assert shown.json["heartbeats"] == [
        {"taskId": event.task_id, "activity": "step", "attempt": 1, "details": {"row": 7}}
    ]
    assert "heartbeats" not in (await world.call("GET", "instances/i")).json


async def test_open_tasks_and_timers(world: World) -> None:
    await world.client.start_new("sleep", "i")
    await world.run("i")
    shown = (await world.call("GET", "instances/i?showHistory=true")).json["historyEvents"]
    assert shown[-1] == {
        "EventType": "TimerCreated",
        "FireAt": "2026-01-01T01:00:00.000000Z",
        "TaskId": 0,
        "Timestamp": "2026-01-01T00:00:00.000000Z",
    }


def test_every_other_event(world: World) -> None:
    now = world.clock.now()
    later = now + timedelta(minutes=5)
    failure = FailureDetails("broke", "ValueError")
    at = "2026-01-01T00:00:00.000000Z"
    cases: list[tuple[list[Event], str]] = [
        (
            [
                SubOrchestrationInstanceCreated(0, "child", "i:0", '"in"'),
                SubOrchestrationInstanceCompleted(0, '"out"'),
            ],
            '{"EventType":"SubOrchestrationInstanceCompleted","FunctionName":"child",'
            f'"InstanceId":"i:0","ScheduledTime":"{at}","Input":"in","Result":"out",'
            f'"Timestamp":"{at}"}}',
        ),
        (
            [
                SubOrchestrationInstanceCreated(0, "child", "i:0"),
                SubOrchestrationInstanceFailed(0, failure),
            ],
            '{"EventType":"SubOrchestrationInstanceFailed","FunctionName":"child",'
            f'"InstanceId":"i:0","ScheduledTime":"{at}","Input":null,"Reason":"broke",'
            f'"ErrorType":"ValueError","Timestamp":"{at}"}}',
        ),
        (
            [TaskFailed(7, failure)],
            '{"EventType":"TaskFailed","Reason":"broke","ErrorType":"ValueError",'
            f'"Timestamp":"{at}"}}',
        ),
        (
            [TaskCompleted(7, PayloadRef("n.0", 1, 99))],
            f'{{"EventType":"TaskCompleted","ResultBytes":99,"Timestamp":"{at}"}}',
        ),
        (
            [EventSent(0, "to", "hi", "1")],
            '{"EventType":"EventSent","Name":"hi","InstanceId":"to","Input":1,'
            f'"Timestamp":"{at}"}}',
        ),
        (
            [ExecutionSuspended("m", "rest")],
            f'{{"EventType":"ExecutionSuspended","Reason":"rest","Timestamp":"{at}"}}',
        ),
        (
            [ExecutionResumed("m")],
            f'{{"EventType":"ExecutionResumed","Reason":null,"Timestamp":"{at}"}}',
        ),
    ]
    for events, expected in cases:
        shown = history_json([(now, event) for event in events], show_output=True)
        assert shown == f"[{expected}]"
    timers: list[Event] = [TimerCreated(3, later), TimerFired(3), TimerCanceled(3)]
    shown = history_json([(now, event) for event in timers])
    assert shown.count(f'"FireAt":{micros_of(later)}') == 3
