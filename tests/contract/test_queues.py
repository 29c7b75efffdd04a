"""`Queues`: visibility, leases, receipts, bodies."""

from __future__ import annotations

from datetime import UTC, timedelta

import pytest

from durable.errors import MessageGone
from durable.ports import Message
from tests.contract.conftest import Account

LONG = 300.0


async def _receive(account: Account, *, limit: int = 32, lease: float = LONG) -> list[Message]:
    return list(await account.queues.receive(account.queue, limit=limit, lease=lease))


async def _receive_one(account: Account, *, lease: float = LONG) -> Message:
    (message,) = await _receive(account, limit=1, lease=lease)
    return message


async def _appears(account: Account, *, within: int) -> Message:
    """The one message, once it is visible; the service rounds and cuts its times."""
    for _ in range(within * 2):
        if received := await _receive(account):
            (message,) = received
            return message
        await account.elapse(0.5)
    raise AssertionError(f"no message within {within} s")


async def test_a_message_is_delivered_with_its_story(account: Account) -> None:
    before = account.storage.clock.now()
    await account.queues.send(account.queue, b"hello")
    message = await _receive_one(account)
    assert message.body == b"hello"
    assert message.dequeue_count == 1
    assert message.inserted_at.tzinfo == UTC
    assert abs(message.inserted_at - before) < timedelta(seconds=5)


async def test_an_empty_queue_gives_nothing(account: Account) -> None:
    assert await _receive(account) == []


async def test_a_received_message_is_hidden(account: Account) -> None:
    await account.queues.send(account.queue, b"x")
    await _receive_one(account)
    assert await _receive(account) == []


async def test_receive_takes_up_to_its_limit(account: Account) -> None:
    sent = {f"{number}".encode() for number in range(40)}
    for body in sent:
        await account.queues.send(account.queue, body)
    first = await _receive(account, limit=5)
    assert len(first) == 5
    second = await _receive(account, limit=32)
    assert len(second) == 32
    third = await _receive(account, limit=32)
    assert {message.body for message in (*first, *second, *third)} == sent


async def test_a_lease_that_ends_shows_the_message_again(account: Account) -> None:
    await account.queues.send(account.queue, b"x")
    held = await _receive_one(account, lease=1)
    again = await _appears(account, within=5)
    assert again.receipt.message_id == held.receipt.message_id
    assert again.dequeue_count == 2
    assert again.inserted_at == held.inserted_at


async def test_extend_keeps_a_message_hidden(account: Account) -> None:
    await account.queues.send(account.queue, b"x")
    held = await _receive_one(account, lease=1)
    await account.queues.extend(account.queue, held.receipt, lease=LONG)
    await account.elapse(2.0)
    assert await _receive(account) == []


async def test_extend_by_zero_shows_a_message_at_once(account: Account) -> None:
    await account.queues.send(account.queue, b"x")
    held = await _receive_one(account)
    await account.queues.extend(account.queue, held.receipt, lease=0)
    again = await _appears(account, within=2)
    assert again.body == b"x"
    assert again.dequeue_count == 2


async def test_extend_makes_the_old_receipt_stale(account: Account) -> None:
    await account.queues.send(account.queue, b"x")
    held = await _receive_one(account)
    newer = await account.queues.extend(account.queue, held.receipt, lease=LONG)
    assert newer.message_id == held.receipt.message_id
    with pytest.raises(MessageGone):
        await account.queues.extend(account.queue, held.receipt, lease=LONG)
    with pytest.raises(MessageGone):
        await account.queues.delete(account.queue, held.receipt)
    await account.queues.delete(account.queue, newer)
    assert await account.queues.length(account.queue) == 0


async def test_another_delivery_makes_the_old_receipt_stale(account: Account) -> None:
    await account.queues.send(account.queue, b"x")
    held = await _receive_one(account, lease=1)
    again = await _appears(account, within=5)
    with pytest.raises(MessageGone):
        await account.queues.delete(account.queue, held.receipt)
    with pytest.raises(MessageGone):
        await account.queues.extend(account.queue, held.receipt, lease=LONG)
    await account.queues.delete(account.queue, again.receipt)


