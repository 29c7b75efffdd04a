"""Forks in the hub that skips time."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

import durable as df
from durable.testing import SyncTestHub, TestHub

app = df.DFApp()
DAYS = timedelta(days=30)


@app.activity_trigger(input_name="what")
def note(what: str) -> str:
    return what


@app.orchestration_trigger(context_name="context")
async def contract(context: df.DurableOrchestrationContext) -> list[Any]:
    begins = context.current_utc_datetime
    await context.call_activity("note", "signed")
    await context.create_timer(begins + DAYS)
    await context.call_activity("note", "reminded")
    await context.create_timer(context.current_utc_datetime + DAYS)
    await context.call_activity("note", context.get_input())
    return [begins.isoformat(), context.current_utc_datetime.isoformat()]


async def test_what_was_waited_for_is_not_waited_for_again() -> None:
    async with TestHub(app) as hub:
        began = hub.now
        first = await hub.start("contract", "prolonged")
        await hub.result(first)
        assert hub.now == began + 2 * DAYS
        # the thirty days before the reminder have passed, those after it have not
        second = await hub.client.fork(first, 2, input_="ended")
        assert await hub.result(second) == [
            began.isoformat(),
            (began + 3 * DAYS).isoformat(),
        ]
        assert [call.input for call in hub.calls("note")] == [
            "signed",
            "reminded",
            "prolonged",
            "reminded",
            "ended",
        ]
        # a timer that runs at the source runs on to the same moment
        third = await hub.start("contract", "x")
        await hub.advance(DAYS / 3)
        fourth = await hub.client.fork(third, 2)
        due = hub.now + 2 * DAYS / 3 + DAYS
        await hub.result(fourth)
        assert hub.now == due


@pytest.mark.parametrize("replays", [False, True])
async def test_a_crash_before_and_after_it_took_over(replays: bool) -> None:
    async with TestHub(app, replay_every_turn=replays) as hub:
        first = await hub.start("contract", "prolonged")
        await hub.result(first)
        fork = await hub.client.fork(first, 2)
        hub.crash()
        await hub.advance(DAYS / 2)
        hub.crash()
        await hub.result(fork)
        noted = [call.input for call in hub.calls("note") if call.instance_id == fork]
        assert noted == ["reminded", "prolonged"]


def test_the_client_that_blocks_forks_too() -> None:
    with SyncTestHub(app) as hub:
        first = hub.start("contract", "prolonged")
        hub.result(first)
        fork = hub.call(hub.client.fork(first, 4, input_="ended"))
        hub.result(fork)
        assert [call.input for call in hub.calls("note") if call.instance_id == fork] == ["ended"]
