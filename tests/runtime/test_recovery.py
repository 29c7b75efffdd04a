"""Processes that die, pause or get no answer: another goes on, and nothing counts twice."""

from __future__ import annotations

import asyncio
import json
import random
from typing import Any

import pytest

from durable.engine.context import DurableOrchestrationContext as Context
from durable.errors import AmbiguousAnswer, InstanceFinishedError
from durable.hub.payloads import Spill
from durable.hub.rows import Head
from durable.model.events import Arrival, EventRaised
from durable.model.instance import OrchestrationRuntimeStatus as Status
from durable.ports import Insert
from durable.runtime.options import RuntimeOptions
from tests.memory_hub import MemoryHub
from tests.runtime.helpers import (
    DiesAt,
    adder,
    chain,
    head_of,
    is_commit,
    nothing_left,
    status_of,
    tasks_in,
    turn_of,
    turns_of,
)


@pytest.mark.parametrize("commit", [1, 2, 3, 4])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("queued", [False, True])
async def test_killed_at_each_commit(commit: int, when: str, queued: bool) -> None:
    hub = MemoryHub(RuntimeOptions(always_queue=queued))
    hub.sweeping = False
    ran = chain(hub)
    dies = DiesAt(hub, commit)
    async with hub:
        hub.tamper(hub.runtimes[0], **{when: dies})
        await hub.client.start_new("job", "j")
        assert (await hub.wait("j")).output == "3"
        assert dies.seen == commit
        assert set(ran) == {0, 1, 2}
        assert len(ran) <= 4
        await nothing_left(hub)


@pytest.mark.parametrize("applied", [True, False])
@pytest.mark.parametrize("queued", [False, True])
async def test_a_commit_whose_answer_is_lost_counts_once(applied: bool, queued: bool) -> None:
    hub = MemoryHub(RuntimeOptions(always_queue=queued))
    ran = chain(hub)
    lost: set[int | None] = set()

    async def loses(name: str, args: tuple[Any, ...]) -> None:
        if is_commit(name, args):
            number = turn_of(args)
            if number not in lost:
                lost.add(number)
                raise AmbiguousAnswer("lost")

    async with hub:
        hub.tamper(hub.runtimes[0], **{"after" if applied else "before": loses})
        await hub.client.start_new("job", "j")
        assert (await hub.wait("j")).output == "3"
        assert len(lost) == 4
        assert sorted(ran) == [0, 1, 2]
        await nothing_left(hub)


@pytest.mark.parametrize("seconds", [12, 25, 60, 400])
async def test_a_holder_that_pauses_is_fenced_and_another_goes_on(seconds: float) -> None:
    hub = MemoryHub(workers=2)
    hub.sweeping = False
    chain(hub)
    async with hub:
        first, _ = hub.runtimes
        seen: list[int] = []

        async def pauses(name: str, args: tuple[Any, ...]) -> None:
            if is_commit(name, args):
                seen.append(1)
                if len(seen) == 2:
                    hub.pause(first, seconds)
                    await hub.clock.sleep(seconds)

        hub.tamper(first, before=pauses)
        await hub.client.start_new("job", "j")
        begun = hub.clock.monotonic()
        assert (await hub.wait("j")).output == "3"
        assert hub.clock.monotonic() - begun <= 35
        await hub.run(seconds + 60)
        if seconds > 20:
            assert (await head_of(hub, "j")).marks
        assert len(await turns_of(hub, "j")) == 4
        assert (await status_of(hub, "j")).output == "3"
        await nothing_left(hub)


async def test_the_late_result_of_a_lost_message_still_counts() -> None:
    hub = MemoryHub(workers=2)
    hub.sweeping = False
    runs: list[int] = []

    @hub.queued_activity
    async def slow(value: int) -> Any:
        runs.append(1)
        mine = len(runs)
        await hub.clock.sleep(60 if mine == 1 else 300)
        return mine

    @hub.orchestrator
    async def job(context: Context) -> Any:
        return await context.call_activity("slow", 1)

    async def no_renewal(name: str, args: tuple[Any, ...]) -> None:
        if name == "extend":
            raise AmbiguousAnswer("lost")

    async with hub:
        for runtime in hub.runtimes:
            hub.tamper(runtime, before=no_renewal)
        await hub.client.start_new("job", "j")
        assert (await hub.wait("j")).output == "1"
        assert hub.clock.monotonic() < 70
        await hub.run(400)
        await nothing_left(hub)


# ---- claims and lost work items ----


def long_job(hub: MemoryHub, seconds: float) -> list[int]:
    ran: list[int] = []

    @hub.queued_activity
    async def long(value: int) -> int:
        ran.append(value)
        await hub.clock.sleep(seconds)
        return value

    @hub.orchestrator
    async def job(context: Context) -> Any:
        return await context.call_activity("long", 5)

    return ran


