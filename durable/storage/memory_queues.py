"""Queues in memory."""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from durable.errors import ContainerMissing, MessageGone
from durable.ports import Clock, Message, Receipt
from durable.storage import limits


@dataclass(slots=True)
class _Stored:
    body: bytes
    inserted_at: datetime
    pop_receipt: str
    dequeue_count: int = 0


@dataclass(slots=True)
class _Queue:
    messages: dict[str, _Stored] = field(default_factory=dict)
    # (visible at, order, message id, pop receipt); stale once the message has another receipt.
    schedule: list[tuple[datetime, int, str, str]] = field(default_factory=list)


class MemoryQueues:
    """`durable.ports.Queues` as dictionaries; first visible, first delivered."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._queues: dict[str, _Queue] = {}
        self._serial = itertools.count(1)

    async def send(self, queue: str, body: bytes, *, delay: float = 0.0) -> Receipt:
        """See `durable.ports.Queues.send`."""
        limits.check_queue_name(queue)
        limits.check_body(body)
        limits.check_delay(delay)
        found = self._queue(queue)
        message_id = f"message-{next(self._serial):08}"
        found.messages[message_id] = _Stored(bytes(body), self._clock.now(), "")
        return self._hide(found, message_id, delay)

    async def receive(self, queue: str, *, limit: int, lease: float) -> Sequence[Message]:
        """See `durable.ports.Queues.receive`."""
        limits.check_queue_name(queue)
        limits.check_receive(limit, lease)
        found = self._queue(queue)
        received = []
        for message_id in list(itertools.islice(self._due(found), limit)):
            stored = found.messages[message_id]
            stored.dequeue_count += 1
            receipt = self._hide(found, message_id, lease)
            received.append(Message(receipt, stored.body, stored.dequeue_count, stored.inserted_at))
        return received

    async def extend(self, queue: str, receipt: Receipt, *, lease: float) -> Receipt:
        """See `durable.ports.Queues.extend`."""
        limits.check_queue_name(queue)
        limits.check_delay(lease)
        found = self._queue(queue)
        self._held(found, receipt)
        return self._hide(found, receipt.message_id, lease)

    async def delete(self, queue: str, receipt: Receipt) -> None:
        """See `durable.ports.Queues.delete`."""
        limits.check_queue_name(queue)
        found = self._queue(queue)
        self._held(found, receipt)
        del found.messages[receipt.message_id]

    async def has_visible(self, queue: str) -> bool:
        """See `durable.ports.Queues.has_visible`."""
        limits.check_queue_name(queue)
        found = self._queue(queue)
        self._drop_stale(found)
        return bool(found.schedule) and found.schedule[0][0] <= self._clock.now()

    async def length(self, queue: str) -> int:
        """See `durable.ports.Queues.length`; exact here."""
        limits.check_queue_name(queue)
        return len(self._queue(queue).messages)

    async def create_queue(self, queue: str) -> None:
        """See `durable.ports.Queues.create_queue`."""
        limits.check_queue_name(queue)
        self._queues.setdefault(queue, _Queue())

    async def delete_queue(self, queue: str) -> None:
        """See `durable.ports.Queues.delete_queue`; done at once here."""
        limits.check_queue_name(queue)
        self._queues.pop(queue, None)

    def due(self) -> frozenset[str]:
        """The queues that have a message to give now."""
        now = self._clock.now()
        found = []
        for name, queue in self._queues.items():
            self._drop_stale(queue)
            if queue.schedule and queue.schedule[0][0] <= now:
                found.append(name)
        return frozenset(found)

    def next_visible(self) -> datetime | None:
        """The earliest moment at which a message of any queue is or becomes visible."""
        moments = []
        for queue in self._queues.values():
            self._drop_stale(queue)
            if queue.schedule:
                moments.append(queue.schedule[0][0])
        return min(moments, default=None)

    def _queue(self, queue: str) -> _Queue:
        found = self._queues.get(queue)
        if found is None:
            raise ContainerMissing(f"no queue {queue!r}")
        return found

    def _held(self, queue: _Queue, receipt: Receipt) -> None:
        stored = queue.messages.get(receipt.message_id)
        if stored is None or stored.pop_receipt != receipt.pop_receipt:
            raise MessageGone(f"message {receipt.message_id} is deleted or held by another")

    def _hide(self, queue: _Queue, message_id: str, seconds: float) -> Receipt:
        serial = next(self._serial)
        visible_at = self._clock.now() + timedelta(seconds=math.ceil(seconds))
        pop_receipt = f"receipt-{serial:08}"
        queue.messages[message_id].pop_receipt = pop_receipt
        heapq.heappush(queue.schedule, (visible_at, serial, message_id, pop_receipt))
        return Receipt(message_id, pop_receipt)

    def _due(self, queue: _Queue) -> Iterator[str]:
        now = self._clock.now()
        while True:
            self._drop_stale(queue)
            if not queue.schedule or queue.schedule[0][0] > now:
                return
            yield heapq.heappop(queue.schedule)[2]

    def _drop_stale(self, queue: _Queue) -> None:
        while queue.schedule:
            _, _, message_id, pop_receipt = queue.schedule[0]
            stored = queue.messages.get(message_id)
            if stored is not None and stored.pop_receipt == pop_receipt:
                return
            heapq.heappop(queue.schedule)
