"""Pumps over memory storage, with a runtime that only counts."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Self

import pytest

from durable.errors import AccessDenied, AmbiguousAnswer, ContainerMissing, StorageError, Throttled
from durable.ports import Message
from durable.runtime.slots import Slots
from durable.settings import PollingSettings
from durable.storage.memory import ManualClock, MemoryQueues, memory_storage
from durable.worker.pumps import Pumps
from durable.worker.trouble import SLOW_SECONDS
from tests.worker.settling import elapse, settle

CONTROL, WORK = "hub-control", "hub-work"


class FlakyQueues(MemoryQueues):
    """Raises `failure` from receive while there is one; counts calls."""

    failure: Exception | None = None
    receives = 0
    gate: asyncio.Event | None = None

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock)
        self.limits: set[tuple[str, int]] = set()

    async def receive(self, queue: str, *, limit: int, lease: float) -> Sequence[Message]:
        if queue == CONTROL:
            self.receives += 1
        self.limits.add((queue, limit))
        if self.failure is not None:
            raise self.failure
        messages = await super().receive(queue, limit=limit, lease=lease)
        if self.gate is not None:
            await self.gate.wait()
        return messages


class CountingRuntime:
    """Holds each message until told to finish, then deletes it."""

    def __init__(self, queues: MemoryQueues, size: int) -> None:
        self.control_queues: tuple[str, ...] = (CONTROL,)
        self.work_queues = {"a": WORK, "b": WORK}
        self.turns, self.activities = Slots(size), Slots(size)
        self.on_nudge: Callable[[str, float], None] | None = None
        self.on_look_away: Callable[[str, float], None] | None = None
        self.handled: list[bytes] = []
        self.most = 0
        self.finish = asyncio.Event()
        self.failure: Exception | None = None
        self.tasks: set[asyncio.Task[None]] = set()
        self.messages = self
        self._queues = queues

    @property
    def flow(self) -> Any:
        return self

    def gate(self, activity: str) -> None:
        return None

    def lanes(self, activity: str) -> tuple[str, ...]:
        return (self.work_queues[activity],)

    def weight(self, queue: str) -> int:
        return 1

    def turn_room(self) -> int:
        return self.turns.free

    def activity_room(self) -> int:
        return self.activities.free

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.ensure_future(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    async def handle_control(self, queue: str, message: Message, asked: float) -> None:
        await self._handle(self.turns, queue, message)

    async def handle_work(self, queue: str, message: Message, asked: float) -> None:
        await self._handle(self.activities, queue, message)

    async def _handle(self, slots: Slots, queue: str, message: Message) -> None:
        slots.used += 1
        self.most = max(self.most, slots.used)
        self.handled.append(message.body)
        try:
            if self.failure is not None:
                raise self.failure
            await self.finish.wait()
            await self._queues.delete(queue, message.receipt)
        finally:
            slots.give()


class Rig:
    def __init__(self, size: int = 20, polling: PollingSettings | None = None) -> None:
        self.clock = ManualClock()
        self.queues = FlakyQueues(self.clock)
        storage = replace(memory_storage(self.clock), queues=self.queues)
        self.runtime = CountingRuntime(self.queues, size)
        self.pumps = Pumps(storage, self.runtime, polling)

    async def start(self, create: bool = True) -> None:
        if create:
            await self.queues.create_queue(CONTROL)
            await self.queues.create_queue(WORK)
        self.pumps.start()
        await settle()

    async def stop(self) -> None:
        self.runtime.finish.set()
        self.queues.failure = None
        await self.pumps.stop(5.0)
        await settle()


@pytest.fixture
async def rig() -> Rig:
    return Rig()


async def test_no_more_than_there_is_room_for() -> None:
    rig = Rig(size=3)
    await rig.start()
    for number in range(10):
        await rig.queues.send(CONTROL, b"%d" % number)
    await elapse(rig.clock, 1.5)
    assert len(rig.runtime.handled) == 3
    rig.runtime.finish.set()
    await settle()
    assert sorted(rig.runtime.handled) == [b"%d" % number for number in range(10)]
    assert rig.runtime.most == 3
    assert await rig.queues.length(CONTROL) == 0
    await rig.stop()


async def test_room_is_shared_by_control_queues() -> None:
    rig = Rig(size=3)
    other = "hub-control-2"
    rig.runtime.control_queues = (CONTROL, other)
    storage = replace(memory_storage(rig.clock), queues=rig.queues)
    rig.pumps = Pumps(storage, rig.runtime)
    await rig.queues.create_queue(other)
    await rig.queues.create_queue(CONTROL)
    await rig.queues.create_queue(WORK)
    rig.queues.gate = asyncio.Event()
    for queue in (CONTROL, other):
        for number in range(5):
            await rig.queues.send(queue, b"%d" % number)
    await rig.start(create=False)
    rig.queues.gate.set()
    await settle()
    assert rig.runtime.most == 3
    rig.runtime.finish.set()
    await elapse(rig.clock, 2.0, step=0.1)
    assert rig.runtime.most == 3
    assert len(rig.runtime.handled) == 10
    await rig.stop()


async def test_an_idle_queue_is_asked_ever_less_often(rig: Rig) -> None:
    await rig.start()
    await elapse(rig.clock, 0.5)
    early = rig.queues.receives
    assert early >= 5
    await elapse(rig.clock, 2.0)
    settled = rig.queues.receives
    await elapse(rig.clock, 10.0)
    assert rig.queues.receives - settled == 10
    await rig.stop()


@pytest.mark.parametrize(("seconds", "receives"), [(0.1, 100), (5, 2), (30, 0)])
async def test_the_longest_pause_is_a_setting(seconds: float, receives: int) -> None:
    rig = Rig(polling=PollingSettings(timedelta(seconds=seconds)))
    await rig.start()
    await elapse(rig.clock, 50.0, step=0.1)
    settled = rig.queues.receives
    await elapse(rig.clock, 10.0, step=0.1)
    assert rig.queues.receives - settled == pytest.approx(receives, abs=1)
    await rig.stop()


async def test_a_long_pause_ends_with_what_this_process_sends() -> None:
    rig = Rig(polling=PollingSettings(timedelta(days=1)))
    rig.runtime.finish.set()
    await rig.start()
    await elapse(rig.clock, 100.0, step=1.0)
    await rig.queues.send(CONTROL, b"now")
    assert rig.runtime.on_nudge is not None
    rig.runtime.on_nudge(CONTROL, 0.0)
    await settle()
    assert rig.runtime.handled == [b"now"]
    await rig.stop()


async def test_how_many_messages_are_asked_for_at_once() -> None:
    rig = Rig(size=100, polling=PollingSettings(control_batch=3, work_batch=5))
    await rig.start()
    for number in range(10):
        await rig.queues.send(CONTROL, b"%d" % number)
    await elapse(rig.clock, 2.0)
    assert rig.queues.limits == {(CONTROL, 3), (WORK, 5)}
    # full ones follow at once: a batch bounds what a call brings, and not what runs
    assert len(rig.runtime.handled) == 10
    await rig.stop()


async def test_a_nudge_wakes_at_once_and_at_its_time(rig: Rig) -> None:
    rig.runtime.finish.set()
    await rig.start()
    await elapse(rig.clock, 3.0)
    await rig.queues.send(CONTROL, b"now")
    assert rig.runtime.on_nudge is not None
    rig.runtime.on_nudge(CONTROL, 0.0)
    await settle()
    assert rig.runtime.handled == [b"now"]
    await elapse(rig.clock, 5.0)
    await rig.queues.send(CONTROL, b"later", delay=4.0)
    rig.runtime.on_nudge(CONTROL, 4.0)
    await elapse(rig.clock, 3.95)
    assert rig.runtime.handled == [b"now"]
    await elapse(rig.clock, 0.2)
    assert rig.runtime.handled == [b"now", b"later"]
    rig.runtime.on_nudge("a-queue-of-another", 0.0)
    await rig.stop()
    assert rig.runtime.on_nudge is None


async def test_a_missing_queue_is_looked_for_until_it_is_back(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    rig.runtime.finish.set()
    await rig.start(create=False)
    await elapse(rig.clock, 3 * SLOW_SECONDS, step=0.5)
    assert rig.queues.receives <= 4
    assert caplog.text.count(f"queue {CONTROL} is not there") == 1
    await rig.queues.create_queue(CONTROL)
    await rig.queues.send(CONTROL, b"back")
    await elapse(rig.clock, SLOW_SECONDS, step=0.5)
    assert rig.runtime.handled == [b"back"]
    assert f"queue {CONTROL}: works again" in caplog.text
    await rig.stop()


@pytest.mark.parametrize(
    ("failure", "says"),
    [
        (Throttled("busy", retry_after=3.0), "is busy"),
        (AccessDenied("no"), "credentials"),
        (AmbiguousAnswer("gone"), "does not answer"),
        (ContainerMissing("gone"), "is not there"),
        (RuntimeError("odd"), "unexpected"),
    ],
)
async def test_no_error_ends_a_pump(
    rig: Rig, caplog: pytest.LogCaptureFixture, failure: Exception, says: str
) -> None:
    rig.runtime.finish.set()
    rig.queues.failure = failure
    await rig.start()
    await rig.queues.send(CONTROL, b"x")
    await elapse(rig.clock, 2.5, step=0.05)
    assert rig.queues.receives <= 4
    assert rig.runtime.handled == []
    assert says in caplog.text
    rig.queues.failure = None
    await elapse(rig.clock, SLOW_SECONDS, step=0.1)
    assert rig.runtime.handled == [b"x"]
    await rig.stop()


@pytest.mark.parametrize("failure", [ContainerMissing("table"), ZeroDivisionError()])
async def test_a_message_whose_handling_fails_comes_again(rig: Rig, failure: Exception) -> None:
    rig.runtime.failure = failure
    rig.runtime.finish.set()
    await rig.start()
    await rig.queues.send(CONTROL, b"x")
    await elapse(rig.clock, 2.0, step=0.1)
    assert rig.runtime.handled == [b"x"]
    rig.runtime.failure = None
    await elapse(rig.clock, 21.0, step=0.1)
    assert rig.runtime.handled == [b"x", b"x"]
    assert await rig.queues.length(CONTROL) == 0
    await rig.stop()


async def test_what_comes_while_stopping_is_let_go(rig: Rig) -> None:
    rig.queues.gate = asyncio.Event()
    await rig.queues.create_queue(CONTROL)
    await rig.queues.create_queue(WORK)
    await rig.queues.send(CONTROL, b"x")
    await rig.start(create=False)
    stopping = asyncio.ensure_future(rig.pumps.stop(5.0))
    await settle()
    rig.queues.gate.set()
    await stopping
    await settle()
    assert rig.runtime.handled == []
    rig.queues.gate = None
    (message,) = await rig.queues.receive(CONTROL, limit=1, lease=1)
    assert message.body == b"x"


async def test_stopping_leaves_what_is_handled_alone(rig: Rig) -> None:
    await rig.start()
    await rig.queues.send(WORK, b"x")
    await elapse(rig.clock, 2.0, step=0.1)
    assert rig.runtime.handled == [b"x"]
    await rig.pumps.stop(5.0)
    assert len(rig.runtime.tasks) == 1
    rig.runtime.finish.set()
    await settle()
    with pytest.raises(StorageError):
        await rig.queues.length("nothing-here")
    assert await rig.queues.length(WORK) == 0


async def test_a_queue_is_left_to_others_for_a_while() -> None:
    rig = Rig()
    await rig.start()
    assert rig.runtime.on_look_away is not None
    rig.runtime.on_look_away(CONTROL, 1.2)
    rig.runtime.on_look_away("another", 1.2)
    await elapse(rig.clock, 0.1)
    for queue in (CONTROL, WORK):
        await rig.queues.send(queue, queue.encode())
    assert rig.runtime.on_nudge is not None
    rig.runtime.on_nudge(CONTROL, 0.0)
    await elapse(rig.clock, 1.0, step=0.1)
    assert rig.runtime.handled == [WORK.encode()]
    await elapse(rig.clock, 2.0, step=0.1)
    assert rig.runtime.handled == [WORK.encode(), CONTROL.encode()]
    await rig.stop()
    assert rig.runtime.on_look_away is None


async def test_a_pump_that_looks_away_stops_at_once() -> None:
    rig = Rig()
    await rig.start()
    assert rig.runtime.on_look_away is not None
    rig.runtime.on_look_away(CONTROL, 1000.0)
    await elapse(rig.clock, 3.0)
    # it is cancelled after five seconds otherwise
    async with asyncio.timeout(2):
        await rig.stop()


class OpenGate:
    """Lets so many messages come."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.changed = asyncio.Event()

    def always(self) -> Self:
        """May have changed whenever it is asked."""
        self.changed.clear = lambda: None  # type: ignore[method-assign]
        self.changed.set()
        return self


