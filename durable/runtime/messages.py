"""What comes in from queues: checked, guarded, and handed to a run or to the work of activities."""

from __future__ import annotations

import logging
from collections.abc import Awaitable
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from durable.errors import MessageGone, StorageError
from durable.hub.decoding import decode_message
from durable.hub.messages import (
    LIMIT,
    BadMessage,
    Doorbell,
    Doorbells,
    NewerMessage,
    Query,
    WorkBatch,
    WorkItem,
)
from durable.hub.ringing import repeat
from durable.ports import Message
from durable.runtime.guards import Guard, Key

if TYPE_CHECKING:
    from durable.runtime.runtime import Runtime

logger = logging.getLogger("durable.runtime")

LEAVE_TO_NEWER = 60.0
MOST_WAITS = 7 * 24 * 60
"""How often a message is left to a newer worker before it becomes a dead letter: for a week."""


class Messages:
    """The messages of one runtime."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._hub = runtime.hub

    # ---- messages that our own pump received, with a lease of 20 s ----

    async def handle_control(self, queue: str, message: Message, asked: float) -> None:
        """Do what a control message asks for, and delete it. One that is none of ours becomes a
        dead letter. `asked` is the monotonic time when receiving it was begun."""
        bell = await self._decode(queue, message.body, Doorbell | Doorbells | Query)
        if isinstance(bell, Query):
            await self._query(queue, bell)
        if bell is None or isinstance(bell, Query):
            await self._delete(queue, message)
            return
        if isinstance(bell, Doorbells):
            self._runtime.batches.weights[queue] = len(bell.instances)
            first = Doorbell(bell.instances[0], guard=bell.guard)
            guard = self._received(queue, message, first, asked)
            run = self._runtime.runs.run_all(bell.instances, guard, None)
            await self._under(guard, message, run)
            return
        self._runtime.batches.weights[queue] = 1
        if message.dequeue_count == 1 and self._runtime.runs.join(bell):
            await self._delete(queue, message)
            return
        guard = self._received(queue, message, bell, asked)
        bell = _rung(bell, message.dequeue_count)
        await self._under(guard, message, self._runtime.runs.run(bell, guard, None))

    async def handle_work(self, queue: str, message: Message, asked: float) -> None:
        """Run the activity of a work item, store its completion, and delete the item."""
        item = await self._decode(queue, message.body, WorkItem | WorkBatch)
        if item is None:
            await self._delete(queue, message)
            return
        calls = item.items if isinstance(item, WorkBatch) else (item,)
        self._runtime.batches.weights[queue] = len(calls)
        guard = self._received(queue, message, Doorbell(calls[0].instance_id), asked)
        handle: Any = self._runtime.work.handle
        if isinstance(item, WorkBatch):
            handle = self._runtime.batches.handle
        await self._under(guard, message, handle(queue, item, guard, message.dequeue_count, None))

    # ---- messages that a queue trigger received: its lease is no guard ----

    async def trigger_control(
        self, queue: str, body: bytes, message_id: str, dequeue_count: int
    ) -> None:
        """As `handle_control`; whoever received the message deletes it when this returns."""
        bell = await self._decode(queue, body, Doorbell | Doorbells | Query)
        if isinstance(bell, Query):
            await self._query(queue, bell)
            return
        if bell is None:
            return
        deadline = self._runtime.deadline(self._runtime.options.invocation_budget)
        if isinstance(bell, Doorbells):
            first = Doorbell(bell.instances[0], guard=bell.guard)
            if follows := self._follows(first, (message_id, dequeue_count)):
                await self._runtime.runs.ring_apart(bell.instances, follows)
                return
            guard = await self._runtime.put_guard_of(queue, bell.instances)
            await self._runtime.runs.run_all(bell.instances, guard, deadline)
            return
        if dequeue_count == 1 and self._runtime.runs.join(bell):
            return
        guard = await self._own_guard(bell, message_id, dequeue_count)
        await self._runtime.runs.run(_rung(bell, dequeue_count), guard, deadline)

    async def trigger_work(
        self, queue: str, body: bytes, message_id: str, dequeue_count: int
    ) -> None:
        """As `handle_work`; whoever received the message deletes it when this returns."""
        item = await self._decode(queue, body, WorkItem | WorkBatch)
        if item is None:
            return
        deadline = self._runtime.deadline(self._runtime.options.invocation_budget)
        if isinstance(item, WorkBatch):
            await self._runtime.batches.handle(queue, item, None, dequeue_count, deadline)
            return
        # it may have been the guard of a worker with a pump of its own
        follows = self._follows(Doorbell(item.instance_id), (message_id, dequeue_count))
        await self._runtime.work.handle(queue, item, None, dequeue_count, deadline, follows)

    # ---- small things ----

    async def _query(self, queue: str, query: Query) -> None:
        """Answer it in the place of a turn: it replays as one does."""
        self._runtime.batches.weights[queue] = 1
        self._runtime.turns.used += 1
        try:
            await self._runtime.queries.handle(queue, query)
        finally:
            self._runtime.turns.give()

    async def _under(self, guard: Guard, message: Message, work: Awaitable[None]) -> None:
        """Do what a held message asks for. One that fails each time becomes a dead letter, since
        the instance cannot be read that would say so."""
        self._runtime.keeping.keep(guard)
        try:
            await work
        except BaseException as error:
            count = message.dequeue_count
            is_defect = isinstance(error, Exception) and not isinstance(error, StorageError)
            if is_defect and count > self._runtime.options.max_attempts:
                reason = f"it was tried {count} times, the last time: {error!r}"
                await self._bury(guard.queue, message.body, reason)
                await self._runtime.keeping.release(guard)
                return
            self._runtime.keeping.drop(guard)
            raise

    def _received(self, queue: str, message: Message, bell: Doorbell, asked: float) -> Guard:
        """The guard that a message is, for who received it at `asked`."""
        count = message.dequeue_count
        key = (message.receipt.message_id, count)
        clock, follows = self._hub.storage.clock, self._follows(bell, key)
        return Guard(clock, queue, message.receipt, asked, count=count, follows=follows)

    async def _own_guard(self, bell: Doorbell, message_id: str, count: int) -> Guard:
        """A guard of ours beside a queue trigger's lease."""
        return await self._runtime.put_guard(bell, self._follows(bell, (message_id, count)))

    @staticmethod
    def _follows(bell: Doorbell, key: Key) -> tuple[Key, ...]:
        """Guards whose holder may still be alive."""
        earlier = (key,) if bell.guard or key[1] > 1 else ()
        # a mark ends holders of smaller counts than its own
        return (*earlier, *((message, count + 1) for message, count in bell.heir_of))

    async def _decode(self, queue: str, body: bytes, kind: Any) -> Any:
        """The message, or None after it was left to a newer worker or became a dead letter."""
        try:
            decoded = decode_message(body)
            if isinstance(decoded, kind):
                return decoded
            reason = f"a {type(decoded).__name__} does not belong into this queue"
        except NewerMessage as error:
            again = error.again()
            if error.waited < MOST_WAITS and len(again) <= LIMIT:
                logger.warning("a message of %s is left to a newer worker: %s", queue, error)
                send = self._hub.storage.queues.send
                await repeat(self._hub, lambda: send(queue, again, delay=LEAVE_TO_NEWER))
                return None
            reason = f"no newer worker took it: {error}"
        except BadMessage as error:
            reason = str(error)
        await self._bury(queue, body, reason)
        return None

    async def _bury(self, queue: str, body: bytes, reason: str) -> None:
        key = await repeat(self._hub, lambda: self._hub.bury(queue, body, reason))
        logger.warning("a message of %s became dead letter %s: %s", queue, key, reason)

    async def _delete(self, queue: str, message: Message) -> None:
        with suppress(MessageGone):
            await repeat(self._hub, lambda: self._hub.storage.queues.delete(queue, message.receipt))


def _rung(bell: Doorbell, count: int) -> Doorbell:
    """The bell of a message as it came: it says whether who had it before has died."""
    return replace(bell, died=bell.died or bell.guard or count > 1)
