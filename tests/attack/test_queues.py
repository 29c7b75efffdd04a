"""A hub whose queues an attacker writes to: each message ends somewhere, and no instance minds."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import random
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from durable.engine.context import DurableOrchestrationContext as Context
from durable.engine.entities import EntityContext
from durable.errors import DeadLetterNotFoundError, InvalidRequestError
from durable.hub.decoding import decode_message
from durable.hub.keys import head_key
from durable.hub.messages import (
    LIMIT,
    PACKED,
    BadMessage,
    Doorbell,
    Doorbells,
    NewerMessage,
    Query,
    WorkBatch,
    WorkItem,
)
from durable.model.entities import EntityId
from durable.model.instance import OrchestrationRuntimeStatus as Status
from durable.ports import ANY, Message, Replace
from durable.runtime.messages import MOST_WAITS, Messages
from durable.runtime.options import RuntimeOptions
from tests.attack.hostile_messages import Attacker
from tests.memory_hub import MemoryHub
from tests.runtime.helpers import adder, head_of, status_of

MESSAGES = int(os.environ.get("DURABLE_MESSAGES", "5000"))
SEED = int(os.environ.get("DURABLE_SEED", "1"))
BATCH = 250
COUNTER = EntityId("counter", "a")
OPEN = ("waits", "waits too", "sleeps", "counts")
ITEM = {
    "v": 1,
    "kind": "work",
    "instance": "nobody",
    "inc": "ab",
    "eid": "e",
    "task": 0,
    "activity": "add_queued",
    "scheduled": "2026-01-01T00:00:00+00:00",
    "turn": 0,
    "call": 0,
    "attempt": 1,
    "input": None,
    "has_input": True,
}


def programs(hub: MemoryHub) -> None:
    adder(hub)

    @hub.orchestrator
    async def waiting(context: Context) -> Any:
        first = await context.call_activity("add_queued", context.get_input())
        event = await context.wait_for_external_event("go")
        return [first, event, await context.call_activity("add_queued", 10)]

    @hub.orchestrator
    async def sleeping(context: Context) -> Any:
        await context.call_activity("add_queued", 5)
        await context.create_timer(timedelta(days=30))
        return "slept"

    @hub.orchestrator
    async def counting(context: Context) -> Any:
        await context.call_entity(COUNTER, "add", 1)
        await context.wait_for_external_event("go")
        return await context.call_entity(COUNTER, "add", 1)

    @hub.orchestrator
    async def quick(context: Context) -> Any:
        return await context.call_activity("add_queued", 5)

    @hub.orchestrator
    async def fans(context: Context) -> Any:
        return sum(
            await context.when_all([context.call_activity("add_queued", n) for n in range(9)])
        )

    @hub.entity
    def counter(context: EntityContext) -> int:
        value: int = context.get_state(int, 0) + context.get_input(int)
        context.set_state(value)
        return value


class Sent:
    """Queues that remember what the hub itself sends."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.bodies: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def send(self, queue: str, body: bytes, *, delay: float = 0.0) -> Any:
        self.bodies.append(body)
        return await self._inner.send(queue, body, delay=delay)


class Watched:
    """A runtime's messages: which could be handled, and which not."""

    def __init__(self, inner: Messages) -> None:
        self._inner = inner
        self.handled: dict[str, bytes] = {}
        self.raised: list[str] = []

    async def handle_control(self, queue: str, message: Message, asked: float) -> None:
        await self._watch(self._inner.handle_control, queue, message, asked)

    async def handle_work(self, queue: str, message: Message, asked: float) -> None:
        await self._watch(self._inner.handle_work, queue, message, asked)

    async def _watch(self, handle: Any, queue: str, message: Message, asked: float) -> None:
        try:
            await handle(queue, message, asked)
        except Exception as error:
            self.raised.append(f"{error!r:.200} for {message.body!r:.200}")
            raise
        self.handled[message.receipt.message_id] = message.body


async def begun(hub: MemoryHub) -> None:
    """Instances that have done something, and wait."""
    await hub.outside.start_new("waiting", "waits", 1)
    await hub.outside.start_new("waiting", "waits too", 2)
    await hub.outside.start_new("sleeping", "sleeps")
    await hub.outside.start_new("counting", "counts")
    await hub.outside.start_new("quick", "ended")
    await hub.client.start_many("fans", [None] * 3, instance_ids=["fans", "fans too", "fans all"])
    await hub.run(90)