def limited_rig(gate: OpenGate | None, *lanes: str) -> Rig:
    """One activity with those queues, the most urgent first."""
    rig = Rig(size=100)
    rig.runtime.work_queues = {"a": WORK}
    rig.runtime.lanes = lambda activity: lanes  # type: ignore[method-assign]
    rig.runtime.gate = lambda activity: gate  # type: ignore[method-assign,assignment]
    storage = replace(memory_storage(rig.clock), queues=rig.queues)
    rig.pumps = Pumps(storage, rig.runtime)
    return rig


async def test_a_gate_says_how_many_messages_come() -> None:
    gate = OpenGate(2)
    rig = limited_rig(gate, WORK)
    await rig.queues.create_queue(WORK)
    for number in range(9):
        await rig.queues.send(WORK, b"%d" % number)
    rig.queues.gate = asyncio.Event()
    await rig.start()
    # what has come counts before the runtime knows of it
    rig.queues.gate.set()
    gate.room = 0
    await elapse(rig.clock, 5.0)
    assert len(rig.runtime.handled) == 2
    gate.room = 1
    gate.changed.set()
    await settle()
    assert len(rig.runtime.handled) > 2
    await rig.stop()


async def test_urgent_queues_are_emptied_first_and_none_starves() -> None:
    gate = OpenGate(1).always()
    high, low = f"{WORK}-high", f"{WORK}-low"
    rig = limited_rig(gate, high, WORK, low)
    rig.runtime.finish.set()
    for queue in (high, WORK, low):
        await rig.queues.create_queue(queue)
        for number in range(30):
            await rig.queues.send(queue, b"%s %d" % (queue.encode(), number))
    await rig.start()
    await elapse(rig.clock, 3.0)
    kinds = [body.split()[0].decode() for body in rig.runtime.handled]
    assert len(kinds) == 90
    assert kinds[:20].count(high) == 18
    assert kinds[:20].count(low) == 2
    assert kinds.index(WORK) > 29
    await rig.stop()