async def test_an_activity_that_runs_long_is_claimed_while_it_runs() -> None:
    hub = MemoryHub()
    ran = long_job(hub, 600)
    async with hub:
        await hub.client.start_new("job", "j")
        await hub.run(15)
        assert await hub.keys(hub.hub.names.index) == []
        await hub.run(10)
        [claim] = await hub.keys(hub.hub.names.index)
        assert claim.startswith("claim j|")
        await hub.wait("j")
        await hub.run(60)
        assert ran == [5]
        assert await hub.keys(hub.hub.names.index) == []
        await nothing_left(hub)


async def test_an_expired_claim_brings_the_work_back_before_a_triggers_lease() -> None:
    hub = MemoryHub()
    ran = long_job(hub, 100)
    async with hub:
        doomed = await hub.add_runtime()
        hub.runtimes.remove(doomed)
        queue = hub.hub.names.work_queue("long")
        hub.runtimes[0].activities.used = hub.options.max_activities
        await hub.client.start_new("job", "j")
        await hub.idle()
        [message] = await hub.queues.receive(queue, limit=1, lease=600)
        doomed.spawn(
            doomed.messages.trigger_work(queue, message.body, message.receipt.message_id, 1)
        )
        await hub.run(60)
        assert ran == [5]
        hub.runtimes.append(doomed)
        await hub.kill(doomed)
        hub.runtimes[0].activities.used = 0
        assert (await hub.wait("j")).output == "5"
        assert hub.clock.monotonic() < 300
        assert ran == [5, 5]


async def lose_work(hub: MemoryHub, activity: str) -> str:
    queue = hub.hub.names.work_queue(activity)
    assert await hub.queues.length(queue) > 0
    await hub.queues.delete_queue(queue)
    await hub.queues.create_queue(queue)
    return queue


async def test_a_lost_work_item_is_sent_again() -> None:
    hub = MemoryHub(RuntimeOptions(max_activities=0))
    ran = long_job(hub, 1)
    async with hub:
        await hub.client.start_new("job", "j")
        await hub.idle()
        queue = await lose_work(hub, "long")
        await hub.run(45)
        assert await hub.queues.length(queue) == 0
        await hub.run(60)
        assert await hub.queues.length(queue) >= 1
        hub.runtimes[0].activities.size = 5
        assert (await hub.wait("j")).output == "5"
        assert set(ran) == {5}


async def test_lost_work_items_of_a_fan_out_are_sent_again_together() -> None:
    hub = MemoryHub(RuntimeOptions(max_activities=0, packed=1))
    ran: list[int] = []

    @hub.queued_activity
    async def part(value: int) -> int:
        ran.append(value)
        return value

    @hub.orchestrator
    async def job(context: Context) -> Any:
        return await context.task_all([context.call_activity("part", n) for n in range(5)])

    async with hub:
        await hub.client.start_new("job", "j")
        await hub.idle()
        queue = await lose_work(hub, "part")
        while not await hub.queues.length(queue):
            await hub.run(1)
        assert hub.clock.monotonic() < 90
        await hub.run(1)
        assert await hub.queues.length(queue) == 5
        hub.runtimes[0].activities.size = 5
        assert (await hub.wait("j")).output == "[0,1,2,3,4]"
        assert sorted(ran) == [0, 1, 2, 3, 4]


async def test_a_backlog_explains_why_an_item_has_not_begun() -> None:
    hub = MemoryHub(RuntimeOptions(max_activities=0))
    long_job(hub, 1)
    async with hub:
        await hub.client.start_new("job", "j")
        await hub.idle()
        await hub.run(300)
        assert await hub.queues.length(hub.hub.names.work_queue("long")) == 1


# ---- clients that die ----


async def test_a_start_whose_client_died_before_ringing_is_found() -> None:
    hub = MemoryHub()
    chain(hub)
    async with hub:
        instances = hub.hub.instances
        now = hub.clock.now()
        head = Head("j", "job", "abcd", "ef01", Status.PENDING, now)
        await hub.hub.projection.announce(head)
        await instances.create(head, Spill("abcd", "n"))
        assert await hub.messages() == 0
        assert (await hub.wait("j")).output == "3"
        assert (hub.clock.now() - now).total_seconds() < 60


