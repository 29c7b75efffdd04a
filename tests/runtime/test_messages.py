"""Messages that come twice, late, in any order, from elsewhere, or not at all."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from durable.engine.context import DurableOrchestrationContext as Context
from durable.errors import ConfigurationError, HubInUseError
from durable.hub.decoding import decode_message
from durable.hub.hub import Hub
from durable.hub.messages import LIMIT, PACKED, RINGS, WorkBatch
from durable.model.instance import OrchestrationRuntimeStatus as Status
from durable.runtime.options import RuntimeOptions
from tests.memory_hub import MemoryHub
from tests.runtime.helpers import adder, head_of, nothing_left, rows_of, status_of


class Copied:
    """Queues that send each message several times, in shuffled order, and remember all."""

    def __init__(self, inner: Any, copies: int, rnd: random.Random) -> None:
        self._inner, self._copies, self._random = inner, copies, rnd
        self.sent: list[tuple[str, bytes]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def send(self, queue: str, body: bytes, *, delay: float = 0.0) -> Any:
        self.sent.append((queue, body))
        for _ in range(self._copies - 1):
            await self._inner.send(queue, body, delay=delay + self._random.choice((0, 0, 1, 40)))
        return await self._inner.send(queue, body, delay=delay)


def programs(hub: MemoryHub) -> None:
    @hub.orchestrator
    async def child(context: Context) -> Any:
        return await context.call_activity("add_queued", context.get_input(int))

    @hub.orchestrator
    async def job(context: Context) -> Any:
        tasks = [context.call_activity("add_queued", number) for number in range(5)]
        values = await context.when_all(tasks)
        values.append(await context.call_sub_orchestrator(child, 10))
        values.append(await context.wait_for_external_event("go"))
        return values


@pytest.mark.parametrize("copies", [1, 2, 3])
async def test_every_message_several_times_and_all_again_after_the_end(copies: int) -> None:
    hub = MemoryHub(RuntimeOptions(always_queue=True), workers=2)
    ran = adder(hub)
    programs(hub)
    async with hub:
        copied = Copied(hub.storage.queues, copies, random.Random(copies))
        for runtime in hub.runtimes:
            runtime.hub.storage.queues._inner = copied  # type: ignore[attr-defined]
        await hub.outside.start_new("job", "j")
        await hub.outside.raise_event("j", "go", "event")
        assert json.loads((await hub.wait("j")).output or "") == [1, 2, 3, 4, 5, 11, "event"]
        await hub.run(120)
        before, rows = sorted(ran), await hub.keys(hub.hub.names.history)
        assert set(before) == {0, 1, 2, 3, 4, 10}
        if copies == 1:
            assert len(before) == 6
        for queue, body in random.Random(7).sample(copied.sent, len(copied.sent)):
            await hub.queues.send(queue, body)
        await hub.run(200)
        assert sorted(ran) == before
        # but for marks in the head, nothing has changed
        assert await hub.keys(hub.hub.names.history) == rows
        assert await hub.hub.dead_letters() == []
        await nothing_left(hub)


async def test_old_messages_do_not_touch_the_next_instance_of_that_id() -> None:
    hub = MemoryHub(RuntimeOptions(always_queue=True))
    ran = adder(hub)
    programs(hub)
    async with hub:
        copied = Copied(hub.storage.queues, 1, random.Random(0))
        hub.runtimes[0].hub.storage.queues._inner = copied  # type: ignore[attr-defined]
        await hub.outside.start_new("job", "j")
        await hub.outside.raise_event("j", "go", "old")
        await hub.wait("j")
        await hub.run(60)
        await hub.outside.purge_instance_history("j")
        old, copied.sent = copied.sent, []
        await hub.outside.start_new("job", "j")
        await hub.run(60)
        count = len(ran)
        for queue, body in old:
            await hub.queues.send(queue, body)
        await hub.run(200)
        assert (await status_of(hub, "j")).runtime_status == Status.RUNNING
        assert len(ran) == count
        await hub.outside.raise_event("j", "go", "new")
        assert json.loads((await hub.wait("j")).output or "")[-1] == "new"


WORK = {
    "v": 1,
    "kind": "work",
    "instance": "j",
    "inc": "ab",
    "eid": "e",
    "task": 0,
    "activity": "add",
    "scheduled": "2026-01-01T00:00:00+00:00",
    "turn": 0,
    "call": 0,
    "attempt": 1,
    "input": None,
    "has_input": True,
}

TASK = {name: WORK[name] for name in ("task", "call", "attempt", "input", "has_input")}
BATCH = {
    **{name: value for name, value in WORK.items() if name not in TASK},
    "v": PACKED,
    "kind": "batch",
    "tasks": [TASK, {**TASK, "task": 1}],
}
BELLS = {"v": PACKED, "kind": "rings", "instances": ["j", "k"]}

BAD_BATCHES: list[dict[str, Any]] = [
    {"tasks": None},
    {"tasks": []},
    {"tasks": {}},
    {"tasks": "01"},
    {"tasks": [TASK, None]},
    {"tasks": [[TASK]]},
    {"tasks": [{}]},
    {"tasks": [TASK, {**TASK, "task": -1}]},
    {"tasks": [TASK, {**TASK, "task": True}]},
    {"tasks": [TASK, {**TASK, "begun": "1"}]},
    {"tasks": [TASK, {**TASK, "input": {"a": 1}}]},
    {"tasks": [TASK, {**TASK, "input": ["k", 1]}]},
    {"tasks": [TASK, {**TASK, "has_input": None}]},
    {"instance": "@counter@a"},
    {"instance": None},
    {"inc": "../../x"},
    {"activity": ["add"]},
    {"scheduled": "2026-01-01T00:00:00"},
    {"v": 0},
]
BAD_BELLS: list[dict[str, Any]] = [
    {"instances": None},
    {"instances": []},
    {"instances": {"j": 1}},
    {"instances": "jk"},
    {"instances": ["j", 5]},
    {"instances": ["j", ""]},
    {"instances": ["j", "\ud800"]},
    {"instances": ["j", "k" * 401]},
    {"instances": ["j", "@counter@a"]},
    {"instances": [["j"]]},
    {"instances": [f"j{number}" for number in range(RINGS + 1)]},
    {"guard": 1},
    {"guard": "yes"},
]

HOSTILE: list[bytes] = [
    b"",
    b"\x00\xff\xfe",
    b"not json",
    b"[" * 10_000,
    b"null",
    b"[]",
    b'"text"',
    b"{}",
    b'{"v": 1}',
    b'{"v": 1, "kind": "order"}',
    b'{"v": 1, "kind": ["ring"]}',
    b'{"v": 1, "kind": "ring"}',
    b'{"v": 1, "kind": "ring", "instance": 5}',
    b'{"v": 1, "kind": "ring", "instance": "j", "died": "many"}',
    b'{"v": 1, "kind": "ring", "instance": "j", "guard": 1}',
    b'{"v": 1, "kind": "ring", "instance": "j", "heir_of": "x"}',
    b'{"v": 1, "kind": "ring", "instance": "j", "heir_of": [1, 2]}',
    b'{"v": 1, "kind": "ring", "instance": "j", "heir_of": ["a", 1, 2]}',
    *(
        json.dumps({**WORK, **change}).encode()
        for change in (
            {"instance": None},
            {"inc": "../../x"},
            {"inc": 5},
            {"task": "0"},
            {"task": 1.5},
            {"scheduled": "yesterday"},
            {"scheduled": "2026-01-01T00:00:00"},
            {"input": {"a": 1}},
            {"input": ["key"]},
            {"input": ["key", "1", 2]},
            {"has_input": "yes"},
            {"activity": None},
        )
    ),
    *(json.dumps({**BATCH, **change}).encode() for change in BAD_BATCHES),
    *(json.dumps({**BELLS, **change}).encode() for change in BAD_BELLS),
    b"x" * LIMIT,
]


def test_what_the_hostile_ones_are_changed_from_is_ours() -> None:
    batch = decode_message(json.dumps(BATCH).encode())
    assert isinstance(batch, WorkBatch)
    assert decode_message(batch.encode()) == batch
    assert [item.task_id for item in batch.items] == [0, 1]
    # a task cannot speak for another instance or turn than its message
    foreign = {**BATCH, "tasks": [{**TASK, "instance": "k", "eid": "f", "activity": "pay"}]}
    assert decode_message(json.dumps(foreign).encode()).items == batch.items[:1]  # type: ignore[union-attr]
    assert decode_message(json.dumps(BELLS).encode()).instances == ("j", "k")  # type: ignore[union-attr]


@pytest.mark.parametrize("body", HOSTILE, ids=range(len(HOSTILE)))
async def test_a_message_that_is_none_of_ours_becomes_a_dead_letter(body: bytes) -> None:
    hub = MemoryHub()
    adder(hub)
    async with hub:
        [control] = hub.hub.names.control_queues
        work = hub.hub.names.work_queue("add")
        for queue in (control, work):
            await hub.queues.send(queue, body)
        await hub.run(1)
        letters = await hub.hub.dead_letters()
        assert sorted(letter.queue for letter in letters) == sorted((control, work))
        assert all(letter.reason and letter.body == body[:60_000] for letter in letters)
        assert await hub.messages() == 0
        runtime = hub.runtimes[0]
        await runtime.messages.trigger_control(control, body, "m", 1)
        await runtime.messages.trigger_work(work, body, "m", 1)
        assert len(await hub.hub.dead_letters()) == 4
        assert await hub.hub.discard_dead_letter(letters[0].key)
        assert not await hub.hub.discard_dead_letter(letters[0].key)


async def test_a_message_of_a_newer_version_is_left_to_a_newer_worker() -> None:
    hub = MemoryHub()
    adder(hub)
    async with hub:
        [control] = hub.hub.names.control_queues
        newer = {"v": PACKED + 1, "kind": "ring", "instance": "j"}
        await hub.queues.send(control, json.dumps(newer).encode())
        await hub.run(600)
        assert await hub.hub.dead_letters() == []
        assert await hub.queues.length(control) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"instance": "nobody"},
        {"inc": "abcdef"},
        {"eid": "another"},
        {"task": 99},
        {"instance": "a/b\\c#d?e%'\"\n"},
        {"instance": "x" * 400},
    ],
)
async def test_a_work_item_that_nobody_awaits_is_dropped(change: dict[str, Any]) -> None:
    hub = MemoryHub()
    ran = adder(hub)
    programs(hub)
    async with hub:
        await hub.outside.start_new("job", "j")
        await hub.run(60)
        head, count = await head_of(hub, "j"), len(ran)
        rows = await rows_of(hub, "j")
        item = {**WORK, "inc": head.incarnation, "eid": head.execution_id, "task": 7, **change}
        queue = hub.hub.names.work_queue("add")
        await hub.queues.send(queue, json.dumps(item).encode())
        await hub.run(100)
        assert await rows_of(hub, "j") == rows
        assert len(ran) == count
        assert await hub.queues.length(queue) == 0
        assert await hub.hub.dead_letters() == []


async def test_swapped_queues() -> None:
    hub = MemoryHub()
    adder(hub)
    async with hub:
        [control] = hub.hub.names.control_queues
        work = hub.hub.names.work_queue("add")
        await hub.queues.send(control, json.dumps(WORK).encode())
        await hub.queues.send(work, b'{"v":1,"kind":"ring","instance":"j"}')
        await hub.run(1)
        reasons = sorted(letter.reason for letter in await hub.hub.dead_letters())
        assert reasons == [
            "a Doorbell does not belong into this queue",
            "a WorkItem does not belong into this queue",
        ]


# ---- whose hub it is ----


async def test_a_hub_that_another_app_has_claimed_is_refused() -> None:
    hub = MemoryHub()
    async with hub:
        other = Hub(hub.storage, "Test")
        await other.create(app="test")
        await other.create(app=None)
        with pytest.raises(HubInUseError, match="belongs to the app 'test', and this is 'mine'"):
            await other.create(app="mine")


async def test_another_number_of_control_queues_is_refused() -> None:
    hub = MemoryHub()
    async with hub:
        with pytest.raises(
            ConfigurationError, match="was made with partitionCount 1, and this app says 4"
        ):
            await Hub(hub.storage, "Test", control_queues=4).create(app="test")


async def test_settings_and_secrets_are_made_once() -> None:
    hub = MemoryHub()
    async with hub:
        first = await hub.hub.secret("links")
        assert len(first) >= 43
        assert await Hub(hub.storage, "Test").secret("links") == first
        assert await hub.hub.secret("other") != first
        assert await hub.hub.setting("nothing") == ""
