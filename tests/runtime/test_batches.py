"""Several calls of one activity in one message: what a crash, a lack of room or a copy does."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Set
from dataclasses import replace
from typing import Any

import pytest

from durable.engine.context import DurableOrchestrationContext as Context
from durable.hub.decoding import decode_message
from durable.hub.messages import WorkBatch, WorkItem
from durable.model.events import TaskScheduled
from durable.model.filters import WorkItemFilters
from durable.model.instance import OrchestrationRuntimeStatus as Status
from durable.ports import Insert
from durable.runtime.options import RuntimeOptions
from tests.memory_hub import MemoryHub
from tests.runtime.helpers import DiesAt, head_of, nothing_left, status_of
from tests.runtime.test_messages import Copied

CALLS = 50
TOGETHER = RuntimeOptions(always_queue=True, spread=1, max_activities=CALLS)
PLANS = RuntimeOptions(always_queue=True, spread=1, filters=WorkItemFilters(("wide",)))
WORKS = RuntimeOptions(max_activities=CALLS, filters=WorkItemFilters(activities=("work",)))


def wide(hub: MemoryHub, seconds: float = 0.0, poison: int = -1) -> Counter[int]:
    """`wide` calls `work` as often as its input says and adds up; how often each was begun. The
    call `poison` ends all processes."""
    runs: Counter[int] = Counter()

    @hub.queued_activity
    async def work(value: int) -> int:
        runs[value] += 1
        if value == poison:
            hub.crash()
        await hub.clock.sleep(seconds)
        return value

    @hub.orchestrator
    async def wide(context: Context) -> Any:
        numbers = range(context.get_input(int))
        return sum(await context.when_all([context.call_activity("work", n) for n in numbers]))

    return runs


async def queued(hub: MemoryHub) -> list[tuple[str, int]]:
    """The kinds of the visible messages of `work`, and how many calls each holds; they stay
    hidden for a second."""
    messages = await hub.queues.receive(hub.hub.names.work_queue("work"), limit=32, lease=1)
    decoded = [decode_message(message.body) for message in messages]
    return sorted((type(d).__name__, len(getattr(d, "items", "1"))) for d in decoded)


async def counts_once(
    hub: MemoryHub, instance_id: str, calls: int, lacking: Set[int] = frozenset()
) -> None:
    """Each result is in history once, but for those `lacking`."""
    history = await hub.outside.get_history(instance_id)
    ended = Counter(
        getattr(e, "task_id", -1) for _, e in history if "Completed" in type(e).__name__
    )
    del ended[-1]
    assert ended == Counter(set(range(calls)) - lacking)


@pytest.mark.parametrize(
    ("options", "messages"),
    [
        (RuntimeOptions(spread=1), [("WorkBatch", 10), ("WorkBatch", 50)]),
        (RuntimeOptions(spread=4), [("WorkBatch", 15)] * 4),
        (RuntimeOptions(packed=25, spread=1), [("WorkBatch", 10), *[("WorkBatch", 25)] * 2]),
        (RuntimeOptions(packed=59, spread=1), [("WorkBatch", 59), ("WorkItem", 1)]),
        (RuntimeOptions(spread=20), [("WorkBatch", 3)] * 20),
    ],
)
async def test_how_many_messages_a_fan_out_makes(options: RuntimeOptions, messages: Any) -> None:
    hub = MemoryHub(RuntimeOptions(options.max_activities, packed=options.packed))
    hub.options = RuntimeOptions(0, always_queue=True, packed=options.packed, spread=options.spread)
    wide(hub)
    async with hub:
        await hub.client.start_new("wide", "w", 60)
        await hub.idle()
        assert await queued(hub) == messages


@pytest.mark.parametrize("spread", [61, 1000])
async def test_few_calls_have_a_message_each(spread: int) -> None:
    hub = MemoryHub(RuntimeOptions(0, always_queue=True, spread=spread))
    wide(hub)
    async with hub:
        await hub.client.start_new("wide", "w", 20)
        await hub.idle()
        assert await queued(hub) == [("WorkItem", 1)] * 20


async def test_packing_can_be_switched_off() -> None:
    hub = MemoryHub(RuntimeOptions(always_queue=True, packed=1, spread=1))
    wide(hub)
    async with hub:
        copied = Copied(hub.storage.queues, 1, random.Random(0))
        hub.runtimes[0].hub.storage.queues._inner = copied  # type: ignore[attr-defined]
        await hub.client.start_many("wide", [5, 6], instance_ids=["a", "b"])
        assert (await hub.wait("a")).output == "10"
        assert (await hub.wait("b")).output == "15"
        kinds = {json.loads(body)["kind"] for _, body in copied.sent}
        assert kinds == {"ring", "work"}


async def test_results_of_a_batch_lie_in_one_row_where_another_takes_the_turn() -> None:
    hub = MemoryHub(PLANS)
    runs = wide(hub)
    rows: list[str] = []

    async def counts(name: str, args: tuple[Any, ...]) -> None:
        if name == "transact":
            rows.extend(op.key for op in args[2] if isinstance(op, Insert) and "|b|" in op.key)

    async with hub:
        worker = await hub.add_runtime(options=WORKS)
        hub.tamper(worker, before=counts)
        await hub.client.start_new("wide", "w", CALLS)
        status = await hub.wait("w")
        assert status.output == str(sum(range(CALLS)))
        assert len(rows) == 1
        assert runs == Counter(range(CALLS))
        await counts_once(hub, "w", CALLS)
        # one turn took all of them
        assert (await head_of(hub, "w")).sequence == 2
        await nothing_left(hub)


@pytest.mark.parametrize("foreign", [False, True])
async def test_copies_of_a_batch_count_once(foreign: bool) -> None:
    hub = MemoryHub(PLANS if foreign else TOGETHER)
    wide(hub)
    async with hub:
        if foreign:
            await hub.add_runtime(options=WORKS)
        copied = Copied(hub.storage.queues, 3, random.Random(3))
        for runtime in hub.runtimes:
            runtime.hub.storage.queues._inner = copied  # type: ignore[attr-defined]
        await hub.client.start_new("wide", "w", CALLS)
        assert (await hub.wait("w")).output == str(sum(range(CALLS)))
        await hub.run(60)
        await counts_once(hub, "w", CALLS)
        for queue, body in copied.sent:
            await hub.queues.send(queue, body)
        await hub.run(60)
        await counts_once(hub, "w", CALLS)
        await nothing_left(hub)


async def test_a_redelivered_batch_is_taken_apart_and_the_poison_is_found() -> None:
    hub = MemoryHub(RuntimeOptions(always_queue=True, spread=1, max_attempts=3))
    hub.sweeping = False
    runs = wide(hub, poison=4)
    async with hub:
        await hub.client.start_new("wide", "w", 10)
        await hub.until(lambda: _is_stuck(hub, "w"), 3600)
        await hub.run(120)
        head = await head_of(hub, "w")
        assert head.suspect == 4
        assert "activity 'work' was begun 3 times and never ended" in str(head.failure)
        assert runs[4] == 3
        # twice beside the poison, which the third time ran apart
        assert max(runs.values()) <= 3
        await counts_once(hub, "w", 10, {4})
        [letter] = await hub.hub.dead_letters()
        item = decode_message(letter.body)
        assert isinstance(item, WorkItem)
        assert item.task_id == 4


async def _is_stuck(hub: MemoryHub, instance_id: str) -> bool:
    return (await head_of(hub, instance_id)).status == Status.STUCK


@pytest.mark.parametrize("foreign", [False, True])
async def test_a_slow_batch_is_kept_past_its_lease(foreign: bool) -> None:
    hub = MemoryHub(PLANS if foreign else TOGETHER)
    runs = wide(hub, seconds=90)
    async with hub:
        await hub.add_runtime(options=WORKS if foreign else TOGETHER)
        begun = hub.clock.monotonic()
        await hub.client.start_new("wide", "w", CALLS)
        assert (await hub.wait("w")).output == str(sum(range(CALLS)))
        assert hub.clock.monotonic() - begun < 100
        assert runs == Counter(range(CALLS))
        await nothing_left(hub)


async def test_what_gets_no_room_in_time_goes_to_others() -> None:
    hub = MemoryHub(RuntimeOptions(1, always_queue=True, spread=1))
    hub.sweeping = False
    runs = wide(hub, seconds=100)
    async with hub:
        await hub.client.start_new("wide", "w", 5)
        await hub.run(1)
        assert runs == {0: 1}
        await hub.until(lambda: _has_message(hub), 30)
        await hub.idle()
        # put back after 5 s without room, in a message of their own
        assert hub.clock.monotonic() < 10
        assert await queued(hub) == [("WorkBatch", 4)]
        await hub.add_runtime(options=RuntimeOptions(10))
        await hub.run(2)
        assert runs == Counter(range(5))
        begun = hub.clock.monotonic()
        assert (await hub.wait("w")).output == "10"
        assert hub.clock.monotonic() - begun < 110
        assert runs == Counter(range(5))
        await nothing_left(hub)


async def _has_message(hub: MemoryHub) -> bool:
    return bool(await hub.queues.has_visible(hub.hub.names.work_queue("work")))


async def test_a_trigger_that_is_full_gives_a_batch_back() -> None:
    hub = MemoryHub(RuntimeOptions(1, always_queue=True, spread=1))
    runs = wide(hub, seconds=100)
    async with hub:
        [runtime] = hub.runtimes
        await hub.client.start_new("wide", "w", 5)
        await hub.run(1)
        assert runs == {0: 1}
        queue = hub.hub.names.work_queue("work")
        batch = await _batch(hub)
        assert runtime.batches.waiting == 4
        await runtime.messages.trigger_work(queue, batch.encode(), "m", 1)
        assert runtime.batches.waiting == 4
        assert runs == {0: 1}
        assert await queued(hub) == []
        await hub.run(2)
        hub.runtimes[0].activities.size = 0
        assert ("WorkBatch", 5) in await queued(hub)


async def _batch(hub: MemoryHub) -> WorkBatch:
    """The calls of the only turn of `w`, as they were sent."""
    head = await head_of(hub, "w")
    [stored] = await hub.hub.instances.history(head)
    events = [event for event in stored.turn.events if isinstance(event, TaskScheduled)]
    return WorkBatch(tuple(WorkItem.of(event, head, stored.turn) for event in events))


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("foreign", [False, True])
@pytest.mark.parametrize("call", ["transact", "delete"])
async def test_killed_as_results_are_stored(when: str, foreign: bool, call: str) -> None:
    hub = MemoryHub(PLANS if foreign else TOGETHER)
    hub.sweeping = False
    runs = wide(hub)
    died: list[str] = []

    async def dies(name: str, args: tuple[Any, ...]) -> None:
        work = hub.hub.names.work_queue("work")
        stores = name == "transact" and len(runs) == CALLS
        if not died and (stores if call == "transact" else name == "delete" and args[0] == work):
            died.append(name)
            hub.crash()

    async with hub:
        worker = await hub.add_runtime(options=WORKS) if foreign else hub.runtimes[0]
        hub.tamper(worker, **{when: dies})
        await hub.client.start_new("wide", "w", CALLS)
        await hub.until(lambda: died, 60)
        await hub.step()
        if foreign:
            await hub.add_runtime(options=WORKS)
        assert (await hub.wait("w")).output == str(sum(range(CALLS)))
        assert max(runs.values()) <= 2
        if call == "delete":
            # what was taken in is not done again
            assert runs == Counter(range(CALLS))
        await counts_once(hub, "w", CALLS)
        await nothing_left(hub)


@pytest.mark.parametrize("message", [1, 2, 4])
@pytest.mark.parametrize("when", ["before", "after"])
async def test_killed_as_a_fan_out_is_sent(message: int, when: str) -> None:
    """Nobody crosses off in the head that work items are out: who takes over sends them all."""
    hub = MemoryHub(RuntimeOptions(always_queue=True, spread=4, max_activities=CALLS))
    hub.sweeping = False
    runs = wide(hub)

    def is_sent(name: str, args: tuple[Any, ...]) -> bool:
        return name == "send" and args[0] == hub.hub.names.work_queue("work")

    async with hub:
        hub.tamper(hub.runtimes[0], **{when: DiesAt(hub, message, is_sent)})
        await hub.client.start_new("wide", "w", 40)
        assert (await hub.wait("w")).output == str(sum(range(40)))
        assert max(runs.values()) <= 2
        await counts_once(hub, "w", 40)
        await nothing_left(hub)


async def test_work_items_that_nobody_sent_are_found_by_the_audit() -> None:
    hub = MemoryHub(RuntimeOptions(always_queue=True, spread=4))
    runs = wide(hub)
    lose = [True]

    class Losing:
        def __init__(self, inner: Any) -> None:
            self._inner = inner

        def __getattr__(self, name: str) -> Any:
            return getattr(self._inner, name)

        async def send(self, queue: str, body: bytes, *, delay: float = 0.0) -> Any:
            receipt = await self._inner.send(queue, body, delay=delay)
            if lose and json.loads(body)["kind"] in ("work", "batch"):
                await self._inner.delete(queue, receipt)
            return receipt

    async with hub:
        queues: Any = hub.runtimes[0].hub.storage.queues
        queues._inner = Losing(hub.queues)
        await hub.client.start_new("wide", "w", 20)
        await hub.run(20)
        assert not runs
        [holding] = (await head_of(hub, "w")).holdings
        assert (holding.queued, holding.send) == (True, True)
        lose.clear()
        assert (await hub.wait("w")).output == str(sum(range(20)))
        assert runs == Counter(range(20))
        assert (await status_of(hub, "w")).runtime_status == Status.COMPLETED
        assert (await head_of(hub, "w")).holdings == ()
        await nothing_left(hub)


async def test_a_batch_that_no_worker_can_run_waits_while_it_is_wanted() -> None:
    hub = MemoryHub(RuntimeOptions(1, always_queue=True, spread=1))
    wide(hub, seconds=1000)
    async with hub:
        [runtime] = hub.runtimes
        await hub.client.start_new("wide", "w", 3)
        await hub.run(1)
        batch = await _batch(hub)
        gone = WorkBatch(tuple(replace(item, activity="gone") for item in batch.items))
        queue = hub.hub.names.work_queue("work")
        before = await hub.queues.length(queue)
        await runtime.messages.trigger_work(queue, gone.encode(), "m", 1)
        assert await hub.queues.length(queue) == before + 1
        await hub.client.terminate("w", "enough")
        await hub.wait("w")
        await runtime.messages.trigger_work(queue, gone.encode(), "m", 1)
        await hub.run(3000)
        assert await hub.queues.length(queue) == 0
        assert await hub.hub.dead_letters() == []
