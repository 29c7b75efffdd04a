"""What log records say beside their text."""

from __future__ import annotations

import logging
from typing import Any

import pytest

import durable as df
from durable.testing import TestHub
from tests.telemetry.app import app, broken
from tests.telemetry.listening import Listener


class _Kept(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []
        self.addFilter(df.ActivityLogFilter())

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    def about(self, logger: str) -> list[tuple[Any, ...]]:
        names = ("instance_id", "function_name", "attempt")
        return [
            tuple(getattr(each, name, None) for name in names)
            for each in self.records
            if each.name == logger
        ]


@pytest.fixture
def kept() -> Any:
    handler, root = _Kept(), logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield handler
    root.removeHandler(handler)
    root.setLevel(before)


async def test_records_say_which_instance_function_and_attempt(kept: _Kept) -> None:
    async with TestHub(app) as hub:
        await hub.run("chain", instance_id="c")
        await hub.run("retrying", instance_id="r")
    # the orchestrator's own line, and one in each activity
    assert kept.about("tests.telemetry.app") == [
        ("c", "chain", None),
        *[("c", "double", 1)] * 3,
    ]
    assert kept.about("durable.activities") == [("r", "fail_first", 1)]
    assert kept.about("durable.runtime") == [
        ("c", "chain", None),
        ("c", "chain", None),
        ("r", "retrying", None),
        ("r", "retrying", None),
    ]


async def test_inputs_and_outputs_are_not_logged(kept: _Kept) -> None:
    broken.clear()
    heard = Listener(payloads=True)
    async with TestHub(app, telemetry=heard.telemetry) as hub:
        await hub.run("fan_out", "s3cret")
        started = await hub.start("parent", "s3cret")
        await hub.client.raise_event(started, "approved", "s3cret")
        await hub.result(started)
    assert kept.records
    assert not [each for each in kept.records if "s3cret" in str(each.__dict__)]


def test_what_a_record_says_itself_is_kept() -> None:
    record = logging.makeLogRecord({"instance_id": "own"})
    assert df.ActivityLogFilter().filter(record) is True
    assert record.__dict__["instance_id"] == "own"
    assert not hasattr(record, "attempt")
