"""Answers that make no sense are no answers: never another error, never success, never a hang."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from durable.errors import AmbiguousAnswer
from durable.ports import Insert, Storage
from durable.storage.azure import StorageClient, open_storage
from tests.storage.fake_service import FakeService, answer, fake_service

DATE = "Mon, 23 Nov 2026 10:00:00 GMT"
ROW = {
    "PartitionKey": "p",
    "RowKey": "a",
    "Timestamp": "2026-01-01T00:00:00.1234567Z",
    "odata.etag": "W/1",
}
MESSAGE = {
    "MessageId": "m",
    "InsertionTime": DATE,
    "ExpirationTime": DATE,
    "PopReceipt": "r",
    "TimeNextVisible": DATE,
    "DequeueCount": "1",
    "MessageText": "eA==",
}
BOMB = (
    '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">'
    '<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]><QueueMessagesList>&c;</QueueMessagesList>'
)


def _json(value: object) -> bytes:
    return answer(200, json.dumps(value), Content_Type="application/json")


def _row(**changes: object) -> bytes:
    return _json({name: value for name, value in (ROW | changes).items() if value is not None})


def _xml(text: str) -> bytes:
    return answer(200, text, Content_Type="application/xml")


def _messages(**changes: str | None) -> bytes:
    columns = {name: value for name, value in (MESSAGE | changes).items() if value is not None}
    inner = "".join(f"<{name}>{value}</{name}>" for name, value in columns.items())
    return _xml(f"<QueueMessagesList><QueueMessage>{inner}</QueueMessage></QueueMessagesList>")


def _bytes(body: bytes, kind: str) -> bytes:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


@pytest.fixture
async def service() -> AsyncIterator[FakeService]:
    async with fake_service() as running:
        yield running


@pytest.fixture
async def storage(service: FakeService, client: StorageClient) -> AsyncIterator[Storage]:
    async with await open_storage(service.connection, client=client) as opened:
        yield opened.storage


@pytest.fixture
async def lean(service: FakeService) -> AsyncIterator[Storage]:
    async with await open_storage(service.connection) as opened:
        yield opened.storage


ROWS = {
    "no JSON": _bytes(b"{", "application/json"),
    "no text": _bytes(b'{"PartitionKey": "\xff\xfe"}', "application/json"),
    "a list": _json([ROW]),
    "null": _json(None),
    "no keys": _row(PartitionKey=None),
    "no Timestamp": _row(Timestamp=None),
    "a Timestamp that is none": _row(Timestamp="yesterday"),
    "a wrong number": _row(**{"v": "12x", "v@odata.type": "Edm.Int64"}),
    "a wrong time": _row(**{"v": "2026-13-01T00:00:00Z", "v@odata.type": "Edm.DateTime"}),
}
ODD_ROWS = {
    "nested without end": _bytes(b"[" * 200_000, "application/json"),
    "keys that are numbers": _row(RowKey=7),
    "a column that is a list": _row(v=[1]),
    "a column of an unknown type": _row(**{"v": "x", "v@odata.type": "Edm.Odd"}),
    "a time that does not exist": _row(
        **{"v": "0001-01-01T00:00:00+14:00", "v@odata.type": "Edm.DateTime"}
    ),
}


@pytest.mark.parametrize("reply", ROWS.values(), ids=ROWS.keys())
async def test_rows_that_are_none(storage: Storage, service: FakeService, reply: bytes) -> None:
    service.say(reply)
    async with asyncio.timeout(10):
        with pytest.raises(AmbiguousAnswer):
            await storage.tables.get("Table", "p", "a")


@pytest.mark.parametrize("reply", ODD_ROWS.values(), ids=ODD_ROWS.keys())
async def test_rows_that_are_odd(lean: Storage, service: FakeService, reply: bytes) -> None:
    service.say(reply)
    async with asyncio.timeout(10):
        with pytest.raises(AmbiguousAnswer):
            await lean.tables.get("Table", "p", "a")


@pytest.mark.parametrize("found", [{}, [], {"value": {}}, {"value": [[]]}, {"value": [{}]}, 1])
async def test_pages_that_are_none(lean: Storage, service: FakeService, found: object) -> None:
    service.say(_json(found))
    with pytest.raises(AmbiguousAnswer):
        await lean.tables.query("Table", [])


MESSAGES = {
    "no XML": _xml("<QueueMessagesList>"),
    "no text": _bytes(b"<QueueMessagesList>\xff</QueueMessagesList>", "application/xml"),
    "no id": _messages(MessageId=None),
    "no receipt": _messages(PopReceipt=""),
    "no count": _messages(DequeueCount=None),
    "a count that is none": _messages(DequeueCount="many"),
    "no time": _messages(InsertionTime=None),
    "a time that is none": _messages(InsertionTime="yesterday"),
}
ODD_MESSAGES = {
    "a document type": _xml(BOMB),
    "a document type in UTF-16": _bytes(BOMB.encode("utf-16"), "application/xml"),
    "another document": _xml("<html></html>"),
    "a time after all": _messages(InsertionTime="Fri, 31 Dec 9999 23:59:59 -1400"),
    "nothing": _xml(""),
}


@pytest.mark.parametrize("reply", MESSAGES.values(), ids=MESSAGES.keys())
async def test_messages_that_are_none(storage: Storage, service: FakeService, reply: bytes) -> None:
    service.say(reply)
    async with asyncio.timeout(10):
        with pytest.raises(AmbiguousAnswer):
            await storage.queues.receive("queue", limit=1, lease=30)


@pytest.mark.parametrize("reply", ODD_MESSAGES.values(), ids=ODD_MESSAGES.keys())
async def test_messages_that_are_odd(lean: Storage, service: FakeService, reply: bytes) -> None:
    service.say(reply)
    async with asyncio.timeout(10):
        with pytest.raises(AmbiguousAnswer):
            await lean.queues.receive("queue", limit=1, lease=30)


PARTS = "--b\r\nContent-Type: application/http\r\n\r\nHTTP/1.1 {}\r\n{}\r\n"
TRANSACTIONS = {
    "no parts": "",
    "a part too few": PARTS.format("204 No Content", "ETag: W/1\r\n"),
    "a part too many": PARTS.format("204 No Content", "ETag: W/1\r\n") * 3,
    "no etag": PARTS.format("204 No Content", "X: y\r\n") * 2,
    "a failure of the service": PARTS.format("500 Internal", "\r\n{}"),
}


@pytest.mark.parametrize("body", TRANSACTIONS.values(), ids=TRANSACTIONS.keys())
async def test_transactions_whose_outcome_is_unknown(
    lean: Storage, service: FakeService, body: str
) -> None:
    service.say(answer(202, body, Content_Type="multipart/mixed; boundary=b"))
    with pytest.raises(AmbiguousAnswer):
        await lean.tables.transact("Table", "p", [Insert("a", {}), Insert("b", {})])


async def test_a_date_that_is_none_changes_no_clock(lean: Storage, service: FakeService) -> None:
    before = lean.clock.now()
    for date in ("yesterday", "Fri, 31 Dec 9999 23:59:59 -1400", "\xff"):
        head = f"HTTP/1.1 204 No Content\r\nDate: {date}\r\nETag: W/1\r\n\r\n"
        service.say(head.encode("latin-1"))
        await lean.tables.transact("Table", "p", [Insert("a", {})])
    assert 0 <= (lean.clock.now() - before).total_seconds() < 60
