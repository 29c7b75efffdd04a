"""The lying proxy: it is transparent when told so, and what it says is never better than true."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable
from typing import Any, get_args

import pytest

from durable.errors import AmbiguousAnswer, MessageGone, RowExists, StorageError, Throttled
from durable.ports import Delete, Insert, Merge, Replace, Storage
from durable.storage.azure.account import StorageClient, open_storage
from durable.storage.azure.connection import Connection
from tests.azurite import Azurite
from tests.chaos.lies import AMBIGUOUS, Liar, Lie, queue_call, table_call
from tests.chaos.proxy import LyingAccount

LOST = {Lie.LOSE, Lie.TRUNCATE, Lie.FAIL_500}


class Script(Liar):
    """Tells one lie, once, to the next call."""

    def __init__(self) -> None:
        super().__init__(0, 0.0)
        self.next: Lie | None = None

    def decide(self, kind: str) -> Lie | None:
        self.calls[kind] += 1
        lie, self.next = self.next, None
        return lie


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture(params=get_args(StorageClient))
def client(request: pytest.FixtureRequest) -> StorageClient:
    chosen: StorageClient = request.param
    return chosen


@pytest.fixture
async def lying(azurite: Azurite, script: Script, client: StorageClient) -> AsyncIterator[Storage]:
    async with LyingAccount(azurite.queue_port, azurite.table_port, script) as account:
        connection = Connection.from_string(account.connection_string)
        async with await open_storage(connection, client=client) as opened:
            yield opened.storage


@pytest.fixture
async def table(lying: Storage) -> AsyncIterator[str]:
    name = f"Proxy{secrets.token_hex(6)}"
    await lying.tables.create_table(name)
    yield name
    await lying.tables.delete_table(name)


@pytest.fixture
async def queue(lying: Storage) -> AsyncIterator[str]:
    name = f"proxy-{secrets.token_hex(6)}"
    await lying.queues.create_queue(name)
    yield name
    await lying.queues.delete_queue(name)


async def test_signed_calls_of_every_kind_pass_and_are_told_apart(
    lying: Storage, script: Script, table: str, queue: str
) -> None:
    tables, queues = lying.tables, lying.queues
    (etag,) = await tables.transact(table, "p", [Insert("k", {"x": 1})])
    (etag,) = await tables.transact(table, "p", [Replace("k", {"x": 2}, etag)])
    await tables.transact(table, "p", [Merge("k", {"y": "ä"})])
    await tables.transact(table, "p", [Insert(f"b{n}", {"x": n}) for n in range(3)])
    row = await tables.get(table, "p", "k")
    assert row is not None
    assert dict(row.values) == {"x": 2, "y": "ä"}
    assert [each.key for each in (await tables.query(table, [])).rows] == ["b0", "b1", "b2", "k"]
    await tables.transact(table, "p", [Delete("k")])
    await queues.send(queue, b"hello")
    assert await queues.has_visible(queue)
    (message,) = await queues.receive(queue, limit=1, lease=30)
    receipt = await queues.extend(queue, message.receipt, lease=30)
    assert await queues.length(queue) == 1
    await queues.delete(queue, receipt)
    assert set(script.calls) == {
        *("create table", "insert", "update", "merge", "transaction", "get", "query", "delete"),
        *("create queue", "put message", "peek messages", "receive messages"),
        *("update message", "queue length", "delete message"),
    }


@pytest.mark.parametrize("lie", sorted(LOST))
async def test_what_took_effect_is_answered_by_nothing_usable(
    lying: Storage, script: Script, table: str, lie: Lie
) -> None:
    rows = [Insert("a", {"x": 1}), Insert("b", {"x": 2})]
    script.next = lie
    with pytest.raises(AmbiguousAnswer):
        await lying.tables.transact(table, "p", rows)
    assert script.ambiguous == {"transaction": 1}
    assert await lying.tables.get(table, "p", "b") is not None


async def test_busy_may_be_said_of_what_took_effect(
    lying: Storage, script: Script, table: str
) -> None:
    script.next = Lie.FAIL_503
    with pytest.raises(Throttled):
        await lying.tables.transact(table, "p", [Insert("a", {"x": 1})])
    assert await lying.tables.get(table, "p", "a") is not None


@pytest.mark.parametrize("lie", [Lie.DROP, Lie.REFUSE])
async def test_what_was_not_sent_on_is_never_success(
    lying: Storage, script: Script, table: str, lie: Lie
) -> None:
    script.next = lie
    with pytest.raises((AmbiguousAnswer, Throttled)):
        await lying.tables.transact(table, "p", [Insert("a", {"x": 1})])
    assert await lying.tables.get(table, "p", "a") is None
    assert not script.ambiguous


async def test_a_request_sent_twice_is_answered_by_either_answer(
    lying: Storage, script: Script, table: str, queue: str
) -> None:
    script.next = Lie.TWICE_SECOND
    with pytest.raises(RowExists):
        await lying.tables.transact(table, "p", [Insert("a", {"x": 1})])
    assert script.ambiguous == {"insert": 1}
    script.next = Lie.TWICE_FIRST
    await lying.queues.send(queue, b"twice")
    messages = await lying.queues.receive(queue, limit=32, lease=30)
    assert [message.body for message in messages] == [b"twice", b"twice"]
    script.next = Lie.TWICE_SECOND
    with pytest.raises(MessageGone):
        await lying.queues.delete(queue, messages[0].receipt)
    assert await lying.queues.length(queue) == 1


async def test_what_failed_by_itself_is_not_counted_as_ambiguous(
    lying: Storage, script: Script, table: str
) -> None:
    await lying.tables.transact(table, "p", [Insert("a", {"x": 1})])
    script.next = Lie.LOSE
    with pytest.raises(AmbiguousAnswer):
        await lying.tables.transact(table, "p", [Insert("a", {"x": 1})])
    assert not script.ambiguous


async def test_a_seed_repeats_its_lies_and_spares_no_kind() -> None:
    def told(seed: int) -> list[Lie | None]:
        liar = Liar(seed, 0.05)
        return [liar.decide(kind) for kind in ("get", "insert") for _ in range(200)]

    assert told(1) == told(1) != told(2)
    liar = Liar(3, 0.0)
    assert any(liar.decide("rare") for _ in range(40))
    liar.on = False
    assert not any(liar.decide("rare") for _ in range(40))
    # what takes effect often is owed a lie, and missed if it meets none
    liar.done["rare"] = 40
    assert liar.never_ambiguous() == ["rare"]
    liar.on = True
    assert all(liar.decide("rare") in AMBIGUOUS for _ in range(10))


async def test_calls_end_well_through_a_proxy_that_lies_at_random(
    azurite: Azurite, client: StorageClient
) -> None:
    """Whoever repeats until told what he wants to hear finds his row once, and it is his."""
    liar = Liar(5, 0.3)
    name = f"Proxy{secrets.token_hex(6)}"
    async with LyingAccount(azurite.queue_port, azurite.table_port, liar) as account:
        connection = Connection.from_string(account.connection_string)
        async with await open_storage(connection, client=client) as opened:
            tables = opened.storage.tables
            await tables.create_table(name)
            for number in range(60):
                await insist(lambda: tables.transact(name, "p", [Insert(f"{number:03}", {})]))  # noqa: B023
            liar.on = False
            page = await tables.query(name, [])
            await tables.delete_table(name)
    assert [row.key for row in page.rows] == [f"{number:03}" for number in range(60)]
    assert liar.ambiguous["insert"] > 0


async def insist(call: Callable[[], Any]) -> None:
    """Until the insert has taken effect, whoever's attempt it was."""
    while True:
        try:
            await call()
        except RowExists:
            return
        except StorageError:
            continue
        else:
            return


@pytest.mark.parametrize(
    ("method", "target", "kind"),
    [
        ("POST", "/a/$batch", "transaction"),
        ("POST", "/a/Tables", "create table"),
        ("DELETE", "/a/Tables('x')", "delete table"),
        ("POST", "/a/Orders", "insert"),
        ("GET", "/a/Orders()?$filter=x", "query"),
        ("PATCH", "/a/Orders(PartitionKey='p',RowKey='k')", "merge"),
    ],
)
def test_table_calls_by_name(method: str, target: str, kind: str) -> None:
    assert table_call(method, target) == kind


@pytest.mark.parametrize(
    ("method", "target", "kind"),
    [
        ("GET", "/a/?comp=list", "list queues"),
        ("DELETE", "/a/q", "delete queue"),
        ("GET", "/a/q/messages?numofmessages=1", "receive messages"),
        ("GET", "/a/q/messages?peekonly=true", "peek messages"),
        ("DELETE", "/a/q/messages/id?popreceipt=x", "delete message"),
    ],
)
def test_queue_calls_by_name(method: str, target: str, kind: str) -> None:
    assert queue_call(method, target) == kind
