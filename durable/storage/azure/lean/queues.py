"""Queues by requests of our own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from urllib.parse import quote

from durable.errors import AmbiguousAnswer
from durable.ports import Message, Receipt
from durable.storage import limits
from durable.storage.azure.answers import read, set_up, understanding
from durable.storage.azure.bodies import MessageEncoding
from durable.storage.azure.lean.administration import Administration
from durable.storage.azure.lean.messages import elements, message, message_body, receipt
from durable.storage.azure.lean.service import Service, refuse_what_is_being_deleted

_XML = "application/xml"
_NEVER_EXPIRES = ("messagettl", "-1")


class LeanQueues:
    """`durable.ports.Queues` on a Service; `message_encoding` as in `AzureQueues`."""

    def __init__(
        self,
        service: Service,
        administration: Administration,
        *,
        message_encoding: MessageEncoding = "base64",
    ) -> None:
        self._service = service
        self._administration = administration
        self._encoding = message_encoding

    async def send(self, queue: str, body: bytes, *, delay: float = 0.0) -> Receipt:
        """See `durable.ports.Queues.send`."""
        limits.check_queue_name(queue)
        limits.check_body(body)
        limits.check_delay(delay)
        answer = await self._service.ask(
            "POST",
            f"/{queue}/messages",
            (201,),
            query=[_hidden(delay), _NEVER_EXPIRES],
            content_type=_XML,
            body=message_body(body, self._encoding),
        )
        with understanding():
            (sent,) = elements(answer.body)
            return receipt(sent)

    async def receive(self, queue: str, *, limit: int, lease: float) -> Sequence[Message]:
        """See `durable.ports.Queues.receive`."""
        limits.check_queue_name(queue)
        limits.check_receive(limit, lease)
        answer = await self._service.ask(
            "GET",
            f"/{queue}/messages",
            (200,),
            query=[("numofmessages", str(limit)), _hidden(lease)],
        )
        with understanding():
            return [message(each, self._encoding) for each in elements(answer.body)]

    async def extend(self, queue: str, receipt: Receipt, *, lease: float) -> Receipt:
        """See `durable.ports.Queues.extend`."""
        limits.check_queue_name(queue)
        limits.check_delay(lease)
        answer = await self._service.ask(
            "PUT",
            _message_path(queue, receipt),
            (204,),
            query=[("popreceipt", receipt.pop_receipt), _hidden(lease)],
        )
        renewed = answer.headers.get("x-ms-popreceipt")
        if not renewed:
            raise AmbiguousAnswer("the answer has no receipt")
        return Receipt(receipt.message_id, renewed)

    async def delete(self, queue: str, receipt: Receipt) -> None:
        """See `durable.ports.Queues.delete`."""
        limits.check_queue_name(queue)
        await self._service.ask(
            "DELETE",
            _message_path(queue, receipt),
            (204,),
            query=[("popreceipt", receipt.pop_receipt)],
        )

    async def has_visible(self, queue: str) -> bool:
        """See `durable.ports.Queues.has_visible`."""
        limits.check_queue_name(queue)
        asked = [("numofmessages", "1"), ("peekonly", "true")]

        async def once() -> bool:
            answer = await self._service.ask("GET", f"/{queue}/messages", (200,), query=asked)
            with understanding():
                return bool(elements(answer.body))

        return await read(once)

    async def length(self, queue: str) -> int:
        """See `durable.ports.Queues.length`."""
        return await self._administration.account.queues.length(queue)

    async def create_queue(self, queue: str) -> None:
        """See `durable.ports.Queues.create_queue`."""
        limits.check_queue_name(queue)

        async def once() -> None:
            answer = await self._service.ask("PUT", f"/{queue}", (201, 204, 409))
            refuse_what_is_being_deleted(answer)

        await set_up(once)

    async def delete_queue(self, queue: str) -> None:
        """See `durable.ports.Queues.delete_queue`."""
        await self._administration.account.queues.delete_queue(queue)

    async def names(self, prefix: str) -> list[str]:
        """The account's queues whose names begin so."""
        return await self._administration.account.queues.names(prefix)


def _hidden(seconds: float) -> tuple[str, str]:
    return "visibilitytimeout", str(math.ceil(seconds))


def _message_path(queue: str, receipt: Receipt) -> str:
    return f"/{queue}/messages/{quote(receipt.message_id, safe='')}"
