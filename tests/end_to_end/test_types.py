"""Values keep their types when one process asked for them and another reads them from history."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pytest

from durable.client import DurableOrchestrationClient
from durable.hub.hub import Hub
from durable.model.events import Event
from durable.storage.azure import Connection, open_storage
from durable.testing import TestHub, replay
from tests.azurite import Azurite
from tests.end_to_end import typed_app as shop
from tests.end_to_end.apps import write_app
from tests.worker.running import worker

PLACED = datetime(2026, 1, 2, 3, 4, 5, 678_901, timezone(timedelta(hours=5, minutes=30)))
ORDER = shop.Order("gold", Decimal("9.90"), shop.Currency.EUR, PLACED)
# pydantic has a class of its own for the zones of times that it has read
RECEIPT = shop.Receipt.model_validate_json(
    shop.Receipt(order=ORDER, fee=Decimal("2.475"), at=PLACED).model_dump_json()
)
PAGE = shop.Page([RECEIPT], {shop.Currency.EUR: RECEIPT})
SETTLED: list[shop.Paid | shop.Invoiced] = [shop.Paid("card"), shop.Invoiced("letter")]
BEFORE = shop.Before(RECEIPT, shop.Speed.FAST, SETTLED, PAGE)
SENT = shop.Page([Decimal("2.475")], {shop.Currency.EUR: Decimal("2.475")})
OUTCOME = shop.Outcome(BEFORE, shop.Approval("ann", PLACED), SENT)
PATIENCE = 60.0


async def test_the_types_of_what_a_killed_worker_asked_for(
    azurite: Azurite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = write_app(tmp_path, "from tests.end_to_end.typed_app import app\n")
    notes = tmp_path / "notes"
    values = {"AzureWebJobsStorage": azurite.connection_string, "NOTES": str(notes)}
    connection = Connection.from_string(azurite.connection_string)
    with worker(tmp_path, **values) as one, worker(tmp_path, **values) as other:
        for each in (one, other):
            await asyncio.to_thread(each.wait_for, "listening on")
        async with await open_storage(connection) as opened:
            client = DurableOrchestrationClient(Hub(opened.storage, hub))
            await client.start_new(shop.process, "t", ORDER)
            await _approval_is_awaited(client)
            (pid,) = [pid for pid, what, _ in _read(notes) if what == "processed"]
            workers = {str(each.popen.pid): each for each in (one, other)}
            workers.pop(pid).popen.kill()
            (left,) = workers
            await client.raise_event("t", "approved", OUTCOME.approval)
            status = await client.wait_for_completion("t", PATIENCE)
            events = await client.get_history("t", payloads=True)
    said = _read(notes)
    # a repr has the class of each value in it
    assert [pid, "processed", repr(BEFORE)] in said
    assert [left, "replayed", repr(BEFORE)] in said
    assert [left, "send", repr(BEFORE)] in said
    asked = {what: value for _, what, value in said}
    assert asked["charge"] == repr(ORDER)
    assert asked["choose"] == repr(RECEIPT)
    assert {value for _, what, value in said if what == "settle"} == {
        repr(shop.Speed.FAST),
        repr(shop.Speed.SLOW),
    }
    assert asked["collect"] == repr([RECEIPT])
    assert status.failure is None
    outcome = status.get_output(shop.Outcome)
    assert (outcome, repr(outcome)) == (OUTCOME, repr(OUTCOME))
    assert isinstance(outcome.before.receipt, shop.Receipt)
    assert isinstance(outcome.before.settled[1], shop.Invoiced)
    assert isinstance(outcome.before.page, shop.Page)
    assert repr(status.get_input(shop.Order)) == repr(ORDER)
    assert repr(status.get_custom_status(shop.Before)) == repr(BEFORE)

    # the testing kit has no other engine: a crash there leaves the history that is here
    monkeypatch.setenv("NOTES", str(tmp_path / "kit"))
    replay(events, shop.app, instance_id="t").check()
    async with TestHub(shop.app) as kit:
        await kit.start(shop.process, ORDER, instance_id="t")
        kit.crash()
        await kit.raise_event("t", "approved", OUTCOME.approval)
        assert repr(await kit.result("t", expected_type=shop.Outcome)) == repr(OUTCOME)
        assert _kinds(await kit.history("t")) == _kinds(events)


def _kinds(history: Sequence[tuple[datetime, Event]]) -> list[str]:
    return [type(event).__name__ for _, event in history]


async def _approval_is_awaited(client: DurableOrchestrationClient) -> None:
    """Return once the turn is stored that waits for it: it sets the custom status too."""
    async with asyncio.timeout(PATIENCE):
        while True:
            status = await client.get_status("t")
            if status is not None and status.custom_status:
                return
            await asyncio.sleep(0.05)


def _read(notes: Path) -> list[list[str]]:
    return [line.split("\t") for line in notes.read_text().splitlines()]
