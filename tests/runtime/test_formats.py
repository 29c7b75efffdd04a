"""A worker that meets what a newer version of durable wrote leaves it alone, and says so; once a
worker that knows it comes, all goes on.

Newer is stood for by a version one higher on rows and messages of today's.
"""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from durable.engine.context import DurableOrchestrationContext as Context
from durable.engine.entities import EntityContext
from durable.errors import UnknownFormat
from durable.hub.formats import FORMAT, READABLE
from durable.hub.hub import Hub
from durable.hub.messages import PACKED as MESSAGE_FORMAT
from durable.model.entities import EntityId
from durable.model.instance import OrchestrationRuntimeStatus as Status
from durable.model.retention import Retention
from durable.ports import Insert, Merge, Row
from durable.runtime.options import RuntimeOptions
from tests.memory_hub import MemoryHub
from tests.runtime.helpers import adder, head_of, nothing_left, status_of

NEWER = max(READABLE) + 1

DAY = timedelta(days=1)

Wanted = Callable[[Row], bool]


async def rows(hub: MemoryHub, table: str, wanted: Wanted = lambda row: True) -> list[Row]:
    page = await hub.tables.query(table, [])
    assert page.next is None
    return [row for row in page.rows if wanted(row)]


async def stamp(hub: MemoryHub, table: str, wanted: Wanted, version: int) -> list[Row]:
    """Give rows a format version; the rows as they are then."""
    for row in await rows(hub, table, wanted):
        await hub.tables.transact(table, row.partition, [Merge(row.key, {"v": version})])
    found = await rows(hub, table, wanted)
    assert found
    return found


def of_kind(kind: str) -> Wanted:
    """Rows of the history table by what they are."""
    if kind == "head":
        return lambda row: row.key.startswith("!")
    mark = {"gate": "a", "inbox": "b", "turn": "h", "payload": "p"}[kind]
    return lambda row: "|" in row.key and row.key.split("|")[1] == mark


def waiting(hub: MemoryHub) -> None:
    """An orchestrator whose history has a payload row, and waits for an event."""

    @hub.activity
    async def text(value: int) -> str:
        return "x" * value

    @hub.orchestrator
    async def waits(context: Context) -> Any:
        long = await context.call_activity("text", 40_000)
        return [len(long), await context.wait_for_external_event("go", int)]


