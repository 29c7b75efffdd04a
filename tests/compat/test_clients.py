"""The clients of Durable Functions over the native one."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Generator
from datetime import UTC, datetime
from typing import Any

import azure.functions as func
import pytest

import durable as df
from durable.compat.client import DurableFunctionsClient, DurableOrchestrationClient
from durable.compat.v1.models import OrchestrationRuntimeStatus, PurgeHistoryResult
from durable.compat.v1.status import DurableOrchestrationStatus
from durable.compat.v2 import history
from durable.compat.v2.values import OrchestrationFailedError, OrchestrationQuery
from durable.compat.v2.values import OrchestrationStatus as Status
from tests.compat.running import hub_of
from tests.memory_hub import MemoryHub

Code = Generator[Any, Any, Any]
REQUEST = func.HttpRequest("POST", "http://localhost/api/start", body=b"")


class Links:
    def payload(self, instance_id: str) -> dict[str, str]:
        return {"id": instance_id, "statusQueryGetUri": f"http://links/{instance_id}"}


def functions() -> df.DFApp:
    app = df.DFApp()

    @app.activity_trigger(input_name="text")
    def echo(text: str) -> str:
        return text

    @app.orchestration_trigger(context_name="context")
    def order(context: Any) -> Code:
        context.set_custom_status({"step": 1})
        if context.get_input() == "wait":
            yield context.wait_for_external_event("go")
        if context.get_input() == "fail":
            raise ValueError("it had to be")
        return (yield context.call_activity("echo", "done"))

    @app.orchestration_trigger(context_name="context")
    def parent(context: Any) -> Code:
        yield context.task_all(
            [context.call_sub_orchestrator("order", instance_id=f"child {n}") for n in range(2)]
        )

    return app


@pytest.fixture
async def hub() -> AsyncIterator[MemoryHub]:
    async with hub_of(functions()) as hub:
        hub.client._links = Links()
        yield hub


@pytest.fixture
def client(hub: MemoryHub) -> DurableFunctionsClient:
    return DurableFunctionsClient(hub.client)


async def test_a_status_has_decoded_payloads_and_json(
    hub: MemoryHub, client: DurableFunctionsClient
) -> None:
    instance_id = await client.start_new("order", client_input={"a": 1}, instance_id="one")
    await hub.wait(instance_id)
    status = await client.get_status("one")
    assert status
    assert (status.name, status.output, status.input_) == ("order", "done", None)
    assert status.custom_status == {"step": 1}
    assert status.runtime_status is OrchestrationRuntimeStatus.Completed
    assert str(status.runtime_status) == df.OrchestrationRuntimeStatus.COMPLETED
    assert hash(status.runtime_status) == hash(df.OrchestrationRuntimeStatus.COMPLETED)
    assert status.history is None
    shown = await client.get_status("one", show_history=True, show_input=True)
    assert shown.input_ == {"a": 1}
    assert shown.history is not None
    assert next(each["EventType"] for each in shown.history) == "ExecutionStarted"
    text = shown.to_json()
    assert (text["runtimeStatus"], text["instanceId"]) == ("Completed", "one")
    assert datetime.strptime(text["createdTime"], "%Y-%m-%dT%H:%M:%S.%fZ")
    again = DurableOrchestrationStatus.from_json(json.dumps(text))
    assert (again.output, again.history) == ("done", shown.history)
    assert again.created_time == shown.created_time


async def test_an_unknown_instance_is_false(client: DurableFunctionsClient) -> None:
    status = await client.get_status("nobody")
    assert not status
    assert (status.runtime_status, status.output, status.to_json()) == (None, None, {})
    assert await client.get_orchestration_state("nobody") is None
    assert await client.wait_for_orchestration_completion("nobody") is None
    assert await client.wait_for_orchestration_start("nobody") is None


async def test_events_reach_an_instance_and_not_an_ended_one(
    hub: MemoryHub, client: DurableFunctionsClient
) -> None:
    await client.start_new("order", "one", "wait")
    await client.raise_event("one", "go", event_data=1, task_hub_name="TEST")
    await hub.wait("one")
    with pytest.raises(df.InstanceFinishedError):
        await client.raise_event("one", "go")
    with pytest.raises(df.InstanceNotFoundError):
        await client.raise_event("nobody", "go")
    with pytest.raises(ValueError, match="task_hub_name"):
        await client.raise_event("one", "go", None, "another")


async def test_to_steer_what_has_ended_is_no_error_and_what_is_not_there_is(
    hub: MemoryHub, client: DurableFunctionsClient
) -> None:
    await client.start_new("order", "one", "wait")
    await client.suspend("one", "rest")
    await hub.run(1)
    assert (await client.get_status("one")).runtime_status == "Suspended"
    await client.resume("one", "go on")
    await hub.run(1)
    await client.terminate("one", {"why": "enough"})
    await hub.wait("one")
    for steer in (client.terminate, client.suspend, client.resume):
        await steer("one", "again")
        with pytest.raises(df.InstanceNotFoundError):
            await steer("nobody", "again")
    assert (await client.get_status("one")).runtime_status == "Terminated"


async def test_listing_and_purging(hub: MemoryHub, client: DurableFunctionsClient) -> None:
    for name, given in (("a1", None), ("a2", "wait"), ("b1", "fail")):
        await client.start_new("order", name, given)
    await hub.run(5)
    everything = await client.get_status_all()
    assert {status.instance_id for status in everything} == {"a1", "a2", "b1"}
    failed = await client.get_status_by(runtime_status=[OrchestrationRuntimeStatus.Failed])
    assert [status.instance_id for status in failed] == ["b1"]
    assert "it had to be" in failed[0].output
    named = await client.get_status_by(instance_id_prefix="a")
    assert {status.instance_id for status in named} == {"a1", "a2"}
    query = OrchestrationQuery(
        runtime_status=[Status.COMPLETED, Status.FAILED],
        fetch_inputs_and_outputs=True,
        max_instance_count=1,
    )
    assert len(await client.get_all_orchestration_states(query)) == 1
    page = await client.list_instance_ids(page_size=10)
    assert sorted(page.items) == ["a1", "b1"]
    future = await client.list_instance_ids(completed_time_from=datetime(2999, 1, 1))
    assert future.items == []
    purged = await client.purge_instance_history("a1")
    assert isinstance(purged, PurgeHistoryResult)
    assert purged.instances_deleted == 1
    assert (await client.purge_instance_history("a1")).instances_deleted == 0
    by = await client.purge_instance_history_by(
        datetime(2000, 1, 1, tzinfo=UTC), None, [OrchestrationRuntimeStatus.Failed]
    )
    assert by.instances_deleted == 1
    assert (await client.purge_orchestration("a2")).deleted_instance_count == 0
    assert (await client.purge_orchestrations_by()).is_complete


@pytest.mark.parametrize(("recursive", "expected"), [(True, 3), (False, 1)])
async def test_purging_takes_sub_orchestrations_along(
    hub: MemoryHub, client: DurableFunctionsClient, recursive: bool, expected: int
) -> None:
    await client.start_new("parent", "one")
    await hub.wait("one")
    purged = await client.purge_orchestration("one", recursive)
    assert purged.deleted_instance_count == expected
    assert bool(await client.get_status("child 1")) is not recursive


async def test_restart_and_rewind(hub: MemoryHub, client: DurableFunctionsClient) -> None:
    await client.start_new("order", "one")
    await hub.wait("one")
    other = await client.restart("one")
    assert other != "one"
    await hub.wait(other)
    assert await client.restart_orchestration("one") == "one"
    await client.start_new("order", "bad", "fail")
    await hub.wait("bad")
    await client.rewind("bad", "try again")
    await client.start_new("order", "waits", "wait")
    with pytest.raises(ValueError, match="rewound"):
        await client.rewind_orchestration("waits", reason="no")


async def test_the_names_of_durabletask(hub: MemoryHub, client: DurableFunctionsClient) -> None:
    client.default_version = "1.0"
    instance_id = await client.schedule_new_orchestration(
        "order", input="wait", instance_id="one", tags={"team": "tea"}
    )
    starting = await client.get_orchestration_state(instance_id, fetch_payloads=False)
    assert starting is not None
    assert (starting.runtime_status, starting.serialized_input) == (Status.PENDING, None)
    await hub.run(1)
    running = await client.wait_for_orchestration_start("one", fetch_payloads=True)
    assert running is not None
    assert (str(running.runtime_status), running.get_input(), running.tags) == (
        "RUNNING",
        "wait",
        {"team": "tea"},
    )
    assert running.get_custom_status() == {"step": 1}
    await client.suspend_orchestration("one", reason="rest")
    await hub.run(1)
    await client.resume_orchestration("one")
    await client.raise_orchestration_event("one", "go", data={"a": 1})
    await hub.wait("one")
    done = await client.wait_for_orchestration_completion("one", timeout=1)
    assert done is not None
    assert (done.get_output(), done.failure_details) == ("done", None)
    done.raise_if_failed()
    await client.terminate_orchestration("one", output="too late")
    events = await client.get_orchestration_history("one")
    kinds = [type(event) for event in events]
    assert kinds[0] is history.ExecutionStartedEvent
    assert kinds[-1] is history.ExecutionCompletedEvent
    (scheduled,) = [e for e in events if isinstance(e, history.TaskScheduledEvent)]
    (completed,) = [e for e in events if isinstance(e, history.TaskCompletedEvent)]
    assert (scheduled.name, completed.task_scheduled_id) == ("echo", scheduled.event_id)
    assert json.loads(json.dumps(completed.to_dict()))["result"] == '"done"'
    assert not [event for event in events if isinstance(event, history.GenericEvent)]


async def test_a_failed_instance_is_raised(hub: MemoryHub, client: DurableFunctionsClient) -> None:
    await client.start_new("order", "one", "fail")
    await hub.wait("one")
    state = await client.get_orchestration_state("one")
    assert state is not None
    with pytest.raises(OrchestrationFailedError, match="it had to be") as raised:
        state.raise_if_failed()
    assert raised.value.failure_details.error_type == "ValueError"


async def test_answers_with_links(hub: MemoryHub, client: DurableFunctionsClient) -> None:
    for payload in (
        client.create_http_management_payload("one"),
        client.create_http_management_payload(REQUEST, "one"),
        client.get_client_response_links(REQUEST, "one"),
    ):
        assert payload["id"] == "one"
        assert payload == payload.urls == payload.to_json() == json.loads(str(payload))
    marked = client.create_http_management_payload(REQUEST, "one", True)
    assert marked["statusQueryGetUri"].endswith("?returnInternalServerErrorOnFailure=true")
    with pytest.raises(TypeError, match="instance_id"):
        client.create_http_management_payload(REQUEST)
    response = client.create_check_status_response(REQUEST, "one")
    assert (response.status_code, response.headers["Retry-After"]) == (202, "10")
    assert response.headers["Location"] == payload["statusQueryGetUri"]


async def test_waiting_answers_with_the_outcome(
    hub: MemoryHub, client: DurableFunctionsClient
) -> None:
    answer = client.wait_for_completion_or_create_check_status_response
    for name, given in (("good", None), ("bad", "fail"), ("ended", "wait")):
        await client.start_new("order", name, given)
    await client.terminate("ended")
    await hub.run(5)
    good, bad, ended = [await answer(REQUEST, name) for name in ("good", "bad", "ended")]
    assert (good.status_code, good.get_body()) == (200, b"done")
    assert (bad.status_code, json.loads(bad.get_body())["runtimeStatus"]) == (500, "Failed")
    assert (ended.status_code, json.loads(ended.get_body())["runtimeStatus"]) == (
        200,
        "Terminated",
    )
    assert (await answer(REQUEST, "nobody")).status_code == 202
    with pytest.raises(ValueError, match="retry timeout"):
        await answer(REQUEST, "good", 10, 20)


async def test_what_was_injected_can_be_wrapped(
    hub: MemoryHub, client: DurableFunctionsClient
) -> None:
    wrapped = DurableOrchestrationClient(client)
    assert wrapped.native_client is hub.client
    assert await wrapped.start_new("order", "one") == "one"
    assert wrapped.taskHubName.casefold() == "test"
    assert wrapped.max_payload == hub.client.max_payload
    with pytest.raises(AttributeError, match="nothing"):
        _ = wrapped.nothing
    with pytest.raises(ValueError, match="binding's text"):
        DurableOrchestrationClient("{}")


async def test_native_options_are_there_too(hub: MemoryHub, client: DurableFunctionsClient) -> None:
    await client.start_new("order", "one", "wait")
    with pytest.raises(df.InstanceExistsError):
        await client.start_new("order", "one")
    assert await client.start_new("order", "one", if_exists="skip") == "one"
    assert [status.instance_id async for status in client.list_instances()] == ["one"]


def test_statuses_of_durabletask_stand_for_native_ones() -> None:
    native = df.OrchestrationRuntimeStatus
    assert Status.of(native.STUCK) is Status.RUNNING
    assert Status.of(native.CANCELED) is Status.TERMINATED
    assert Status.RUNNING.native == (native.RUNNING, native.STUCK)
    assert {each for status in Status for each in status.native} == set(native)


async def test_a_start_says_which_instances_it_may_replace(hub: MemoryHub) -> None:
    client = DurableFunctionsClient(hub.client)

    class Policy:
        replaceableStatus = (Status.FAILED.value,)

    async def start(given: str) -> str:
        return await client.schedule_new_orchestration(
            "order", input=given, instance_id="one", reuse_id_policy=Policy()
        )

    await start("fail")
    assert str((await hub.wait("one")).runtime_status) == "Failed"
    await start("")
    assert str((await hub.wait("one")).runtime_status) == "Completed"
    with pytest.raises(df.InstanceExistsError):
        await start("")
