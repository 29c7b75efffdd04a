from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from durable.engine.context import DurableOrchestrationContext as Context
from durable.errors import InvalidRequestError
from durable.hub.decoding import decode_message
from durable.hub.messages import BadMessage, WorkBatch, WorkItem
from durable.model.calls import ActivityOptions, CallOptions
from durable.model.event_json import event_from_dict, event_to_dict
from durable.model.events import TaskScheduled
from tests.engine.driving import Driven

ASKED = CallOptions(timedelta(seconds=90), timedelta(milliseconds=1500), 7, "customer-1")
ITEM = WorkItem("i", "ab", "e", 3, "charge", datetime(2026, 1, 1, tzinfo=UTC), 2, 3, 1, '"x"')


def test_a_call_records_what_it_asks_for() -> None:
    async def code(context: Context) -> Any:
        return await context.call_activity(
            "charge",
            1,
            timeout=timedelta(seconds=90),
            heartbeat_timeout=timedelta(milliseconds=1500),
            priority=7,
            key="customer-1",
        )

    assert Driven(code).turn().turn.events[-1] == TaskScheduled(0, "charge", "1", 0, options=ASKED)


def test_a_call_that_asks_for_nothing_records_nothing() -> None:
    async def code(context: Context) -> Any:
        return await context.call_activity("charge", 1, timeout=None, priority=0)

    event = Driven(code).turn().turn.events[-1]
    assert event == TaskScheduled(0, "charge", "1", 0)
    assert "options" not in event_to_dict(event)


def test_events_and_messages_carry_them() -> None:
    event = TaskScheduled(0, "charge", "1", 0, options=ASKED)
    assert event_from_dict(event_to_dict(event)) == event
    item = WorkItem(
        "i", "ab", "e", 3, "charge", datetime(2026, 1, 1, tzinfo=UTC), 2, 3, 1, options=ASKED
    )
    assert decode_message(item.encode()) == item
    batch = WorkBatch((item, ITEM))
    assert decode_message(batch.encode()) == batch
    assert b"options" not in ITEM.encode()


@pytest.mark.parametrize(
    "options",
    [
        "[]",
        '{"timeout":"x"}',
        '{"timeout":1e300}',
        '{"timeout":NaN}',
        '{"priority":"high"}',
        '{"key":7}',
        '{"key":"%s"}' % ("k" * 401),
        '{"more":1}',
    ],
)
def test_a_message_with_other_options_is_refused(options: str) -> None:
    body = ITEM.encode()[:-1] + b',"options":' + options.encode() + b"}"
    with pytest.raises(BadMessage, match="malformed work"):
        decode_message(body)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"timeout": timedelta(0)}, "positive timedelta as timeout"),
        ({"heartbeat_timeout": 5}, "positive timedelta as heartbeat_timeout"),
        ({"priority": "high"}, "int as priority"),
        ({"key": ""}, "not empty as key"),
        ({"key": "k" * 401}, "at most 400 characters"),
        ({"key": "k\ud800"}, "not valid Unicode"),
    ],
)
def test_what_cannot_be_asked_for(options: ActivityOptions, says: str) -> None:
    with pytest.raises(InvalidRequestError, match=says):
        CallOptions.of(options)