@pytest.mark.parametrize("kind", ["head", "gate", "turn", "inbox", "payload"])
async def test_an_instance_with_newer_rows_is_left_alone(
    kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    hub = MemoryHub()
    waiting(hub)
    table = hub.hub.names.history
    async with hub:
        await hub.client.start_new("waits", "w")
        await hub.run(5)
        await hub.kill(hub.runtimes[0])
        await hub.outside.raise_event("w", "go", 7)
        newer = await stamp(hub, table, of_kind(kind), NEWER)
        keys = [row.key for row in await rows(hub, table)]
        runtime = await hub.add_runtime()
        with caplog.at_level(logging.INFO):
            await hub.run(900)
            await runtime.ringer.ring("w", audit=True)
            await hub.run(300)
        assert await rows(hub, table, of_kind(kind)) == newer
        assert [row.key for row in await rows(hub, table)] == keys
        assert f"row {newer[0].key!r} of 'w' has format {NEWER}" in caplog.text
        assert "left to a newer one" in caplog.text
        if kind == "head":
            with pytest.raises(UnknownFormat, match=f"has format {NEWER}, and this version"):
                await hub.outside.get_status("w")
        else:
            assert (await status_of(hub, "w")).waiting == "a newer worker"
        assert 0 < await hub.messages() <= 3
        await stamp(hub, table, of_kind(kind), FORMAT)
        assert (await hub.wait("w", timedelta(seconds=600))).output == "[40000,7]"
        await nothing_left(hub)


@pytest.mark.parametrize("kind", ["head", "turn", "payload"])
async def test_what_is_asked_of_newer_rows_is_refused_and_changes_nothing(kind: str) -> None:
    hub = MemoryHub()
    waiting(hub)
    table = hub.hub.names.history
    async with hub:
        await hub.client.start_new("waits", "w")
        await hub.run(5)
        await hub.client.terminate("w")
        await hub.wait("w")
        await hub.run(30)
        newer = await stamp(hub, table, of_kind(kind), NEWER)
        with pytest.raises(UnknownFormat):
            await hub.client.purge_instance_history("w")
        await hub.run(60)
        assert await rows(hub, table, of_kind(kind)) == newer
        await stamp(hub, table, of_kind(kind), FORMAT)
        await hub.run(300)
        if await hub.outside.get_status("w") is not None:
            await hub.client.purge_instance_history("w")
        # where the purge had begun, its guard has seen to the rest
        assert await rows(hub, table) == []


async def test_a_newer_instance_does_not_keep_the_audit_from_others() -> None:
    hub = MemoryHub(workers=0)
    adder(hub)

    @hub.orchestrator
    async def job(context: Context) -> Any:
        return await context.call_activity("add", context.get_input(int))

    async with hub:
        for number in range(3):
            await hub.outside.start_new("job", f"j{number}", number)
        for queue in hub.hub.names.control_queues:
            await hub.queues.delete_queue(queue)
            await hub.queues.create_queue(queue)
        # the first that each audit comes to
        first, table = lambda row: row.partition == "j0", hub.hub.names.history
        await stamp(hub, table, first, NEWER)
        await hub.add_runtime()
        assert (await hub.wait("j1", timedelta(seconds=120))).output == "2"
        assert (await hub.wait("j2", timedelta(seconds=120))).output == "3"
        await stamp(hub, table, first, FORMAT)
        assert (await hub.wait("j0", timedelta(seconds=600))).output == "1"


async def test_a_newer_row_of_the_list_is_not_listed_nor_written(
    caplog: pytest.LogCaptureFixture,
) -> None:
    hub = MemoryHub(RuntimeOptions(retention=Retention(completed=timedelta(hours=1))))
    waiting(hub)
    table = hub.hub.names.instances
    async with hub:
        await hub.client.start_new("waits", "w")
        await hub.client.start_new("waits", "other")
        await hub.run(5)
        newer = await stamp(hub, table, lambda row: row.values["instance"] == "w", NEWER)
        await hub.client.raise_event("w", "go", 1)
        await hub.wait("w")
        await hub.run(7200)
        assert await rows(hub, table, lambda row: row.values["instance"] == "w") == newer
        listed = [status.instance_id async for status in hub.outside.list_instances()]
        assert listed == ["other"]
        assert await hub.outside.count_by_status() == {Status.RUNNING: 1}
        assert "1 instances are not listed: a newer version of durable wrote them" in caplog.text
        await stamp(hub, table, lambda row: row.values["instance"] == "w", FORMAT)
        # the retention of an hour counts from when it ended: it is purged now
        await hub.run(1200)
        assert await hub.outside.get_status("w") is None


async def test_a_list_goes_on_where_a_head_is_newer() -> None:
    hub = MemoryHub()
    waiting(hub)
    async with hub:
        for name in ("a", "b", "c"):
            await hub.client.start_new("waits", name)
        await hub.run(5)
        await stamp(
            hub,
            hub.hub.names.history,
            lambda row: row.partition == "b" and row.key.startswith("!"),
            NEWER,
        )
        listed = {status.instance_id async for status in hub.outside.list_instances()}
        assert listed == {"a", "c"}


async def test_a_newer_entity_keeps_what_it_is_sent() -> None:
    hub = MemoryHub()

    @hub.entity
    def counter(context: EntityContext) -> Any:
        context.set_state(context.get_state(int, 0) + context.get_input(int))

    one = EntityId("counter", "one")
    table = hub.hub.names.history
    async with hub:
        await hub.client.signal_entity(one, "add", 1)
        await hub.run(5)
        await hub.kill(hub.runtimes[0])
        await hub.add_runtime()
        newer = await stamp(hub, table, of_kind("head"), NEWER)
        await hub.outside.signal_entity(one, "add", 10)
        await hub.run(600)
        assert await rows(hub, table, of_kind("head")) == newer
        with pytest.raises(UnknownFormat):
            await hub.outside.read_entity_state(one)
        await stamp(hub, table, of_kind("head"), FORMAT)
        await hub.run(300)
        entity = await hub.outside.read_entity_state(one)
        assert entity is not None
        assert entity.state == "11"


async def test_an_activity_whose_input_is_newer_is_left_to_a_newer_worker() -> None:
    hub = MemoryHub(workers=0)
    hub.sweeping = False
    ran: list[int] = []

    @hub.activity
    async def measure(value: str) -> int:
        await hub.clock.sleep(5)
        ran.append(len(value))
        return len(value)

    @hub.orchestrator
    async def job(context: Context) -> Any:
        return await context.call_activity("measure", "x" * 40_000)

    table = hub.hub.names.history
    async with hub:
        first = await hub.add_runtime()
        await hub.outside.start_new("job", "j")
        await hub.run(1)
        await hub.kill(first)
        newer = await stamp(hub, table, of_kind("payload"), NEWER)
        await hub.add_runtime()
        await hub.run(300)
        assert ran == []
        assert await rows(hub, table, of_kind("payload")) == newer
        assert (await status_of(hub, "j")).waiting == "a newer worker"
        await stamp(hub, table, of_kind("payload"), FORMAT)
        assert (await hub.wait("j", timedelta(seconds=240))).output == "40000"
        await nothing_left(hub)


# ---- work items ----


@asynccontextmanager
async def abandoned(hub: MemoryHub, activity: str) -> AsyncIterator[None]:
    """The hub, with an instance whose worker died while the activity was waiting or running."""
    hub.sweeping = False

    @hub.orchestrator
    async def job(context: Context) -> Any:
        return await context.call_activity(activity, 1)

    async with hub:
        first = await hub.add_runtime()
        first.activity_room = lambda: 0  # type: ignore[method-assign]
        await hub.outside.start_new("job", "j")
        await hub.run(1)
        await hub.kill(first)
        yield


async def test_a_result_for_a_newer_instance_is_kept_in_its_inbox() -> None:
    hub = MemoryHub(workers=0)
    ran = adder(hub)
    table, queue = hub.hub.names.history, hub.hub.names.work_queue("add_queued")
    async with abandoned(hub, "add_queued"):
        assert await hub.queues.length(queue) == 1
        newer = await stamp(hub, table, of_kind("head"), NEWER)
        await hub.add_runtime()
        await hub.run(600)
        assert ran == [1]
        assert await hub.queues.length(queue) == 0
        assert await rows(hub, table, of_kind("head")) == newer
        assert len(await rows(hub, table, of_kind("inbox"))) == 1
        await goes_on(hub)
        assert ran == [1]


async def test_a_late_work_item_of_a_newer_instance_waits_and_is_no_dead_letter() -> None:
    hub = MemoryHub(RuntimeOptions(max_attempts=3), workers=0)
    ran = adder(hub)
    queue = hub.hub.names.work_queue("add_queued")
    async with abandoned(hub, "add_queued"):
        await hub.run(60)
        await stamp(hub, hub.hub.names.history, of_kind("head"), NEWER)
        await hub.add_runtime()
        await hub.run(3600)
        assert ran == []
        assert await hub.queues.length(queue) == 1
        assert await hub.hub.dead_letters() == []
        await goes_on(hub)


async def test_what_a_dead_process_held_of_a_newer_instance_needs_no_audit() -> None:
    hub = MemoryHub(workers=0)
    ran: list[int] = []

    @hub.activity
    async def slow(value: int) -> int:
        await hub.clock.sleep(5)
        ran.append(value)
        return value + 1

    async with abandoned(hub, "slow"):
        await stamp(hub, hub.hub.names.history, of_kind("head"), NEWER)
        # its guard rings, is passed on, and the ring that replaces it too
        await hub.add_runtime()
        await hub.run(300)
        assert ran == []
        await goes_on(hub)


async def goes_on(hub: MemoryHub) -> None:
    """Once its head is of a known version again, the instance ends, and nothing is left."""
    await stamp(hub, hub.hub.names.history, of_kind("head"), FORMAT)
    assert (await hub.wait("j", timedelta(seconds=600))).output == "2"
    await nothing_left(hub)


# ---- rows that are no instance's ----


async def test_a_newer_row_of_the_timer_index_is_left_to_newer_sweepers(
    caplog: pytest.LogCaptureFixture,
) -> None:
    hub = MemoryHub()
    table = hub.hub.names.index

    @hub.orchestrator
    async def sleeps(context: Context) -> Any:
        await context.create_timer(DAY)

    async with hub:
        hub.sweeping = False
        await hub.client.start_new("sleeps", "s")
        await hub.run(5)
        [row] = await stamp(hub, table, lambda row: True, NEWER)
        await hub.client.terminate("s")
        await hub.wait("s")
        await hub.run(60)
        # of an instance that has ended it would be litter
        if not await rows(hub, table):
            await hub.tables.transact(table, row.partition, [Insert(row.key, row.values)])
        newer = await rows(hub, table)
        hub.sweeping = True
        await hub.run(2 * DAY.total_seconds())
        assert await rows(hub, table) == newer
        assert f"row {row.key!r} of {row.partition!r} has format {NEWER}" in caplog.text
        await stamp(hub, table, lambda row: True, FORMAT)
        await hub.run(60)
        assert await rows(hub, table) == []


async def test_a_newer_claim_is_not_taken_over() -> None:
    hub = MemoryHub(workers=0)
    ran: list[int] = []

    async def slow(value: int) -> int:
        ran.append(value)
        await hub.clock.sleep(40)
        return value

    hub.queued_activity(slow)

    @hub.orchestrator
    async def job(context: Context) -> Any:
        return await context.call_activity("slow", 3)

    table = hub.hub.names.index
    async with hub:
        first = await hub.add_runtime()
        await hub.outside.start_new("job", "j")
        await hub.run(30)
        await hub.kill(first)
        # under a queue trigger its message would be gone
        queue = hub.hub.names.work_queue("slow")
        await hub.queues.delete_queue(queue)
        await hub.queues.create_queue(queue)
        [row] = await stamp(hub, table, lambda row: row.partition == "claim", NEWER)
        await hub.tables.transact(table, row.partition, [Merge(row.key, {"covered": False})])
        newer = await rows(hub, table)
        await hub.add_runtime()
        await hub.run(900)
        assert await rows(hub, table) == newer
        assert ran == [3]
        await stamp(hub, table, lambda row: row.partition == "claim", FORMAT)
        assert (await hub.wait("j", timedelta(seconds=120))).output == "3"
        assert ran == [3, 3]


async def test_newer_settings_of_a_hub_and_dead_letters_are_refused_with_their_row() -> None:
    hub = MemoryHub()
    table = hub.hub.names.hub_table
    async with hub:
        await hub.hub.bury("test-dx-control-00", b"{}", "for the test")
        newer = await stamp(hub, table, lambda row: True, NEWER)
        with pytest.raises(UnknownFormat, match=f"row 'app' of 'hub' has format {NEWER}"):
            await Hub(hub.storage, "Test").create(app="test")
        with pytest.raises(UnknownFormat, match=f"of 'dead' has format {NEWER}"):
            await hub.hub.dead_letters()
        assert await rows(hub, table) == newer
        await stamp(hub, table, lambda row: True, FORMAT)
        await Hub(hub.storage, "Test").create(app="test")
        assert [letter.reason for letter in await hub.hub.dead_letters()] == ["for the test"]


# ---- messages ----


@pytest.mark.parametrize("trigger", [False, True])
@pytest.mark.parametrize("kind", ["ring", "work"])
async def test_a_newer_message_comes_back_until_a_newer_worker_takes_it(
    kind: str, trigger: bool, caplog: pytest.LogCaptureFixture
) -> None:
    hub = MemoryHub(workers=0)
    hub.sweeping = False
    ran = adder(hub)

    @hub.orchestrator
    async def job(context: Context) -> Any:
        return await context.call_activity("add_queued", 1)

    async with hub:
        first = await hub.add_runtime()
        if kind == "work":
            first.activity_room = lambda: 0  # type: ignore[method-assign]
            queue = hub.hub.names.work_queue("add_queued")
        else:
            first.turn_room = lambda: 0  # type: ignore[method-assign]
            [queue] = hub.hub.names.control_queues
        await hub.outside.start_new("job", "j")
        await hub.run(5)
        await hub.kill(first)
        [message] = await hub.queues.receive(queue, limit=32, lease=20)
        body = {**json.loads(message.body), "v": MESSAGE_FORMAT + 1, "new": [1]}
        await hub.queues.delete(queue, message.receipt)
        if trigger:
            runtime = await hub.add_runtime()
            take = runtime.messages.trigger_work if kind == "work" else None
            await (take or runtime.messages.trigger_control)(
                queue, json.dumps(body).encode(), "a message of the host", 1
            )
        else:
            await hub.queues.send(queue, json.dumps(body).encode())
            await hub.add_runtime()
        await hub.run(900)
        assert ran == []
        assert await hub.hub.dead_letters() == []
        assert f"is left to a newer worker: format {MESSAGE_FORMAT + 1}" in caplog.text
        [left] = await _all(hub, queue)
        # what it counts for itself aside
        assert json.loads(left.body).items() >= body.items()
        assert (await head_of(hub, "j")).runtime_status in (Status.PENDING, Status.RUNNING)
        await hub.queues.delete(queue, left.receipt)
        body["v"] = MESSAGE_FORMAT
        await hub.queues.send(queue, json.dumps(body).encode())
        assert (await hub.wait("j", timedelta(seconds=120))).output == "2"
        await nothing_left(hub)


async def _all(hub: MemoryHub, queue: str) -> list[Any]:
    """All messages, once the hidden ones show themselves."""
    for _ in range(90):
        if found := await hub.queues.receive(queue, limit=32, lease=20):
            return list(found)
        hub.clock.advance(1)
    return []
