"""Limited calls where something else comes in between: audits, triggers, older messages, crashes,
stops."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import azure.functions as func

import durable as df
from durable.engine.context import DurableOrchestrationContext as Context
from durable.errors import Throttled
from durable.hub.decoding import decode_message
from durable.hub.messages import WorkBatch, WorkItem
from durable.hub.permits import PERMITS, PermitRows, concurrency_key, key_key
from durable.model.filters import WorkItemFilters
from durable.model.functions import ActivityDefinition
from durable.model.limits import Limits, RateLimit
from durable.ports import Delete
from durable.runtime.flow import PATIENCE
from durable.runtime.options import RuntimeOptions
from durable.runtime.permits import Permits
from durable.testing import TestHub
from tests.memory_hub import MemoryHub


class Working:
    """The activity `work` of a number, which takes `seconds`, and `many`, which maps it."""

    def __init__(self, hub: MemoryHub, limits: Limits, seconds: float) -> None:
        self.begun: list[int] = []
        self.now = self.most = 0
        key = "a" if limits.key_concurrency else None

        async def work(value: int) -> int:
            self.begun.append(value)
            self.now += 1
            self.most = max(self.most, self.now)
            await hub.clock.sleep(seconds)
            self.now -= 1
            return value

        hub.registry.add(ActivityDefinition("work", work, "value", True, limits=limits))

        @hub.orchestrator
        async def many(context: Context) -> Any:
            return await context.map("work", range(context.get_input(int)), key=key)


async def test_calls_that_wait_for_long_are_not_taken_for_lost() -> None:
    hub = MemoryHub(workers=2)
    working = Working(hub, Limits(concurrency=2, key_concurrency=1), seconds=100)
    async with hub:
        await hub.client.start_new("many", "one", 12)
        status = await hub.wait("one")
        assert status.runtime_status == "Completed"
        assert sorted(working.begun) == [*range(12)]
        assert working.most == 1


async def test_calls_that_wait_for_a_slow_rate_are_not_taken_for_lost() -> None:
    hub = MemoryHub(workers=2)
    working = Working(hub, Limits(rate=RateLimit(1, timedelta(minutes=5))), seconds=1)
    async with hub:
        before = hub.clock.now()
        await hub.client.start_new("many", "one", 6)
        await hub.wait("one")
        assert sorted(working.begun) == [*range(6)]
        assert timedelta(minutes=25) <= hub.clock.now() - before < timedelta(minutes=40)


async def test_a_lost_call_is_sent_again_once_nothing_else_is_there() -> None:
    hub = MemoryHub()
    working = Working(hub, Limits(concurrency=1), seconds=1)
    async with hub:
        queue = hub.hub.names.work_queue("work")
        await hub.client.start_new("many", "one", 1)
        await hub.idle()
        while not (messages := await hub.queues.receive(queue, limit=1, lease=5)):
            await hub.step()
        await hub.queues.delete(queue, messages[0].receipt)
        await hub.wait("one")
        assert working.begun == [0]


async def test_under_a_trigger_a_call_waits_a_little_and_is_put_back() -> None:
    hub = MemoryHub(workers=2)
    working = Working(hub, Limits(concurrency=1), seconds=60)
    async with hub:
        queue = hub.hub.names.work_queue("work")
        one, other = hub.runtimes
        await hub.client.start_new("many", "one", 2)
        bodies: list[bytes] = []
        hub.runtimes.remove(other)
        one.activities.size = 0
        while len(bodies) < 2:
            await hub.step()
            received = await hub.queues.receive(queue, limit=2, lease=1)
            bodies += [message.body for message in received]
            for message in received:
                await hub.queues.delete(queue, message.receipt)
        one.activities.size = 20
        runs = [
            runtime.spawn(runtime.messages.trigger_work(queue, body, f"m{number}", 1))
            for number, (runtime, body) in enumerate(zip((one, other), bodies, strict=True))
        ]
        before = hub.clock.now()
        await hub.until(lambda: runs[1].done() or runs[0].done())
        assert hub.clock.now() - before >= timedelta(seconds=PATIENCE)
        assert await hub.queues.length(queue) == 1
        assert not await hub.queues.has_visible(queue)
        hub.runtimes.append(other)
        await hub.wait("one")
        assert (sorted(working.begun), working.most) == ([0, 1], 1)


async def test_a_message_of_many_calls_is_taken_apart() -> None:
    hub = MemoryHub()
    working = Working(hub, Limits(concurrency=1), seconds=1)
    async with hub:
        queue = hub.hub.names.work_queue("work")
        await hub.client.start_new("many", "one", 3)
        items: list[WorkItem] = []
        hub.runtimes[0].activities.size = 0
        while len(items) < 3:
            await hub.step()
            for message in await hub.queues.receive(queue, limit=3, lease=1):
                found = decode_message(message.body)
                assert isinstance(found, WorkItem)
                items.append(found)
                await hub.queues.delete(queue, message.receipt)
        hub.runtimes[0].activities.size = 20
        await hub.queues.send(queue, WorkBatch(tuple(items)).encode())
        await hub.wait("one")
        assert (sorted(working.begun), working.most) == ([0, 1, 2], 1)


async def test_a_worker_that_stood_still_begins_nothing_with_what_it_had() -> None:
    hub = MemoryHub(workers=2)
    working = Working(hub, Limits(concurrency=1), seconds=15)
    async with hub:
        await hub.client.start_new("many", "one", 6)
        await hub.until(lambda: len(working.begun) == 2)
        holder = next(each for each in hub.runtimes if each.activities.used)
        hub.pause(holder, 100)
        other = next(each for each in hub.runtimes if each is not holder)
        await hub.until(lambda: other.activities.used)
        # what it ran has ended meanwhile: its permits are old, and it has begun nothing with them
        assert working.most == 1
        await hub.wait("one")
        assert working.most == 1


async def test_permits_that_cannot_be_renewed_begin_nothing() -> None:
    hub = MemoryHub(workers=2)
    working = Working(hub, Limits(concurrency=1), seconds=3)
    async with hub:
        await hub.client.start_new("many", "one", 20)
        await hub.until(lambda: len(working.begun) == 2)
        holder = next(each for each in hub.runtimes if each.activities.used)

        async def refuses(name: str, arguments: tuple[Any, ...]) -> None:
            if name == "transact" and arguments[1] == PERMITS:
                raise Throttled("busy", retry_after=1.0)

        hub.tamper(holder, before=refuses)
        await hub.wait("one")
        assert (sorted(working.begun), working.most) == ([*range(20)], 1)


async def test_processes_share_what_there_is() -> None:
    hub = MemoryHub(workers=2)
    async with hub:
        one, other = (PermitRows(each.hub.storage, hub.hub.names) for each in hub.runtimes)
        key = concurrency_key("work")
        assert (await one.hold(key, "one", 5, 4, None)).of("one") == 4
        waiting = await other.hold(key, "other", 3, 4, None)
        assert waiting.of("other") == 0
        # who waits is seen
        seen = await one.renew(key, "one")
        assert seen is not None
        assert seen.others("one") == 1
        assert (await one.hold(key, "one", 2, 4, None)).of("one") == 2
        assert (await other.hold(key, "other", 3, 4, None)).of("other") == 2
        await hub.run(21)
        # nobody renewed them
        assert await other.renew(key, "third") is None
        assert (await other.hold(key, "third", 9, 4, None)).of("third") == 4
        assert await one.renew(key, "one") is None
        await other.hold(key, "third", 0, 4, None)
        assert await hub.tables.get(hub.hub.names.index, PERMITS, key) is None


async def test_what_is_being_given_back_is_handed_to_nobody() -> None:
    hub = MemoryHub()
    async with hub:
        (runtime,) = hub.runtimes
        key = key_key("work", "a")
        permits = Permits(runtime.hub, runtime.keeping, runtime.spawn, "me", key, 1, lambda: None)
        waiting: list[asyncio.Task[bool]] = []
        came_at_once: list[bool] = []

        async def another_comes(name: str, arguments: tuple[Any, ...]) -> None:
            if name == "transact" and isinstance(arguments[2][0], Delete):
                waiting.append(asyncio.ensure_future(permits.take(0, 5)))
                for _ in range(10):
                    await asyncio.sleep(0)
                came_at_once.append(waiting[0].done())

        assert await permits.take(0, 5)
        hub.tamper(runtime, before=another_comes)
        permits.give()
        await hub.until(lambda: waiting and waiting[0].done())
        assert came_at_once == [False]
        assert waiting[0].result()
        assert await hub.tables.get(hub.hub.names.index, PERMITS, key) is not None


async def test_of_two_at_the_same_time_one_looks_again() -> None:
    hub = MemoryHub(workers=2)
    async with hub:
        rows = {name: PermitRows(hub.storage, hub.hub.names) for name in ("one", "other")}
        key = concurrency_key("work")
        await rows["one"].hold(key, "third", 1, 4, None)
        # both know the row as it is now, and only one of them is right to
        known = await rows["one"].hold(key, "third", 1, 4, None)
        await rows["one"].hold(key, "one", 3, 4, known)
        assert (await rows["other"].hold(key, "other", 3, 4, known)).of("other") == 0


app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.activity_trigger(input_name="number", concurrency=1, key_concurrency=1)
async def pay(number: int) -> int:
    return number


@app.orchestration_trigger(context_name="context")
async def pay_all(context: df.DurableOrchestrationContext) -> list[int]:
    return await context.map(pay, range(3), key="a")


async def test_a_crash_of_the_holder_in_the_testing_kit() -> None:
    async with TestHub(app) as hub:

        def dying(number: int) -> int:
            if len(hub.calls(pay)) == 1:
                hub.crash()
            return number

        hub.replace(pay, dying)
        before = hub.now
        assert await hub.run(pay_all) == [0, 1, 2]
        assert len(hub.calls(pay)) == 4
        assert hub.now - before < timedelta(seconds=60)


async def test_who_takes_only_orchestrations_does_not_take_waiting_calls_for_lost() -> None:
    hub = MemoryHub(workers=0)
    working = Working(hub, Limits(concurrency=1), seconds=100)
    async with hub:
        await hub.add_runtime(options=RuntimeOptions(filters=WorkItemFilters(["many"], [], [])))
        await hub.add_runtime(options=RuntimeOptions(filters=WorkItemFilters([], ["work"], [])))
        await hub.outside.start_new("many", "one", 5)
        await hub.wait("one")
        assert sorted(working.begun) == [*range(5)]
