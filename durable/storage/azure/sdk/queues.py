"""Queues over azure-storage-queue."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.storage.queue import QueueMessage
from azure.storage.queue.aio import QueueClient, QueueServiceClient

from durable.errors import AmbiguousAnswer
from durable.ports import Message, Receipt
from durable.storage import limits
from durable.storage.azure.answers import read, set_up
from durable.storage.azure.bodies import MessageEncoding, decoded, encoded
from durable.storage.azure.sdk.answers import answers, is_being_deleted

_NEVER_EXPIRES = -1


class AzureQueues:
    """`durable.ports.Queues` on a QueueServiceClient that retries nothing.

    With `message_encoding` "none", as in a host.json that says so, bodies travel as they are
    and must be UTF-8 text that XML can carry: ValueError otherwise.
    """

    def __init__(
        self, service: QueueServiceClient, *, message_encoding: MessageEncoding = "base64"
    ) -> None:
        self._service = service
        self._encoding = message_encoding
        self._clients: dict[str, QueueClient] = {}

    async def send(self, queue: str, body: bytes, *, delay: float = 0.0) -> Receipt:
        """See `durable.ports.Queues.send`."""
        limits.check_body(body)
        limits.check_delay(delay)
        text = encoded(body, self._encoding)
        client = self._client(queue)
        async with answers():
            sent = await client.send_message(
                text, visibility_timeout=math.ceil(delay), time_to_live=_NEVER_EXPIRES
            )
            return _receipt(sent.id, sent.pop_receipt)

    async def receive(self, queue: str, *, limit: int, lease: float) -> Sequence[Message]:
        """See `durable.ports.Queues.receive`."""
        limits.check_receive(limit, lease)
        client = self._client(queue)
        async with answers():
            pages: Any = client.receive_messages(
                messages_per_page=limit, visibility_timeout=math.ceil(lease)
            ).by_page()
            async for page in pages:
                return [self._message(each) async for each in page]
            return []

    async def extend(self, queue: str, receipt: Receipt, *, lease: float) -> Receipt:
        """See `durable.ports.Queues.extend`."""
        limits.check_delay(lease)
        client = self._client(queue)
        async with answers():
            updated = await client.update_message(
                receipt.message_id, receipt.pop_receipt, visibility_timeout=math.ceil(lease)
            )
            return _receipt(receipt.message_id, updated.pop_receipt)

    async def delete(self, queue: str, receipt: Receipt) -> None:
        """See `durable.ports.Queues.delete`."""
        client = self._client(queue)
        async with answers():
            await client.delete_message(receipt.message_id, receipt.pop_receipt)

    async def has_visible(self, queue: str) -> bool:
        """See `durable.ports.Queues.has_visible`."""
        client = self._client(queue)

        async def once() -> bool:
            async with answers():
                return bool(await client.peek_messages(max_messages=1))

        return await read(once)

    async def length(self, queue: str) -> int:
        """See `durable.ports.Queues.length`."""
        client = self._client(queue)

        async def once() -> int:
            async with answers():
                properties = await client.get_queue_properties()
                return int(properties.approximate_message_count or 0)

        return await read(once)

    async def create_queue(self, queue: str) -> None:
        """See `durable.ports.Queues.create_queue`."""
        client = self._client(queue)

        async def once() -> None:
            async with answers():
                try:
                    await client.create_queue()
                except HttpResponseError as error:
                    if not isinstance(error, ResourceExistsError) or is_being_deleted(error):
                        raise

        await set_up(once)

    async def delete_queue(self, queue: str) -> None:
        """See `durable.ports.Queues.delete_queue`."""
        client = self._client(queue)

        async def once() -> None:
            async with answers():
                try:
                    await client.delete_queue()
                except HttpResponseError as error:
                    gone = isinstance(error, ResourceNotFoundError) or is_being_deleted(error)
                    if not gone:
                        raise

        await set_up(once)

    async def names(self, prefix: str) -> list[str]:
        """The account's queues whose names begin so."""

        async def once() -> list[str]:
            async with answers():
                found = self._service.list_queues(name_starts_with=prefix)
                return [str(each.name) async for each in found]

        return await read(once)

    def _client(self, queue: str) -> QueueClient:
        limits.check_queue_name(queue)
        client = self._clients.get(queue)
        if client is None:
            client = self._clients[queue] = self._service.get_queue_client(queue)
        return client

    def _message(self, message: QueueMessage) -> Message:
        if message.dequeue_count is None or message.inserted_on is None:
            raise AmbiguousAnswer("a message came without its delivery count or time")
        inserted = message.inserted_on
        return Message(
            _receipt(message.id, message.pop_receipt),
            decoded(message.content or "", self._encoding),
            message.dequeue_count,
            datetime.combine(inserted.date(), inserted.time(), UTC),
        )


def _receipt(message_id: str | None, pop_receipt: str | None) -> Receipt:
    if not message_id or not pop_receipt:
        raise AmbiguousAnswer("the answer has no receipt")
    return Receipt(message_id, pop_receipt)