async def test_each_message_ends_somewhere_and_no_instance_minds() -> None:
    hub = MemoryHub(RuntimeOptions(always_queue=True, spread=3))
    rnd = random.Random(SEED)
    hub.use(hub.storage, lambda size: rnd.randbytes(size).hex())
    programs(hub)
    async with hub:
        [runtime] = hub.runtimes
        runtime.hub.storage.queues._inner = sent = Sent(hub.queues)  # type: ignore[attr-defined]
        runtime.messages = watched = Watched(runtime.messages)  # type: ignore[assignment]
        await begun(hub)
        ids = (*OPEN, "ended", str(COUNTER), "nobody")
        kinds = {json.loads(body)["kind"] for body in sent.bodies}
        assert kinds == {"ring", "rings", "work", "batch"}
        asks = Query(ids[0], "ab", "state", "cd", hub.clock.now() + timedelta(days=1)).encode()
        attacker = Attacker(SEED, [*sent.bodies, asks], ids, waited=MOST_WAITS - 1)
        queues = (hub.hub.names.control_queues[0], hub.hub.names.work_queue("add_queued"))
        injected: list[tuple[str, bytes]] = []
        for number in range(MESSAGES):
            injected.append((queues[number % 2], attacker.body()))
            await hub.queues.send(*injected[-1])
            if number % BATCH == BATCH - 1:
                await hub.run(1)
        await hub.run(200)
        assert watched.raised == []
        ends = await _ends(hub, injected)
        assert ends.total() == MESSAGES
        # a changed byte may make a message one for a newer version
        assert await hub.messages() == ends.pop("left to a newer version", 0)
        assert ends.keys() == {"applied", "stale", "dead", "dead, since nobody newer came"}
        assert min(ends.values()) > MESSAGES / 100
        await _all_end_well(hub)


async def _ends(hub: MemoryHub, injected: list[tuple[str, bytes]]) -> Counter[str]:
    """How each message ended. What became no dead letter must be a message of a hub."""
    letters = [letter async for letter in hub.outside.list_dead_letters()]
    assert all(letter.reason for letter in letters)
    buried = Counter((letter.queue, letter.body) for letter in letters)
    ends: Counter[str] = Counter()
    for queue, body in injected:
        if buried[queue, body]:
            buried[queue, body] -= 1
            ends["dead"] += 1
            continue
        try:
            message = decode_message(body)
        except NewerMessage as newer:
            if newer.waited:
                buried[queue, newer.again()] -= 1
                ends["dead, since nobody newer came"] += 1
            else:
                ends["left to a newer version"] += 1
            continue
        work = queue != hub.hub.names.control_queues[0]
        rung: tuple[str, ...] = ()
        if work:
            assert isinstance(message, WorkItem | WorkBatch)
        elif isinstance(message, Doorbells):
            rung = message.instances
        else:
            assert isinstance(message, Doorbell | Query)
            rung = (message.instance_id,)
        known = [await hub.hub.instances.head(each) is not None for each in rung]
        ends["applied" if any(known) else "stale"] += 1
    assert not +buried
    assert not -buried
    return ends


async def _all_end_well(hub: MemoryHub) -> None:
    """As without an attack."""
    for instance_id in OPEN:
        status = await status_of(hub, instance_id)
        assert (status.runtime_status, status.failure) == (Status.RUNNING, None)
    for instance_id in ("waits", "waits too", "counts"):
        await hub.outside.raise_event(instance_id, "go", "on")
    outputs = {each: json.loads((await hub.wait(each)).output or "") for each in OPEN}
    assert outputs == {
        "waits": [2, "on", 11],
        "waits too": [3, "on", 11],
        "sleeps": "slept",
        "counts": 2,
    }
    counter = await hub.outside.read_entity_state(COUNTER)
    assert counter is not None
    assert counter.state == "2"
    assert (await status_of(hub, "ended")).output == "6"


