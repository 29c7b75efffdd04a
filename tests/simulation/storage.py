"""Storage that misbehaves as real storage may: slow, lossy, repeating, in no order.

A request may fail before or after it took effect; its answer may be lost. What the service
says to have done it has done.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from durable.errors import AmbiguousAnswer, Throttled
from durable.ports import Message, Receipt
from durable.storage.memory import ManualClock, MemoryQueues

WRITES = frozenset({"transact", "send", "extend", "delete"})
CALLS = WRITES | {"get", "query", "receive", "has_visible", "length"}
FAULTS = frozenset(
    {
        *(f"{name} lost" for name in ("transact", "get", "query", "send", "extend", "delete")),
        *(f"{name} answer lost" for name in WRITES),
        *(f"killed {when} {name}" for when in ("before", "after") for name in WRITES),
        *("sent twice", "queues down", "slow", "killed", "stopped", "client killed", "poison"),
        "receive answer lost",
    }
)
"""What goes wrong, by name."""

TABLE_CALLS = frozenset({"transact", "get", "query"})

Note = Callable[[str], None]
"""Takes a line of the trace."""


class UnorderedQueues(MemoryQueues):
    """Delivers what is visible in any order, and remembers every message ever sent."""

    def __init__(self, clock: ManualClock, rnd: random.Random) -> None:
        super().__init__(clock)
        self._random = rnd
        self.sent: dict[tuple[str, bytes], None] = {}

    async def send(self, queue: str, body: bytes, *, delay: float = 0.0) -> Receipt:
        """See `durable.ports.Queues.send`."""
        self.sent[queue, bytes(body)] = None
        return await super().send(queue, body, delay=delay)

    def is_due(self, queue: str) -> bool:
        """Whether a message may be visible now."""
        schedule = self._queue(queue).schedule
        return bool(schedule) and schedule[0][0] <= self._clock.now()

    async def receive(self, queue: str, *, limit: int, lease: float) -> Sequence[Message]:
        """See `durable.ports.Queues.receive`."""
        received = list(await super().receive(queue, limit=32, lease=lease))
        self._random.shuffle(received)
        found = self._queue(queue)
        for message in received[limit:]:
            # it was not chosen: nobody has received it
            found.messages[message.receipt.message_id].dequeue_count -= 1
            self._hide(found, message.receipt.message_id, 0)
        return received[:limit]


class Faults:
    """What goes wrong, and how often; `on` switches all of it."""

    def __init__(self, rnd: random.Random, clock: ManualClock, note: Note) -> None:
        self.random = rnd
        self.clock = clock
        self.note = note
        self.traced = False
        """Whether somebody reads what is noted."""
        self.rate = rnd.choice((0.0, 0.003, 0.01, 0.03, 0.06))
        self.on = False
        self.counts: Counter[str] = Counter()
        self._outage: Iterator[float] = itertools.repeat(0.0)
        self._down_until = -1.0

    def strikes(self, kind: str, times: float = 1.0) -> bool:
        """Whether it happens now, so many times as often as an ordinary fault."""
        if not self.on or self.random.random() >= self.rate * times:
            return False
        self.counts[kind] += 1
        self.note(f"!! {kind}")
        return True

    def queues_down(self) -> bool:
        """Whether no queue answers at the moment."""
        now = self.clock.monotonic()
        if self.on and now >= self._down_until and self.strikes("queues down", 0.02):
            self._down_until = now + self.random.choice((5, 20, 60))
        return self.on and now < self._down_until

    async def interleave(self) -> None:
        """Let others go first, now and then for longer than a lease."""
        if not self.on:
            return
        for _ in range(self.random.choice((0, 0, 0, 1, 1, 2, 5))):
            await asyncio.sleep(0)
        if self.strikes("slow"):
            await self.clock.sleep(self.random.choice((1, 8, 15, 30, 45)))


class Unreliable:
    """Tables or queues whose every call may be slow, lost, or done with its answer lost."""

    def __init__(self, inner: Any, faults: Faults) -> None:
        self._inner = inner
        self._faults = faults

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._inner, name)
        if name not in CALLS:
            return call
        faults = self._faults

        async def unreliable(*args: Any, **options: Any) -> Any:
            if not faults.on:
                return await call(*args, **options)
            await faults.interleave()
            if name not in TABLE_CALLS and faults.queues_down():
                raise Throttled(f"{name}: the queues are down", retry_after=1.0)
            if faults.strikes(f"{name} lost"):
                raise AmbiguousAnswer(f"{name}: lost on the way there")
            result = await call(*args, **options)
            if name in WRITES and faults.strikes(f"{name} answer lost"):
                raise AmbiguousAnswer(f"{name}: lost on the way back")
            if name == "send" and faults.strikes("sent twice"):
                await call(*args, **options)
            return result

        # the next use finds it without asking here
        self.__dict__[name] = unreliable
        return unreliable


def brief(name: str, args: tuple[Any, ...]) -> str:
    """A call's arguments in a line."""
    if name == "transact":
        ops = ", ".join(f"{type(op).__name__} {op.key}" for op in args[2])
        return f"{args[0]} {args[1]}: {ops}"
    return " ".join(str(each)[:100] for each in args)