async def test_a_receipt_outlives_its_lease_until_someone_receives(account: Account) -> None:
    await account.queues.send(account.queue, b"x")
    held = await _receive_one(account, lease=1)
    await account.elapse(2.0)
    await account.queues.extend(account.queue, held.receipt, lease=LONG)
    assert await _receive(account) == []


async def test_a_deleted_message_is_gone(account: Account) -> None:
    await account.queues.send(account.queue, b"x")
    held = await _receive_one(account)
    await account.queues.delete(account.queue, held.receipt)
    with pytest.raises(MessageGone):
        await account.queues.delete(account.queue, held.receipt)
    with pytest.raises(MessageGone):
        await account.queues.extend(account.queue, held.receipt, lease=LONG)


async def test_a_sender_holds_what_it_sent_hidden(account: Account) -> None:
    receipt = await account.queues.send(account.queue, b"guard", delay=LONG)
    assert await _receive(account) == []
    receipt = await account.queues.extend(account.queue, receipt, lease=LONG)
    await account.queues.delete(account.queue, receipt)
    assert await account.queues.length(account.queue) == 0


async def test_delay_hides_a_message_for_whole_seconds(account: Account) -> None:
    await account.queues.send(account.queue, b"x", delay=0.2)
    assert await _receive(account) == []
    assert (await _appears(account, within=5)).dequeue_count == 1


async def test_an_abandoned_guard_appears(account: Account) -> None:
    receipt = await account.queues.send(account.queue, b"guard", delay=LONG)
    await account.queues.extend(account.queue, receipt, lease=1)
    assert (await _appears(account, within=5)).body == b"guard"


async def test_length_counts_hidden_messages(account: Account) -> None:
    assert await account.queues.length(account.queue) == 0
    for delay in (0.0, 0.0, LONG):
        await account.queues.send(account.queue, b"x", delay=delay)
    await _receive_one(account)
    assert await account.queues.length(account.queue) == 3


async def test_the_longest_delay(account: Account) -> None:
    await account.queues.send(account.queue, b"x", delay=604_800)
    assert await account.queues.length(account.queue) == 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"plain text",
        b'{"json": "with \\"quotes\\" & <angles>"}',
        "umlaut ä ☃ 😀".encode(),
        b"\x00\x01\xff\xfe",
        bytes(range(256)) * 192,
        b" \r\n white \t\n",
    ],
    ids=lambda body: str(body[:12]),
)
async def test_bodies_come_back_as_they_were(account: Account, body: bytes) -> None:
    await account.queues.send(account.queue, body)
    assert (await _receive_one(account)).body == body


async def test_a_body_over_48_kib_is_not_sent(account: Account) -> None:
    with pytest.raises(ValueError, match="49152"):
        await account.queues.send(account.queue, b"x" * (48 * 1024 + 1))
    assert await account.queues.length(account.queue) == 0


@pytest.mark.parametrize("seconds", [-1, 604_801])
async def test_limits_of_delays(account: Account, seconds: float) -> None:
    with pytest.raises(ValueError, match="hidden"):
        await account.queues.send(account.queue, b"x", delay=seconds)
    receipt = await account.queues.send(account.queue, b"x", delay=LONG)
    with pytest.raises(ValueError, match="hidden"):
        await account.queues.extend(account.queue, receipt, lease=seconds)


@pytest.mark.parametrize(("limit", "lease"), [(0, 30.0), (33, 30.0), (1, 0.0), (1, 604_801.0)])
async def test_limits_of_receive(account: Account, limit: int, lease: float) -> None:
    with pytest.raises(ValueError, match=r"receive|lease"):
        await account.queues.receive(account.queue, limit=limit, lease=lease)


@pytest.mark.parametrize(
    "name", ["", "ab", "Upper", "with_underscore", "-start", "end-", "two--hyphens", "x" * 64]
)
async def test_queue_names(account: Account, name: str) -> None:
    with pytest.raises(ValueError, match="queue name"):
        await account.queues.create_queue(name)
    with pytest.raises(ValueError, match="queue name"):
        await account.queues.send(name, b"x")
