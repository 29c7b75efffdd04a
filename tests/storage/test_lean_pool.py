"""Connections are kept, shared and given up; nothing is sent twice, and nobody gets an answer
that was another's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from durable.errors import AmbiguousAnswer, ContainerMissing
from durable.ports import Insert, Storage
from durable.storage.azure import AzureStorage, open_storage, timing
from tests.storage.fake_service import CLOSE, HANG, FakeService, answer, fake_service, table_error

MISSING = table_error(404, "ResourceNotFound")
GONE = table_error(404, "TableNotFound")
INSERTED = answer(204, ETag="W/1")
BEGUN = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{"


@pytest.fixture
async def service() -> AsyncIterator[FakeService]:
    async with fake_service() as running:
        yield running


@pytest.fixture
async def opened(service: FakeService) -> AsyncIterator[AzureStorage]:
    async with await open_storage(service.connection) as opened:
        service.say(MISSING)
        service.connections = 0
        yield opened


@pytest.fixture
def storage(opened: AzureStorage) -> Storage:
    return opened.storage


async def test_connections_that_the_service_closes_surface_in_no_read(
    storage: Storage, service: FakeService
) -> None:
    service.keep_open = False
    for _ in range(20):
        assert await storage.tables.get("Table", "p", "a") is None
    assert len(service.requests) == 20


async def test_connections_that_the_service_closes_apply_no_write_twice(
    storage: Storage, service: FakeService
) -> None:
    service.say(INSERTED)
    service.keep_open = False
    told = 0
    for number in range(20):
        try:
            await storage.tables.transact("Table", "p", [Insert(f"{number}", {"n": number})])
        except AmbiguousAnswer:
            continue
        told += 1
    assert told >= 10
    numbers = [body for body in service.bodies if body]
    assert len(numbers) == len(set(numbers))
    assert len(numbers) >= told


async def test_a_reused_connection_that_ends_unanswered_is_no_reason_to_write_again(
    storage: Storage, service: FakeService
) -> None:
    assert await storage.tables.get("Table", "p", "a") is None
    service.say(CLOSE)
    with pytest.raises(AmbiguousAnswer):
        await storage.tables.transact("Table", "p", [Insert("a", {})])
    assert len(service.requests) == 1


@pytest.mark.parametrize("reply", [HANG, BEGUN], ids=["before the answer", "in the middle of it"])
async def test_a_cancelled_call_leaves_its_connection_to_nobody(
    storage: Storage, service: FakeService, reply: bytes
) -> None:
    reached = asyncio.Event()

    def begin(line: str) -> bytes:
        reached.set()
        return reply

    service.reply = begin
    call = asyncio.create_task(storage.tables.get("Table", "p", "a"))
    await reached.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    service.say(GONE)
    before = service.connections
    with pytest.raises(ContainerMissing):
        await storage.tables.get("Table", "p", "a")
    assert service.connections == before + 1


async def test_an_answer_too_many_is_nobodys(storage: Storage, service: FakeService) -> None:
    service.say(MISSING + GONE)
    assert await storage.tables.get("Table", "p", "a") is None
    service.say(MISSING)
    assert await storage.tables.get("Table", "p", "b") is None
    assert service.connections == 1


async def test_two_hundred_at_once_share_the_connections_that_there_may_be(
    service: FakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timing, "MAX_CONNECTIONS", 10)
    async with await open_storage(service.connection) as opened:
        service.say(MISSING)
        tables = opened.storage.tables
        found = await asyncio.gather(*(tables.get("Table", "p", f"{n}") for n in range(200)))
    assert found == [None] * 200
    assert service.connections <= 10
    assert len(service.requests) == len(set(service.requests)) == 200


async def test_cancelled_calls_give_their_places_back(
    service: FakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timing, "MAX_CONNECTIONS", 2)
    async with await open_storage(service.connection) as opened:
        both = asyncio.Event()

        def begin(line: str) -> bytes:
            if service.serving == 2:
                both.set()
            return HANG

        service.say(HANG)
        service.reply = begin
        tables = opened.storage.tables
        calls = [asyncio.create_task(tables.get("Table", "p", f"{n}")) for n in range(6)]
        await asyncio.wait_for(both.wait(), 5)
        assert len(service.requests) <= 2
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        service.say(MISSING)
        async with asyncio.timeout(5):
            assert await tables.get("Table", "p", "a") is None


async def test_connections_that_nobody_uses_are_closed(
    service: FakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timing, "KEEP_ALIVE_SECONDS", 0.05)
    async with await open_storage(service.connection) as opened:
        service.say(MISSING)
        await asyncio.gather(*(opened.storage.tables.get("Table", "p", f"{n}") for n in range(5)))
        assert service.serving > 0
        await asyncio.wait_for(service.left.wait(), 5)


async def test_what_is_closed_sends_nothing(opened: AzureStorage, service: FakeService) -> None:
    await opened.close()
    with pytest.raises(AmbiguousAnswer, match="closed"):
        await opened.storage.tables.transact("Table", "p", [Insert("a", {})])
    assert service.requests == []


async def test_closing_ends_what_is_being_asked(opened: AzureStorage, service: FakeService) -> None:
    reached = asyncio.Event()

    def begin(line: str) -> bytes:
        reached.set()
        return HANG

    service.reply = begin
    call = asyncio.create_task(opened.storage.tables.transact("Table", "p", [Insert("a", {})]))
    await reached.wait()
    await opened.close()
    with pytest.raises(AmbiguousAnswer):
        await call
