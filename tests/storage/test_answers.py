"""What each answer, or none, becomes; and that writes are sent once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from durable.errors import (
    AccessDenied,
    AmbiguousAnswer,
    ContainerMissing,
    MessageGone,
    RowChanged,
    RowExists,
    RowMissing,
    StorageError,
    Throttled,
)
from durable.ports import Delete, Insert, Merge, Receipt, Replace, Storage
from durable.storage.azure import StorageClient, answers, open_storage, timing
from durable.storage.azure.answers import READ_PAUSES
from tests.storage.fake_service import (
    CLOSE,
    HANG,
    FakeService,
    answer,
    fake_service,
    queue_error,
    table_error,
)

RECEIPT = Receipt("message-id", "pop-receipt")
READ_ATTEMPTS = len(READ_PAUSES) + 1

Call = Callable[[Storage], Awaitable[object]]

TABLE_WRITES: dict[str, Call] = {
    "insert": lambda s: s.tables.transact("Table", "p", [Insert("a", {"v": 1})]),
    "replace": lambda s: s.tables.transact("Table", "p", [Replace("a", {"v": 1}, "e")]),
    "merge": lambda s: s.tables.transact("Table", "p", [Merge("a", {"v": 1})]),
    "delete": lambda s: s.tables.transact("Table", "p", [Delete("a")]),
    "batch": lambda s: s.tables.transact("Table", "p", [Insert("a", {}), Delete("b")]),
}
QUEUE_WRITES: dict[str, Call] = {
    "send": lambda s: s.queues.send("queue", b"x"),
    "receive": lambda s: s.queues.receive("queue", limit=1, lease=30),
    "extend": lambda s: s.queues.extend("queue", RECEIPT, lease=30),
    "delete_message": lambda s: s.queues.delete("queue", RECEIPT),
}
WRITES = TABLE_WRITES | QUEUE_WRITES
READS: dict[str, Call] = {
    "get": lambda s: s.tables.get("Table", "p", "a"),
    "query": lambda s: s.tables.query("Table", []),
    "has_visible": lambda s: s.queues.has_visible("queue"),
    "length": lambda s: s.queues.length("queue"),
}


@pytest.fixture
async def service() -> AsyncIterator[FakeService]:
    async with fake_service() as running:
        yield running


@pytest.fixture
async def storage(service: FakeService, client: StorageClient) -> AsyncIterator[Storage]:
    async with await open_storage(service.connection, client=client) as opened:
        service.requests.clear()
        yield opened.storage


async def _refused(storage: Storage, call: Call, kind: type[StorageError]) -> StorageError:
    with pytest.raises(StorageError) as raised:
        await call(storage)
    assert type(raised.value) is kind, repr(raised.value)
    return raised.value


UNUSABLE = {
    "closed": CLOSE,
    "500": answer(500),
    "500 with a code": table_error(500, "InternalError"),
    "502 from a gateway": answer(502, "<html>Bad gateway</html>", Content_Type="text/html"),
    "504": queue_error(504, "OperationTimedOut"),
    "408": answer(408),
    "no HTTP": b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
    "cut short": b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{",
    "garbage": answer(200, "{not json", Content_Type="application/json"),
    "garbled XML": answer(200, "<QueueMessagesList><", Content_Type="application/xml"),
}


@pytest.mark.parametrize("call", WRITES.values(), ids=WRITES.keys())
@pytest.mark.parametrize("reply", UNUSABLE.values(), ids=UNUSABLE.keys())
async def test_a_write_without_an_answer_is_sent_once(
    storage: Storage, service: FakeService, call: Call, reply: bytes
) -> None:
    service.say(reply)
    service.keep_open = False
    await _refused(storage, call, AmbiguousAnswer)
    assert len(service.requests) == 1, service.requests


@pytest.mark.parametrize("call", WRITES.values(), ids=WRITES.keys())
@pytest.mark.parametrize("status", [429, 503])
async def test_a_busy_service_is_said_once_and_not_asked_again(
    storage: Storage, service: FakeService, call: Call, status: int
) -> None:
    service.say(queue_error(status, "ServerBusy", Retry_After="7"))
    error = await _refused(storage, call, Throttled)
    assert isinstance(error, Throttled)
    assert error.retry_after == 7
    assert len(service.requests) == 1


@pytest.mark.parametrize("call", [*WRITES.values(), *READS.values()], ids=[*WRITES, *READS])
@pytest.mark.parametrize("status", [401, 403])
async def test_refused_credentials(
    storage: Storage, service: FakeService, call: Call, status: int
) -> None:
    service.say(answer(status))
    await _refused(storage, call, AccessDenied)
    assert len(service.requests) == 1


@pytest.mark.parametrize("call", [*WRITES.values(), *READS.values()], ids=[*WRITES, *READS])
@pytest.mark.parametrize("status", [400, 413])
async def test_a_request_that_the_service_refuses_is_not_ambiguous(
    storage: Storage, service: FakeService, call: Call, status: int
) -> None:
    service.say(table_error(status, "RequestBodyTooLarge"))
    error = await _refused(storage, call, StorageError)
    assert "RequestBodyTooLarge" in str(error) or str(status) in str(error)
    assert len(service.requests) == 1


@pytest.mark.parametrize("call", TABLE_WRITES.values(), ids=TABLE_WRITES.keys())
@pytest.mark.parametrize("code", ["TableNotFound", "TableBeingDeleted"])
async def test_tables_that_are_missing_or_going(
    storage: Storage, service: FakeService, call: Call, code: str
) -> None:
    service.say(table_error(404 if code == "TableNotFound" else 409, code))
    await _refused(storage, call, ContainerMissing)


@pytest.mark.parametrize("call", QUEUE_WRITES.values(), ids=QUEUE_WRITES.keys())
@pytest.mark.parametrize("code", ["QueueNotFound", "QueueBeingDeleted"])
async def test_queues_that_are_missing_or_going(
    storage: Storage, service: FakeService, call: Call, code: str
) -> None:
    service.say(queue_error(404 if code == "QueueNotFound" else 409, code))
    await _refused(storage, call, ContainerMissing)


@pytest.mark.parametrize(
    ("name", "status", "code", "kind"),
    [
        ("insert", 409, "EntityAlreadyExists", RowExists),
        ("merge", 404, "ResourceNotFound", RowMissing),
        ("delete", 404, "ResourceNotFound", RowMissing),
        ("delete", 404, "EntityNotFound", RowMissing),
        ("replace", 412, "UpdateConditionNotSatisfied", RowChanged),
        ("delete", 412, "UpdateConditionNotSatisfied", RowChanged),
    ],
)
async def test_rows_that_are_not_as_expected(
    storage: Storage,
    service: FakeService,
    name: str,
    status: int,
    code: str,
    kind: type[StorageError],
) -> None:
    service.say(table_error(status, code))
    await _refused(storage, WRITES[name], kind)


@pytest.mark.parametrize("name", ["extend", "delete_message"])
@pytest.mark.parametrize(
    ("status", "code"), [(404, "MessageNotFound"), (400, "PopReceiptMismatch")]
)
async def test_messages_that_are_gone(
    storage: Storage, service: FakeService, name: str, status: int, code: str
) -> None:
    service.say(queue_error(status, code))
    await _refused(storage, WRITES[name], MessageGone)


@pytest.mark.parametrize("call", READS.values(), ids=READS.keys())
@pytest.mark.parametrize("reply", [CLOSE, answer(500)], ids=["closed", "500"])
async def test_reads_are_made_a_few_times(
    storage: Storage, service: FakeService, call: Call, reply: bytes
) -> None:
    service.say(reply)
    await _refused(storage, call, AmbiguousAnswer)
    assert len(service.requests) == READ_ATTEMPTS


async def test_a_read_that_is_answered_at_last_does_not_fail(
    storage: Storage, service: FakeService
) -> None:
    replies = [CLOSE, answer(500), table_error(404, "ResourceNotFound")]
    service.reply = lambda line: replies.pop(0)
    assert await storage.tables.get("Table", "p", "a") is None
    assert replies == []


async def test_set_up_goes_on_while_the_table_is_being_deleted(
    storage: Storage, service: FakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "SETUP_PAUSE", 0.01)
    replies = [
        table_error(409, "TableBeingDeleted"),
        CLOSE,
        answer(503),
        table_error(409, "TableAlreadyExists"),
        queue_error(409, "QueueBeingDeleted"),
        answer(201),
    ]
    service.reply = lambda line: replies.pop(0)
    await storage.tables.create_table("Table")
    await storage.queues.create_queue("queue")
    assert replies == []


async def test_set_up_gives_up(
    storage: Storage, service: FakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "SETUP_SECONDS", 0.05)
    monkeypatch.setattr(answers, "SETUP_PAUSE", 0.02)
    service.say(table_error(409, "TableBeingDeleted"))
    with pytest.raises(ContainerMissing):
        await storage.tables.create_table("Table")
    assert len(service.requests) > 1


async def test_deleting_what_is_being_deleted_is_done(
    storage: Storage, service: FakeService
) -> None:
    service.say(table_error(409, "TableBeingDeleted"))
    await storage.tables.delete_table("Table")
    service.say(queue_error(409, "QueueBeingDeleted"))
    await storage.queues.delete_queue("queue")


@pytest.mark.parametrize("name", ["insert", "batch", "send", "receive", "get"])
async def test_a_service_that_says_nothing_is_not_waited_for(
    service: FakeService, client: StorageClient, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timing, "READ_SECONDS", 0.1)
    async with await open_storage(service.connection, client=client) as opened:
        service.say(HANG)
        await _refused(opened.storage, (WRITES | READS)[name], AmbiguousAnswer)
        assert len(service.requests) == 1


async def test_an_answer_that_trickles_in_is_not_waited_for(
    storage: Storage, service: FakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timing, "TOTAL_SECONDS", 0.1)
    service.say(HANG)
    await _refused(storage, WRITES["merge"], AmbiguousAnswer)


async def test_a_service_that_does_not_tell_its_time(
    service: FakeService, client: StorageClient
) -> None:
    said = table_error(404, "TableNotFound")
    service.say(b"\r\n".join(line for line in said.split(b"\r\n") if b"Date:" not in line))
    with pytest.raises(AmbiguousAnswer, match="Date"):
        await open_storage(service.connection, client=client)


async def test_a_service_that_is_busy_has_told_its_time_and_is_no_reason_not_to_begin(
    service: FakeService,
    client: StorageClient,
) -> None:
    service.say(table_error(503, "ServerBusy"))
    async with await open_storage(service.connection, client=client) as opened:
        assert opened.storage.clock.now().tzinfo is not None
        with pytest.raises(Throttled):
            await opened.storage.tables.get("Table", "p", "a")


async def test_no_server_at_all(client: StorageClient) -> None:
    unreachable = FakeService(port=1).connection
    with pytest.raises(AmbiguousAnswer):
        await open_storage(unreachable, client=client)


async def test_one_session_serves_tables_and_queues(storage: Storage, service: FakeService) -> None:
    service.say(table_error(404, "TableNotFound"))
    for call in (READS["get"], WRITES["merge"], WRITES["batch"], READS["has_visible"]):
        with pytest.raises(StorageError):
            await call(storage)
    assert service.connections == 1


async def test_idle_connections_are_not_used_again(
    service: FakeService, client: StorageClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert timing.KEEP_ALIVE_SECONDS < 5
    monkeypatch.setattr(timing, "KEEP_ALIVE_SECONDS", 0.05)
    async with await open_storage(service.connection, client=client) as opened:
        await asyncio.sleep(0.2)
        with pytest.raises(ContainerMissing):
            await opened.storage.tables.get("Table", "p", "a")
    assert service.connections == 2
