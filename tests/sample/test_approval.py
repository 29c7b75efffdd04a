"""The approval: an answer in time, one after the escalation, and none."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from durable.testing import TestHub
from function_app import app
from orchestrators.approval import request_approval

REQUEST = {"subject": "New laptop", "approver": "Ann", "manager": "Max"}


@pytest.fixture(params=[False, True], ids=["live", "replayed"])
async def hub(request: pytest.FixtureRequest) -> AsyncIterator[TestHub]:
    replaced = {"send_notice": None}
    async with TestHub(app, activities=replaced, replay_every_turn=request.param) as running:
        yield running


def asked(hub: TestHub) -> list[str]:
    return [call.input["to"] for call in hub.calls("send_notice")]


async def test_an_answer_in_time_asks_nobody_else(hub: TestHub) -> None:
    approval = await hub.start(request_approval, REQUEST)
    await hub.advance(timedelta(hours=23))
    await hub.raise_event(approval, "decision", {"approved": True, "by": "Ann"})
    output = await hub.result(approval)
    assert (output["outcome"], output["escalated"]) == ("approved", False)
    assert output["decision"]["by"] == "Ann"
    assert asked(hub) == ["Ann"]


async def test_the_manager_hears_of_it_after_a_day_and_may_answer(hub: TestHub) -> None:
    approval = await hub.start(request_approval, REQUEST)
    await hub.advance(timedelta(hours=24))
    assert asked(hub) == ["Ann", "Max"]
    hub.crash()
    await hub.advance(timedelta(hours=23))
    await hub.raise_event(approval, "decision", {"approved": False, "by": "Max"})
    output = await hub.result(approval)
    assert (output["outcome"], output["escalated"]) == ("rejected", True)


async def test_without_an_answer_it_expires_after_two_days(hub: TestHub) -> None:
    approval = await hub.start(request_approval, REQUEST)
    await hub.advance(timedelta(hours=47, minutes=59))
    status = await hub.status(approval)
    assert (status.runtime_status, status.custom_status["waiting_for"]) == ("Running", "Max")
    await hub.advance(timedelta(minutes=1))
    assert await hub.result(approval) == {
        "outcome": "expired",
        "escalated": True,
        "decision": None,
    }
    assert asked(hub) == ["Ann", "Max", "Ann"]


async def test_a_notice_that_cannot_be_sent_is_tried_again(hub: TestHub) -> None:
    hub.replace("send_notice", ConnectionError("no mail"))
    approval = await hub.start(request_approval, REQUEST)
    await hub.advance(timedelta(seconds=19))
    hub.replace("send_notice", None)
    await hub.wait_for(approval, lambda status: status.custom_status)
    calls = hub.calls("send_notice")
    assert [call.attempt for call in calls] == [1, 2, 3]
    assert [(call.time - calls[0].time).total_seconds() for call in calls] == [0, 5, 20]