async def test_a_message_for_a_newer_version_waits_for_a_week() -> None:
    hub = MemoryHub()
    adder(hub)
    async with hub:
        [control] = hub.hub.names.control_queues
        late = {"v": PACKED + 1, "kind": "ring", "instance": "j", "waited": MOST_WAITS}
        await hub.queues.send(control, json.dumps(late).encode())
        await hub.queues.send(control, json.dumps({**late, "waited": MOST_WAITS - 2}).encode())
        await hub.run(1)
        [letter] = await hub.hub.dead_letters()
        assert letter.reason == "no newer worker took it: format 3; this version reads up to 2"
        await hub.run(70)
        assert len(await hub.hub.dead_letters()) == 1
        await hub.run(70)
        assert len(await hub.hub.dead_letters()) == 2
        assert await hub.messages() == 0


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("heir_of", ["m" * 65, 1]),
        ("heir_of", ["a\ud800", 1]),
        ("heir_of", ["message-1", 2**63]),
        ("heir_of", ["message-1", -1]),
        ("died", -1),
        ("lack", 2**31),
        ("instance", ""),
        ("instance", "\ud800"),
        ("instance", "x" * 401),
        ("instance", "@"),
        ("instance", "@counter"),
        ("instance", "@@key"),
        ("v", True),
        ("v", 1.0),
    ],
)
async def test_what_would_break_the_head_of_an_instance_is_refused(field: str, value: Any) -> None:
    ring = {"v": 1, "kind": "ring", "instance": "a", "guard": True, field: value}
    with pytest.raises(BadMessage, match=r"malformed ring|format"):
        decode_message(json.dumps(ring).encode())


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("eid", "a/b"),
        ("eid", "e" * 65),
        ("turn", 10**400),
        ("task", -1),
        ("lack", 2**31),
        ("input", ["k", 1, 1]),
        ("input", ["ab.0", 4097, 1]),
        ("input", ["ab.0", -1, 1]),
        ("input", "\ud800"),
        ("activity", "a" * 1001),
        ("instance", "@counter@a"),
        ("trace", ["\ud800", ""]),
    ],
)
async def test_what_would_break_the_keys_of_an_activity_is_refused(field: str, value: Any) -> None:
    item = {**ITEM, field: value}
    with pytest.raises(BadMessage, match="malformed work"):
        decode_message(json.dumps(item).encode())
    assert isinstance(decode_message(json.dumps(ITEM).encode()), WorkItem)


async def test_a_stale_item_is_no_poison_and_waits_for_no_other_worker() -> None:
    hub = MemoryHub(RuntimeOptions(always_queue=True))
    programs(hub)
    async with hub:
        await begun(hub)
        head = await head_of(hub, "waits")
        queue = hub.hub.names.work_queue("add_queued")
        true = {**ITEM, "instance": "waits", "inc": head.incarnation, "eid": head.execution_id}
        for change in ({"begun": 1000}, {"activity": "unknown"}, {"eid": "e", "begun": 1000}):
            await hub.queues.send(queue, json.dumps({**true, **change}).encode())
        await hub.run(1)
        assert await hub.messages() == 0
        assert await hub.hub.dead_letters() == []
        assert (await status_of(hub, "waits")).runtime_status == Status.RUNNING


async def test_claimed_deaths_stop_no_instance() -> None:
    hub = MemoryHub(RuntimeOptions(max_attempts=3))
    programs(hub)
    async with hub:
        await begun(hub)
        ring = {"v": 1, "kind": "ring", "instance": "waits", "guard": True, "died": True}
        for count in range(20):
            body = json.dumps({**ring, "heir_of": [[f"message-{count}", count]]})
            await hub.queues.send(hub.hub.names.control_queues[0], body.encode())
        await hub.run(30)
        assert (await status_of(hub, "waits")).runtime_status == Status.RUNNING
        assert (await head_of(hub, "waits")).deaths == 0
        await _all_end_well(hub)


async def test_letters_that_are_not_there_and_one_that_no_queue_takes() -> None:
    hub = MemoryHub()
    async with hub:
        for act in (hub.outside.retry_dead_letter, hub.outside.discard_dead_letter):
            with pytest.raises(DeadLetterNotFoundError, match="no dead letter"):
                await act("' or RowKey ne '")
        key = await hub.hub.bury(hub.hub.names.control_queues[0], b"x" * (LIMIT + 1), "long")
        with pytest.raises(InvalidRequestError, match="cannot be sent again"):
            await hub.outside.retry_dead_letter(key)
        assert [letter.key async for letter in hub.outside.list_dead_letters()] == [key]
        await hub.outside.discard_dead_letter(key)
        assert await hub.hub.dead_letters() == []


async def test_a_message_that_fails_each_time_becomes_a_dead_letter() -> None:
    hub = MemoryHub(RuntimeOptions(max_attempts=3))
    programs(hub)
    async with hub:
        await begun(hub)
        await hub.kill(hub.runtimes[0])
        await hub.add_runtime()
        names, key = hub.hub.names, head_key("waits")
        row = await hub.tables.get(names.history, "waits", key)
        broken = {**row.values, "status": "Nonsense"}
        await hub.tables.transact(names.history, "waits", [Replace(key, broken, row.etag)])
        hub.sweeping = False
        ring = Doorbell("waits").encode()
        await hub.queues.send(names.control_queues[0], ring)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(asyncio.get_running_loop(), "call_exception_handler", lambda _: None)
            await hub.run(200)
            gc.collect()
        [letter] = await hub.hub.dead_letters()
        assert letter.reason.startswith("it was tried 4 times, the last time: ValueError(")
        assert await hub.messages() == 0
        # once the row is mended, the letter brings the instance on
        await hub.tables.transact(names.history, "waits", [Replace(key, dict(row.values), ANY)])
        await hub.outside.retry_dead_letter(letter.key)
        hub.sweeping = True
        await _all_end_well(hub)
