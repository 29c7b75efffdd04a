"""Measurements, on a hub in memory."""

from __future__ import annotations

from typing import Any

import pytest

from durable import DurableOrchestrationContext
from durable.errors import RowChanged, Throttled
from durable.runtime.options import RuntimeOptions
from durable.testing import TestHub
from tests.memory_hub import MemoryHub
from tests.runtime.helpers import is_commit
from tests.telemetry.app import app
from tests.telemetry.listening import Listener

Context = DurableOrchestrationContext


async def test_turns_activities_and_what_waited() -> None:
    heard = Listener()
    async with TestHub(app, telemetry=heard.telemetry) as hub:
        started = await hub.start("parent")
        await hub.client.raise_event(started, "approved", True)
        await hub.result(started)
        await hub.run("calling_an_entity")
    turns = {(a["type"], a["name"]): n for a, n, _ in heard.measured("durable.turn.duration")}
    assert turns == {
        ("orchestration", "parent"): 3,
        ("orchestration", "child"): 3,
        ("orchestration", "calling_an_entity"): 2,
        ("entity", "counter"): 1,
    }
    ages = {(a["name"], a["kind"]): n for a, n, _ in heard.measured("durable.queue.age")}
    assert ages == {
        ("parent", "start"): 1,
        ("parent", "inbox"): 2,
        ("child", "start"): 1,
        ("child", "timer"): 1,
        ("double", "activity"): 1,
        ("calling_an_entity", "start"): 1,
        ("calling_an_entity", "inbox"): 1,
        ("counter", "inbox"): 1,
    }
    ((about, count, _),) = heard.measured("durable.activity.duration")
    assert (about, count) == ({"type": "activity", "name": "double", "status": "completed"}, 1)


async def test_retries_of_activities_are_counted() -> None:
    heard = Listener()
    async with TestHub(app, telemetry=heard.telemetry) as hub:
        await hub.run("retrying")
    counted = heard.measured("durable.activity.retries")
    assert counted == [({"type": "activity", "name": "fail_first"}, 1, 1)]
    runs = {a["status"]: n for a, n, _ in heard.measured("durable.activity.duration")}
    assert runs == {"failed": 1, "completed": 1}


async def test_an_event_waits_until_somebody_takes_it() -> None:
    heard = Listener()
    hub = _listened_to(MemoryHub(RuntimeOptions(always_queue=True)), heard)

    @hub.orchestrator
    async def waiting(context: Context) -> Any:
        await context.wait_for_external_event("go")
        return await context.call_activity("work")

    @hub.activity
    def work(value: Any) -> str:
        return "done"

    async with hub:
        started = await hub.client.start_new("waiting")
        await hub.idle()
        (runtime,) = hub.runtimes
        hub.pause(runtime, 300)
        await hub.outside.raise_event(started, "go")
        assert (await hub.wait(started)).get_output() == "done"
    ages = {a["kind"]: s for a, _, s in heard.measured("durable.queue.age") if a["name"] != "work"}
    assert ages["start"] == 0
    assert 300 <= ages["inbox"] < 400


@pytest.mark.parametrize(
    ("error", "conflicts", "retries"),
    [
        (
            RowChanged("another was faster"),
            [({"type": "orchestration", "name": "quick"}, 1, 1)],
            [],
        ),
        (Throttled("busy", retry_after=1.0), [], [({"type": "Throttled"}, 1, 1)]),
    ],
)
async def test_turns_that_were_not_stored(
    error: Exception, conflicts: list[Any], retries: list[Any]
) -> None:
    heard = Listener()
    hub = _listened_to(MemoryHub(), heard)
    struck: list[str] = []

    async def before(name: str, args: tuple[Any, ...]) -> None:
        if not struck and is_commit(name, args):
            struck.append(name)
            raise error

    async with hub:
        hub.tamper(hub.runtimes[0], before=before)
        await hub.wait(await hub.client.start_new("quick"))
    assert struck
    assert heard.measured("durable.commit.conflicts") == conflicts
    assert heard.measured("durable.storage.retries") == retries
    # what was lost is no turn
    assert heard.measured("durable.turn.duration")[0][1] == 1


async def test_a_call_that_is_refused_for_now_is_counted() -> None:
    heard = Listener()
    hub = _listened_to(MemoryHub(), heard)
    async with hub:
        struck: list[str] = []

        async def before(name: str, args: tuple[Any, ...]) -> None:
            if name == "send" and not struck:
                struck.append(name)
                raise Throttled("busy", retry_after=1.0)

        hub.tamper(hub.runtimes[0], before=before)
        task = hub.runtimes[0].spawn(hub.client.start_new("quick"))
        await hub.until(task.done)
        await hub.wait(task.result())
    assert heard.measured("durable.storage.retries") == [({"type": "Throttled"}, 1, 1)]


def _listened_to(hub: MemoryHub, heard: Listener) -> MemoryHub:
    hub.telemetry = heard.telemetry
    hub.use(hub.storage)

    @hub.orchestrator
    async def quick(context: Context) -> int:
        return 1

    return hub
