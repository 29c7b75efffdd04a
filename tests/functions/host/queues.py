"""The queue trigger of the Functions host, by its documented semantics and with its timing."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import random
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.storage.queue import QueueMessage
from azure.storage.queue.aio import QueueClient, QueueServiceClient

from durable.settings import QueueSettings

LEASE = 600
SHORTEST_DELAY = 0.1
POISON_LIFE = 7 * 24 * 3600

Data = dict[str, Any]
Invoke = Callable[[Data, Mapping[str, Data]], Awaitable[object]]


class Backoff:
    """100 ms after a message; 100 ms + 100 ms·2^n·rand after n empty looks, up to the limit."""

    def __init__(self, longest: float) -> None:
        self._longest = longest
        self._empty = 0

    def next_delay(self, *, found: bool) -> float:
        """Seconds until the next look at the queue."""
        if found:
            self._empty = 0
            return SHORTEST_DELAY
        grown: float = SHORTEST_DELAY * 2.0**self._empty * random.uniform(0.8, 1.2)
        self._empty = min(self._empty + 1, 20)
        return min(SHORTEST_DELAY + grown, self._longest)


class QueueListener:
    """Serves one queue-triggered function. `lease` is how long a received message stays hidden,
    renewed at half: 10 minutes, unless a test has no time."""

    def __init__(
        self,
        service: QueueServiceClient,
        queue: str,
        settings: QueueSettings,
        invoke: Invoke,
        *,
        binary: bool,
        lease: int = LEASE,
    ) -> None:
        self.queue = queue
        self._service = service
        self._client: QueueClient = service.get_queue_client(queue)
        self._settings = settings
        self._invoke = invoke
        self._binary = binary
        self._lease = lease
        self._running: set[asyncio.Task[None]] = set()
        self._listening: asyncio.Task[None] | None = None
        self._settled = asyncio.Event()
        self.succeeded = self.failed = self.poisoned = 0

    def start(self) -> None:
        """Begin to look at the queue."""
        self._listening = asyncio.create_task(self._listen(), name=f"listen to {self.queue}")

    async def stop(self) -> None:
        """Drain: take nothing more, and let what runs end."""
        if self._listening is not None:
            self._listening.cancel()
            with suppress(asyncio.CancelledError):
                await self._listening
        await asyncio.gather(*self._running)

    async def abandon(self) -> None:
        """As a host that is killed: the messages in work stay hidden until their leases end."""
        tasks = [*self._running, *([self._listening] if self._listening else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def running(self) -> int:
        """How many messages are in work."""
        return len(self._running)

    async def until(self, condition: Callable[[QueueListener], bool]) -> None:
        """Wait until that holds of the counts `succeeded`, `failed` and `poisoned`."""
        while not condition(self):
            self._settled.clear()
            await self._settled.wait()

    async def _listen(self) -> None:
        settings = self._settings
        backoff = Backoff(settings.max_polling_interval.total_seconds())
        found = False
        while True:
            messages = await self._receive()
            for message in messages:
                task = asyncio.create_task(self._process(message))
                self._running.add(task)
                task.add_done_callback(self._done)
            if not messages:
                await asyncio.sleep(backoff.next_delay(found=found))
            found = bool(messages)
            while len(self._running) > settings.new_batch_threshold:
                await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._settled.set()

    async def _receive(self) -> list[QueueMessage]:
        limit = self._settings.batch_size
        try:
            pages = self._client.receive_messages(
                messages_per_page=limit, max_messages=limit, visibility_timeout=self._lease
            )
            return [message async for message in pages]
        except ResourceNotFoundError:
            return []

    async def _process(self, message: QueueMessage) -> None:
        text = str(message.content)
        count = int(message.dequeue_count or 0)
        body = self._decoded(text)
        if body is None or count > self._settings.max_dequeue_count:
            await self._poison(message, text)
            return
        renewing = asyncio.create_task(self._renew(message))
        try:
            await self._invoke(self._data(body), _metadata(message, body))
        except Exception:
            self.failed += 1
            succeeded = False
        else:
            self.succeeded += 1
            succeeded = True
        finally:
            renewing.cancel()
            with suppress(asyncio.CancelledError):
                await renewing
        with suppress(ResourceNotFoundError):
            if succeeded:
                await self._client.delete_message(message)
            elif count >= self._settings.max_dequeue_count:
                await self._poison(message, text)
            else:
                seconds = int(self._settings.visibility_timeout.total_seconds())
                await self._client.update_message(message, visibility_timeout=seconds)

    def _decoded(self, text: str) -> bytes | None:
        if self._settings.message_encoding == "none":
            return text.encode()
        try:
            return base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            return None

    def _data(self, body: bytes) -> Data:
        """What is no UTF-8 fails here, before the function, unless the binding is binary."""
        if self._binary:
            return {"bytes": base64.b64encode(body).decode()}
        return {"string": body.decode()}

    async def _renew(self, message: QueueMessage) -> None:
        while True:
            await asyncio.sleep(self._lease / 2)
            renewed = await self._client.update_message(message, visibility_timeout=self._lease)
            message.pop_receipt = renewed.pop_receipt

    async def _poison(self, message: QueueMessage, text: str) -> None:
        self.poisoned += 1
        poison = self._service.get_queue_client(f"{self.queue}-poison")
        with suppress(ResourceExistsError):
            await poison.create_queue()
        await poison.send_message(text, time_to_live=POISON_LIFE)
        await self._client.delete_message(message)


def _metadata(message: QueueMessage, body: bytes) -> dict[str, Data]:
    """Trigger metadata; the fields of a body that is a JSON object overwrite it."""
    metadata: dict[str, Data] = {
        "Id": {"string": str(message.id)},
        "DequeueCount": {"json": str(message.dequeue_count)},
        "PopReceipt": {"string": str(message.pop_receipt)},
        "InsertionTime": _time(message.inserted_on),
        "ExpirationTime": _time(message.expires_on),
        "NextVisibleTime": _time(message.next_visible_on),
    }
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        return metadata
    names: dict[str, str] = {name.lower(): name for name in metadata}
    for name, value in dict[str, Any](fields if isinstance(fields, dict) else {}).items():
        data = {"string": value} if isinstance(value, str) else {"json": json.dumps(value)}
        metadata[names.get(name.lower(), name)] = data
    return metadata


def _time(moment: datetime | None) -> Data:
    return {"json": json.dumps(moment.isoformat() if moment else None)}
