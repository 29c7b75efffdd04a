"""A process that ends in the middle, and another over the same storage."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from durable.testing import TestHub
from tests.testing.app import app

TEA = {"item": "tea", "cents": 300}


async def test_while_it_waits() -> None:
    async with TestHub(app) as hub:
        instance_id = await hub.start("buy", TEA)
        hub.crash()
        assert (await hub.result(instance_id))["number"] == "r-tea"
        assert len(hub.calls("charge")) == 1
        assert len(hub.calls("ship")) == 1


async def test_in_an_activity_that_runs_again() -> None:
    async with TestHub(app) as hub:

        def dying(order: dict[str, Any]) -> dict[str, object]:
            if len(hub.calls("charge")) == 1:
                hub.crash()
            return {"number": f"{len(hub.calls('charge'))}", "cents": order["cents"]}

        hub.replace("charge", dying)
        before = hub.now
        instance_id = await hub.start("buy", TEA)
        assert await hub.result(instance_id) == {"number": "2", "cents": 300}
        # the lease of the process that died had to end first
        late = hub.calls("charge")[1].time - before
        assert timedelta(seconds=1) < late <= timedelta(seconds=60)


async def test_before_a_start_and_an_event_were_heard() -> None:
    async with TestHub(app) as hub:
        hub.crash()
        instance_id = await hub.client.start_new("decide")
        hub.crash()
        await hub.raise_event(instance_id, "decision", 1)
        hub.crash()
        assert await hub.result(instance_id) == 1


async def test_at_every_step_of_a_fan_out() -> None:
    async with TestHub(app) as hub:
        instance_id = await hub.start("family")
        for _ in range(10):
            await hub.advance(3600)
            hub.crash()
        assert len(await hub.result(instance_id)) == 3


async def test_entities_keep_their_state() -> None:
    async with TestHub(app) as hub:
        await hub.signal_entity("counter", "one", "add", 3)
        await hub.signal_entity("counter", "one", "add_later", 4)
        hub.crash()
        await hub.advance(timedelta(hours=31))
        assert await hub.entity_state("counter", "one") == 7


async def test_history_is_there() -> None:
    async with TestHub(app) as hub:
        instance_id = await hub.start("sleep", 60)
        hub.crash()
        await hub.result(instance_id)
        history = await hub.history(instance_id)
        assert [type(event).__name__ for _, event in history] == [
            "ExecutionStarted",
            "TimerCreated",
            "TimerFired",
            "ExecutionCompleted",
        ]
        assert history[2][0] - history[0][0] >= timedelta(seconds=60)