async def test_what_a_start_left_that_never_came_to_be_is_cleared() -> None:
    hub = MemoryHub()
    chain(hub)
    async with hub:
        head = Head("j", "job", "abcd", "ef01", Status.PENDING, hub.clock.now())
        spill = Spill("abcd", "n")
        spill.payload("x" * 100_000)
        await hub.hub.projection.announce(head)
        table = hub.hub.names.history
        await hub.tables.transact(table, "j", spill.rows)
        await hub.run(60)
        assert len(await hub.keys(table)) == 1
        assert [s async for s in hub.outside.list_instances()] == []
        await hub.run(1_200)
        assert await hub.keys(table) == []
        assert await hub.keys(hub.hub.names.instances) == []


# ---- large turns ----


@pytest.mark.parametrize("actions", [1_000, 5_000])
async def test_killed_between_the_payload_rows_and_the_commit_nothing_shows(actions: int) -> None:
    hub = MemoryHub(RuntimeOptions(max_activities=0))
    hub.sweeping = False
    batches: list[int] = []

    @hub.activity
    async def work(value: str) -> str:
        return value

    @hub.orchestrator
    async def wide(context: Context) -> Any:
        text = context.new_uuid() * 50
        await context.when_all([context.call_activity(work, text) for _ in range(actions)])

    async def dies(name: str, args: tuple[Any, ...]) -> None:
        if name == "transact" and any(isinstance(op, Insert) and "|p|" in op.key for op in args[2]):
            batches.append(1)
            hub.crash()

    async with hub:
        hub.tamper(hub.runtimes[0], after=dies)
        await hub.client.start_new("wide", "w")
        await hub.idle()
        assert batches == [1]
        head = await head_of(hub, "w")
        assert (head.sequence, head.status, head.holdings) == (0, Status.PENDING, ())
        assert (await status_of(hub, "w")).runtime_status == Status.PENDING
        assert await hub.outside.get_history("w") == []
        queue = hub.hub.names.work_queue("work")
        assert await hub.queues.length(queue) == 0
        await hub.until(lambda: hub.queues.length(queue), 60)
        await hub.idle()
        assert (await head_of(hub, "w")).sequence == 1
        assert await tasks_in(hub, queue) == list(range(actions))


# ---- events and the end ----


@pytest.mark.parametrize("ends", [True, False])
async def test_a_repeated_delivery_leaves_the_payload_that_was_taken_in(ends: bool) -> None:
    hub = MemoryHub()
    text = "z" * 40_000

    @hub.orchestrator
    async def job(context: Context) -> Any:
        context.set_custom_status(await context.wait_for_external_event("e", str))
        if not ends:
            await context.wait_for_external_event("never")

    async with hub:
        await hub.client.start_new("job", "j")
        await hub.idle()
        head = await head_of(hub, "j")
        arrival = Arrival(EventRaised("e", "m", json.dumps(text)))

        async def deliver(nonce: str) -> bool:
            return await hub.hub.instances.deliver("j", head.incarnation, "m", arrival, nonce=nonce)

        assert await deliver("n")
        await hub.client._ringer.ring("j")
        await hub.idle()
        # the answer was lost, and the sender tries again; so does another sender of the same
        assert [await deliver("n"), await deliver("n2")] == ([False, False] if ends else [True] * 2)
        assert await deliver("n") is not ends
        await hub.client._ringer.ring("j")
        await hub.idle()
        status = await status_of(hub, "j")
        assert json.loads(status.custom_status or "") == text
        history = await hub.outside.get_history("j", payloads=True)
        assert [e.input for _, e in history if isinstance(e, EventRaised)] == [json.dumps(text)]


@pytest.mark.parametrize("seed", range(20))
async def test_an_accepted_event_is_in_history_however_close_the_end(seed: int) -> None:
    hub = MemoryHub(workers=2)
    adder(hub)
    rnd = random.Random(seed)

    @hub.orchestrator
    async def job(context: Context) -> Any:
        await context.wait_for_external_event("end")
        await context.call_activity("add", 1)

    async def slow(name: str, args: tuple[Any, ...]) -> None:
        for _ in range(rnd.choice((0, 1, 3))):
            await asyncio.sleep(0)

    async with hub:
        for runtime in hub.runtimes:
            hub.tamper(runtime, before=slow)
        accepted: list[int] = []

        async def raises(number: int) -> None:
            for _ in range(rnd.randrange(12)):
                await asyncio.sleep(0)
            try:
                await hub.outside.raise_event("j", "end" if number == 0 else "late", number)
                accepted.append(number)
            except InstanceFinishedError:
                return

        await hub.client.start_new("job", "j")
        await asyncio.gather(*(raises(number) for number in range(30)), hub.wait("j"))
        await hub.run(60)
        history = await hub.outside.get_history("j")
        seen = [json.loads(str(e.input)) for _, e in history if isinstance(e, EventRaised)]
        assert sorted(seen) == sorted(accepted)
        await nothing_left(hub)
