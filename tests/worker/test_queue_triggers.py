"""Queue triggers over memory storage, with the semantics of the Functions host."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import azure.functions as func
import pytest

from durable.errors import ContainerMissing
from durable.settings import QueueSettings
from durable.storage.memory import ManualClock, memory_storage
from durable.worker.inventory import QueueFunction
from durable.worker.invocation import Invocable, Invoker
from durable.worker.queue_triggers import QueueTrigger
from tests.worker.settling import elapse, settle

QUEUE = "in-box"
SETTINGS = QueueSettings(
    batch_size=4,
    new_batch_threshold=2,
    max_dequeue_count=3,
    visibility_timeout=timedelta(seconds=5),
    max_polling_interval=timedelta(seconds=2),
    message_encoding="base64",
)


class Rig:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.storage = memory_storage(self.clock)
        self.queues = self.storage.queues
        self.seen: list[func.QueueMessage] = []
        self.running = self.most = 0
        self.finish = asyncio.Event()
        self.failure: Exception | None = None
        function = QueueFunction(Invocable("take", self.take, "m"), QUEUE, "AzureWebJobsStorage")
        self.trigger = QueueTrigger(self.storage, function, Invoker(Path("/srv/app")), SETTINGS)
        self.task: asyncio.Task[None] | None = None

    async def take(self, m: func.QueueMessage) -> None:
        self.seen.append(m)
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await self.finish.wait()
            if self.failure is not None:
                raise self.failure
        finally:
            self.running -= 1

    async def start(self) -> None:
        await self.queues.create_queue(QUEUE)
        self.task = asyncio.ensure_future(self.trigger.run())
        await settle()

    async def stop(self, seconds: float = 5.0) -> None:
        assert self.task is not None
        self.trigger.stop()
        await self.task
        await self.trigger.drain(seconds)


@pytest.fixture
async def rig() -> Rig:
    return Rig()


async def test_a_message_is_shown_and_deleted(rig: Rig) -> None:
    rig.finish.set()
    await rig.start()
    await rig.queues.send(QUEUE, b'{"n": 1}')
    await elapse(rig.clock, 0.5)
    (message,) = rig.seen
    assert message.get_json() == {"n": 1}
    assert message.dequeue_count == 1
    assert message.id
    assert message.pop_receipt
    assert message.insertion_time is not None
    assert await rig.queues.length(QUEUE) == 0
    await rig.stop()


async def test_batches_and_their_threshold(rig: Rig) -> None:
    for number in range(20):
        await rig.queues.create_queue(QUEUE)
        await rig.queues.send(QUEUE, b"%d" % number)
    await rig.start()
    await elapse(rig.clock, 5, step=0.1)
    assert rig.most == SETTINGS.batch_size
    rig.finish.set()
    await elapse(rig.clock, 5, step=0.1)
    assert len(rig.seen) == 20
    assert rig.most <= SETTINGS.batch_size + SETTINGS.new_batch_threshold
    await rig.stop()


async def test_failures_wait_and_end_in_the_poison_queue(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    rig.failure = ValueError("of the user")
    rig.finish.set()
    await rig.start()
    await rig.queues.send(QUEUE, b"bad")
    await elapse(rig.clock, 4.9, step=0.1)
    assert [message.dequeue_count for message in rig.seen] == [1]
    await elapse(rig.clock, 30, step=0.1)
    assert [message.dequeue_count for message in rig.seen] == [1, 2, 3]
    assert await rig.queues.length(QUEUE) == 0
    (poison,) = await rig.queues.receive(f"{QUEUE}-poison", limit=1, lease=1)
    assert poison.body == b"bad"
    assert "of the user" in caplog.text
    assert f"moved to {QUEUE}-poison" in caplog.text
    await rig.stop()


async def test_a_message_delivered_too_often_is_not_shown_again(rig: Rig) -> None:
    await rig.queues.create_queue(QUEUE)
    await rig.queues.send(QUEUE, b"killer")
    for _ in range(SETTINGS.max_dequeue_count):
        await rig.queues.receive(QUEUE, limit=1, lease=1)
        rig.clock.advance(2)
    await rig.start()
    await elapse(rig.clock, 1)
    assert rig.seen == []
    assert await rig.queues.length(f"{QUEUE}-poison") == 1
    await rig.stop()


async def test_a_long_run_keeps_its_message(rig: Rig) -> None:
    await rig.start()
    await rig.queues.send(QUEUE, b"long")
    await elapse(rig.clock, 0.5)
    await elapse(rig.clock, 2000, step=10)
    assert len(rig.seen) == 1
    rig.finish.set()
    await settle()
    assert await rig.queues.length(QUEUE) == 0
    await rig.stop()


async def test_what_does_not_end_in_time_is_shown_to_others(rig: Rig) -> None:
    await rig.start()
    await rig.queues.send(QUEUE, b"x")
    await elapse(rig.clock, 0.5)
    assert rig.running == 1
    await rig.stop(seconds=0.0)
    (message,) = await rig.queues.receive(QUEUE, limit=1, lease=1)
    assert message.dequeue_count == 2


async def test_a_queue_that_comes_later(rig: Rig) -> None:
    rig.finish.set()
    rig.task = asyncio.ensure_future(rig.trigger.run())
    await elapse(rig.clock, 5, step=0.1)
    with pytest.raises(ContainerMissing):
        await rig.queues.length(QUEUE)
    await rig.queues.create_queue(QUEUE)
    await rig.queues.send(QUEUE, b"x")
    await elapse(rig.clock, 2.1, step=0.1)
    assert len(rig.seen) == 1
    await rig.stop()
