"""Events, suspend, resume, terminate, restart, rewind and fork."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from durable.management.history import history_json
from durable.model.events import (
    EventRaised,
    ExecutionResumed,
    ExecutionRewound,
    ExecutionSuspended,
    ExecutionTerminated,
    OrchestratorStarted,
)

from .conftest import World, path_of


async def inbox(world: World, instance_id: str) -> list[object]:
    """What was accepted for an instance."""
    head = await world.hub.instances.head(instance_id)
    assert head is not None
    return [row.arrival.event for row in (await world.hub.instances.inbox(head)).rows]


@pytest.mark.parametrize(
    ("raw", "data"), [(b'{"ok": true}', '{"ok":true}'), (b"", None), (b"null", None)]
)
async def test_an_event_is_stored(world: World, raw: bytes, data: str | None) -> None:
    await world.client.start_new("work", "i")
    answer = await world.call("POST", "instances/i/raiseEvent/Go%2Fnow%20%C3%A4", raw=raw)
    assert (answer.status, answer.text) == (202, "")
    (event,) = await inbox(world, "i")
    assert isinstance(event, EventRaised)
    assert (event.name, event.input) == ("Go/now ä", data)


@pytest.mark.parametrize(
    ("path", "kind", "reason"),
    [
        ("suspend?reason=rest%20now", ExecutionSuspended, "rest now"),
        ("resume?Reason=go&code=x", ExecutionResumed, "go"),
        ("terminate?reason=%C3%A4", ExecutionTerminated, "ä"),
        ("suspend", ExecutionSuspended, ""),
    ],
)
async def test_signals_are_stored_with_their_reason(
    world: World, path: str, kind: type, reason: str
) -> None:
    await world.client.start_new("work", "i")
    answer = await world.call("POST", f"instances/i/{path}")
    assert (answer.status, answer.text) == (202, "")
    (event,) = await inbox(world, "i")
    assert isinstance(event, kind)
    assert event.reason == reason  # type: ignore[attr-defined]


@pytest.mark.parametrize(("query", "recurse"), [("", False), ("recursive=true", True)])
async def test_terminate_reaches_children_by_choice(
    world: World, query: str, recurse: bool
) -> None:
    await world.client.start_new("work", "i")
    await world.call("POST", f"instances/i/terminate?{query}")
    (event,) = await inbox(world, "i")
    assert isinstance(event, ExecutionTerminated)
    assert event.recurse is recurse


async def test_a_bad_recursive_terminates_nothing(world: World) -> None:
    await world.client.start_new("work", "i")
    assert (await world.call("POST", "instances/i/terminate?recursive=all")).status == 400
    assert await inbox(world, "i") == []


@pytest.mark.parametrize("path", ["raiseEvent/go", "terminate", "suspend", "resume"])
async def test_unknown_is_404_and_ended_is_410(world: World, path: str) -> None:
    unknown = await world.call("POST", f"instances/nobody/{path}")
    assert (unknown.status, unknown.error) == (404, "InstanceNotFound")
    await world.ended("echo", "i")
    ended = await world.call("POST", f"instances/i/{path}")
    assert (ended.status, ended.error) == (410, "InstanceFinished")
    assert "Completed" in ended.json["message"]


async def test_suspend_and_resume_show_in_the_status(world: World) -> None:
    await world.client.start_new("work", "i")
    await world.run("i")
    await world.call("POST", "instances/i/suspend?reason=rest")
    await world.run("i")
    answer = await world.call("GET", "instances/i?showHistory=true")
    assert (answer.status, answer.json["runtimeStatus"]) == (202, "Suspended")
    suspended = answer.json["historyEvents"][-1]
    assert (suspended["EventType"], suspended["Reason"]) == ("ExecutionSuspended", "rest")
    await world.call("POST", "instances/i/resume")
    await world.run("i")
    assert (await world.call("GET", "instances/i")).json["runtimeStatus"] == "Running"


async def test_a_restart_is_a_new_instance(world: World) -> None:
    await world.ended("echo", "i", {"n": 1})
    answer = await world.call("POST", "instances/i/restart")
    assert answer.status == 202
    assert answer.json["id"] != "i"
    assert answer.headers["Location"] == answer.json["statusQueryGetUri"]
    status = (await world.call("GET", f"instances/{answer.json['id']}")).json
    assert (status["name"], status["input"]) == ("echo", {"n": 1})


async def test_a_restart_in_place(world: World) -> None:
    await world.ended("echo", "i", {"n": 1})
    path = "instances/i/restart?restartWithNewInstanceId=false"
    answer = await world.call("POST", path)
    assert (answer.status, answer.json["id"]) == (202, "i")
    assert (await world.call("GET", "instances/i")).json["runtimeStatus"] == "Pending"
    again = await world.call("POST", path)
    assert (again.status, again.error) == (409, "InstanceExists")


@pytest.mark.parametrize("path", ["nobody/restart", "i/restart?restartWithNewInstanceId=no"])
async def test_restarts_that_cannot_be(world: World, path: str) -> None:
    await world.ended("echo", "i")
    answer = await world.call("POST", f"instances/{path}")
    assert answer.status == 400
    assert answer.error in ("InstanceNotFound", "InvalidRequest")
    assert len((await world.call("GET", "instances")).json) == 1


async def test_rewind_lets_a_failed_instance_go_on(world: World) -> None:
    await world.ended("fail", "i")
    answer = await world.call("POST", "instances/i/rewind?reason=mended%20now")
    assert (answer.status, answer.text) == (202, "")
    (event,) = await inbox(world, "i")
    assert isinstance(event, ExecutionRewound)
    assert event.reason == "mended now"
    assert (await world.call("GET", "instances/i")).json["runtimeStatus"] == "Running"


@pytest.mark.parametrize(
    ("instance", "status", "error"),
    [
        ("running", 409, "InstanceNotFailed"),
        ("done", 410, "InstanceFinished"),
        ("nobody", 404, "InstanceNotFound"),
        ("@x@y", 400, "InvalidInstanceId"),
    ],
)
async def test_rewind_of_what_has_not_failed(
    world: World, instance: str, status: int, error: str
) -> None:
    await world.client.start_new("work", "running")
    await world.ended("echo", "done")
    answer = await world.call("POST", f"instances/{instance}/rewind")
    assert (answer.status, answer.error) == (status, error)


async def test_the_management_url_of_a_status_works_by_key(world: World) -> None:
    await world.client.start_new("work", "order 1+ä")
    answer = await world.call("GET", "instances/order 1+ä?showHistory=true")
    again = await world.call("GET", path_of(answer.headers["Location"]))
    assert (again.status, again.json) == (answer.status, answer.json)


async def test_a_fork_is_a_new_instance_that_says_of_what(world: World) -> None:
    await world.ended("sleep", "i", 1)
    body = {"step": 1, "input": None, "newInstanceId": "f", "tags": {"why": "test"}}
    answer = await world.call("POST", "instances/i/fork", body)
    assert (answer.status, answer.json["id"]) == (202, "f")
    assert answer.headers["Location"] == answer.json["statusQueryGetUri"]
    status = (await world.call("GET", "instances/f")).json
    assert (status["name"], status["input"]) == ("sleep", None)
    assert status["forkedFrom"] == {"instanceId": "i", "step": 1}
    assert status["tags"] == {"why": "test"}
    other = await world.call("POST", "instances/i/fork", {"step": 0})
    status = (await world.call("GET", f"instances/{other.json['id']}")).json
    assert (status["input"], status["forkedFrom"]["step"]) == (1, 0)
    assert "forkedFrom" not in (await world.call("GET", "instances/i")).json


@pytest.mark.parametrize(
    ("instance", "body", "status", "error"),
    [
        ("nobody", {"step": 0}, 404, "InstanceNotFound"),
        ("@x@y", {"step": 0}, 400, "InvalidInstanceId"),
        ("i", None, 400, "InvalidRequest"),
        ("i", [1], 400, "InvalidRequest"),
        ("i", {"input": 1}, 400, "InvalidRequest"),
        ("i", {"step": "1"}, 400, "InvalidRequest"),
        ("i", {"step": True}, 400, "InvalidRequest"),
        ("i", {"step": -1}, 400, "InvalidRequest"),
        ("i", {"step": 99}, 400, "InvalidRequest"),
        ("i", {"step": 0, "Input": 1}, 400, "InvalidRequest"),
        ("i", {"step": 0, "version": 1}, 400, "InvalidRequest"),
        ("i", {"step": 0, "version": "x" * 201}, 400, "InvalidRequest"),
        ("i", {"step": 0, "tags": [["a", "b"]]}, 400, "InvalidRequest"),
        ("i", {"step": 0, "tags": {"a": 1}}, 400, "InvalidRequest"),
        ("i", {"step": 0, "newInstanceId": 1}, 400, "InvalidRequest"),
        ("i", {"step": 0, "newInstanceId": "a/b"}, 400, "InvalidInstanceId"),
        ("i", {"step": 0, "newInstanceId": "i"}, 409, "InstanceExists"),
    ],
)
async def test_forks_that_cannot_be(
    world: World, instance: str, body: object, status: int, error: str
) -> None:
    await world.ended("echo", "i")
    answer = await world.call("POST", f"instances/{instance}/fork", body)
    assert (answer.status, answer.error) == (status, error)
    assert len((await world.call("GET", "instances")).json) == 1


def test_a_history_says_when_what_was_taken_over_had_come() -> None:
    now, then = datetime(2026, 3, 2, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC)
    (shown,) = json.loads(history_json([(now, OrchestratorStarted(then))]))
    assert shown == {
        "EventType": "OrchestratorStarted",
        "StartedTime": "2026-03-01T00:00:00.000000Z",
        "Timestamp": "2026-03-02T00:00:00.000000Z",
    }
