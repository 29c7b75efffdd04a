"""The app's own queue triggers, with the semantics that they have under the Functions host."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from azure.functions.queue import QueueMessage

from durable.errors import ContainerMissing, MessageGone, StorageError
from durable.ports import Clock, Message, Queues, Storage
from durable.runtime.ending import end
from durable.settings import QueueSettings
from durable.worker.inventory import QueueFunction
from durable.worker.invocation import Invoker, with_user_traceback
from durable.worker.polling import Backoff, wait
from durable.worker.trouble import Trouble

_log = logging.getLogger("durable.worker.queues")

LEASE_SECONDS = 600.0
RENEW_SECONDS = 300.0
_FIRST_IDLE = 0.1


class QueueTrigger:
    """Receives from one queue in batches; a message that fails too often goes to
    `<queue>-poison`, which is made when it is needed."""

    def __init__(
        self,
        storage: Storage,
        function: QueueFunction,
        invoker: Invoker,
        settings: QueueSettings,
    ) -> None:
        self._queues = storage.queues
        self._clock = storage.clock
        self._function = function
        self._invoker = invoker
        self._settings = settings
        self._trouble = Trouble(_log, f"queue {function.queue}")
        idle = settings.max_polling_interval.total_seconds()
        self._backoff = Backoff(min(_FIRST_IDLE, idle), idle)
        self._stopped = asyncio.Event()
        self._ended = asyncio.Event()
        self._running: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Until `stop`; a failing function or storage does not end it."""
        while not self._stopped.is_set():
            if len(self._running) > self._settings.new_batch_threshold:
                self._ended.clear()
                await self._ended.wait()
                continue
            try:
                messages = await self._queues.receive(
                    self._function.queue, limit=self._settings.batch_size, lease=LEASE_SECONDS
                )
            except ContainerMissing:
                # A queue that nobody has sent to yet.
                messages = []
            except Exception as error:
                await wait(self._stopped, self._clock, self._trouble.met(error))
                continue
            self._trouble.over()
            for message in messages:
                self._begin(message)
            if messages:
                self._backoff.reset()
            else:
                await wait(self._stopped, self._clock, self._backoff.delay())

    def stop(self) -> None:
        """Receive no more; functions that run go on."""
        self._stopped.set()
        self._ended.set()

    async def drain(self, seconds: float) -> None:
        """After `run` ended: give running functions up to `seconds`, then show their messages
        again."""
        if self._running:
            await asyncio.wait(self._running, timeout=seconds)
        if await end(self._running):
            _log.warning("%s does not end, and is left behind", self._function.call.name)

    def _begin(self, message: Message) -> None:
        task = asyncio.create_task(self._one(message))
        self._running.add(task)
        task.add_done_callback(self._end)

    def _end(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._ended.set()

    async def _one(self, message: Message) -> None:
        held = HeldMessage(self._queues, self._clock, self._function.queue, message)
        try:
            if self._stopped.is_set():
                await held.show()
            elif message.dequeue_count > self._settings.max_dequeue_count:
                await self._poison(held)
            elif await self._succeeds(held):
                await held.delete()
            elif message.dequeue_count >= self._settings.max_dequeue_count:
                await self._poison(held)
            else:
                await held.show(after=self._settings.visibility_timeout.total_seconds())
        except asyncio.CancelledError:
            with suppress(StorageError):
                await held.show()
            raise
        except MessageGone:
            _log.warning(
                "queue %s: message %s was deleted or taken by another while it was held",
                self._function.queue,
                message.receipt.message_id,
            )
        except Exception as error:
            self._trouble.met(error)

    async def _succeeds(self, held: HeldMessage) -> bool:
        message, name = held.message, self._function.call.name
        given = QueueMessage(  # type: ignore[no-untyped-call]
            id=message.receipt.message_id,
            body=message.body,
            dequeue_count=message.dequeue_count,
            insertion_time=message.inserted_at,
            pop_receipt=message.receipt.pop_receipt,
        )
        try:
            async with held.renewed():
                await self._invoker.call(self._function.call, given)
        except Exception as error:
            _log.error(
                "queue function %s failed, delivery %d of %d of message %s",
                name,
                message.dequeue_count,
                self._settings.max_dequeue_count,
                message.receipt.message_id,
                exc_info=with_user_traceback(error),
            )
            return False
        return True

    async def _poison(self, held: HeldMessage) -> None:
        queue = f"{self._function.queue}-poison"
        try:
            await self._queues.send(queue, held.message.body)
        except ContainerMissing:
            await self._queues.create_queue(queue)
            await self._queues.send(queue, held.message.body)
        await held.delete()
        _log.error(
            "queue %s: message %s was moved to %s after %d deliveries",
            self._function.queue,
            held.message.receipt.message_id,
            queue,
            held.message.dequeue_count,
        )


class HeldMessage:
    """A received message and its receipt, which changes with each renewal."""

    def __init__(self, queues: Queues, clock: Clock, queue: str, message: Message) -> None:
        self.message = message
        self._queues = queues
        self._clock = clock
        self._queue = queue
        self._receipt = message.receipt

    @asynccontextmanager
    async def renewed(self) -> AsyncIterator[None]:
        """Within, the message stays hidden from others."""
        over = asyncio.Event()
        renewing = asyncio.create_task(self._renew(over))
        try:
            yield
        finally:
            # A renewal under way ends first: it brings the receipt that counts.
            over.set()
            await renewing

    async def _renew(self, over: asyncio.Event) -> None:
        while not await wait(over, self._clock, RENEW_SECONDS):
            try:
                self._receipt = await self._queues.extend(
                    self._queue, self._receipt, lease=LEASE_SECONDS
                )
            except StorageError as error:
                _log.warning(
                    "queue %s: message %s could not be held any longer: %s",
                    self._queue,
                    self.message.receipt.message_id,
                    error,
                )

    async def show(self, *, after: float = 0.0) -> None:
        """Let others receive it in `after` seconds."""
        await self._queues.extend(self._queue, self._receipt, lease=after)

    async def delete(self) -> None:
        """It is done with."""
        await self._queues.delete(self._queue, self._receipt)
