"""Many starts at once: what they say, which are refused, and what a crash in between does."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import Any

import pytest

from durable.engine.context import DurableOrchestrationContext as Context
from durable.errors import InstanceExistsError, InvalidRequestError
from durable.hub.messages import RINGS
from durable.model.instance import OrchestrationRuntimeStatus as Status
from durable.ports import Insert
from durable.runtime.options import RuntimeOptions
from tests.memory_hub import MemoryHub
from tests.runtime.helpers import DiesAt, adder, head_of, nothing_left, status_of

MANY = 60


def echo(hub: MemoryHub, poison: object = None) -> Counter[object]:
    """`echo` adds one to its input in an activity; how often each was begun. With the input
    `poison` it ends all processes."""
    begun: Counter[object] = Counter()
    adder(hub)

    @hub.orchestrator
    async def echo(context: Context) -> Any:
        value = context.get_input()
        begun[value] += not context.is_replaying
        if value == poison:
            hub.crash()
        return await context.call_activity("add", value)

    @hub.orchestrator
    async def waits(context: Context) -> Any:
        return await context.wait_for_external_event("go")

    return begun


def ids(count: int) -> list[str]:
    return [f"i{number}" for number in range(count)]


async def outputs(hub: MemoryHub, instance_ids: list[str]) -> list[Any]:
    return [json.loads((await hub.wait(each)).output or "") for each in instance_ids]


@pytest.mark.parametrize("packed", [1, 50])
@pytest.mark.parametrize("room", [0, 7, 100])
async def test_ids_come_in_the_order_of_the_inputs(room: int, packed: int) -> None:
    hub = MemoryHub(RuntimeOptions(max_orchestrations=room, packed=packed))
    echo(hub)
    async with hub:
        started = await hub.client.start_many("echo", range(MANY))
        assert len(set(started)) == MANY
        if not room:
            hub.runtimes[0].turns.size = 20
        assert await outputs(hub, started) == list(range(1, MANY + 1))
        chosen = await hub.client.start_many("echo", range(MANY), instance_ids=ids(MANY))
        assert chosen == ids(MANY)
        assert await outputs(hub, chosen) == list(range(1, MANY + 1))
        await nothing_left(hub)


async def test_from_a_process_without_a_worker() -> None:
    hub = MemoryHub(workers=0)
    echo(hub)
    async with hub:
        started = await hub.outside.start_many("echo", range(MANY))
        [control] = hub.hub.names.control_queues
        # each message rings for many
        assert await hub.queues.length(control) == -(-MANY // RINGS)
        for _ in range(2):
            await hub.add_runtime()
        assert await outputs(hub, started) == list(range(1, MANY + 1))
        await nothing_left(hub)


async def test_nothing_to_start() -> None:
    hub = MemoryHub()
    echo(hub)
    async with hub:
        assert await hub.client.start_many("echo", []) == []
        assert await hub.outside.start_many("echo", [], instance_ids=[]) == []
        assert await hub.messages() == 0


@pytest.mark.parametrize("given", [["a", "a"], ["a"], ["a", "b", "c"], []])
async def test_ids_that_do_not_fit_are_refused_before_anything_is_started(given: list[str]) -> None:
    hub = MemoryHub()
    echo(hub)
    async with hub:
        with pytest.raises(InvalidRequestError, match="one for each input, no two the same"):
            await hub.client.start_many("echo", [1, 2], instance_ids=given)
        assert await hub.keys(hub.hub.names.instances) == []


@pytest.mark.parametrize("outside", [False, True])
@pytest.mark.parametrize(
    ("if_exists", "of_ended", "of_running"),
    [
        ("replace", "new", None),
        ("terminate", "new", "new"),
        ("skip", "old", "old"),
        ("error", None, None),
    ],
)
async def test_some_exist(
    if_exists: Any, of_ended: str | None, of_running: str | None, outside: bool
) -> None:
    hub = MemoryHub()
    echo(hub)
    async with hub:
        client = hub.outside if outside else hub.client
        await hub.client.start_new("echo", "ended", 1)
        await hub.wait("ended")
        await hub.client.start_new("waits", "running")
        await hub.run(30)
        before = {each: (await head_of(hub, each)).incarnation for each in ("ended", "running")}
        chosen = ["new", "ended", "running", "too"]
        starting = hub.runtimes[0].spawn(
            client.start_many("echo", [5, 6, 7, 8], instance_ids=chosen, if_exists=if_exists)
        )
        await hub.until(starting.done)
        if of_ended is None or of_running is None:
            assert isinstance(starting.exception(), InstanceExistsError)
        else:
            assert starting.result() == chosen
        # the others were started all the same
        assert await outputs(hub, ["new", "too"]) == [6, 9]
        for each, outcome, value in (("ended", of_ended, 7), ("running", of_running, 8)):
            same = (await head_of(hub, each)).incarnation == before[each]
            assert same == (outcome != "new")
            if not same:
                assert (await outputs(hub, [each])) == [value]
        if of_running != "new":
            assert (await status_of(hub, "running")).runtime_status == Status.RUNNING
            await hub.client.raise_event("running", "go")
            await hub.wait("running")
        await nothing_left(hub)


@pytest.mark.parametrize("dies_after", [1, 2, 30, MANY, MANY + 1])
async def test_who_dies_in_between_may_repeat_it(dies_after: int) -> None:
    """Each write is an end: the row of the list, the guards or the heads."""
    hub = MemoryHub(RuntimeOptions(max_orchestrations=100))
    begun = echo(hub)

    def inserts(name: str, args: tuple[Any, ...]) -> bool:
        return name == "transact" and any(isinstance(op, Insert) for op in args[2])

    async with hub:
        hub.tamper(hub.runtimes[0], after=DiesAt(hub, dies_after, inserts))
        starting = hub.runtimes[0].spawn(
            hub.client.start_many("echo", range(MANY), instance_ids=ids(MANY))
        )
        await hub.until(starting.done)
        again = await hub.outside.start_many(
            "echo", range(MANY), instance_ids=ids(MANY), if_exists="skip"
        )
        assert await outputs(hub, again) == list(range(1, MANY + 1))
        assert max(begun.values()) <= 2
        # rows of the list whose instances never came to be go with the audit
        await hub.until(lambda: _is_listed_once(hub), 3600)
        await nothing_left(hub)


async def _is_listed_once(hub: MemoryHub) -> bool:
    return len(await hub.keys(hub.hub.names.instances)) == MANY


async def test_what_had_begun_goes_on_by_itself_after_a_kill() -> None:
    """Nobody repeats the starts, and nobody audits: the guard of many rings for each."""
    hub = MemoryHub(RuntimeOptions(max_orchestrations=100))
    hub.sweeping = False
    echo(hub)
    async with hub:
        started = await hub.client.start_many("echo", range(MANY))
        hub.crash()
        assert await outputs(hub, started) == list(range(1, MANY + 1))
        await nothing_left(hub)


@pytest.mark.parametrize("outside", [False, True])
async def test_one_that_ends_processes_is_found_among_many(outside: bool) -> None:
    hub = MemoryHub(RuntimeOptions(max_orchestrations=100, max_attempts=4))
    hub.sweeping = False
    begun = echo(hub, poison=13)
    async with hub:
        client = hub.outside if outside else hub.client
        started = await client.start_many("echo", range(RINGS))
        others = [each for number, each in enumerate(started) if number != 13]
        assert await outputs(hub, others) == [n + 1 for n in range(RINGS) if n != 13]
        await hub.until(lambda: _is_stuck(hub, started[13]), 3600)
        # the deaths of the message that rang for all count for each
        assert begun[13] == 4
        head = await head_of(hub, started[13])
        assert "4 processes in a row died" in str(head.failure)


async def _is_stuck(hub: MemoryHub, instance_id: str) -> bool:
    return (await head_of(hub, instance_id)).status == Status.STUCK


async def test_many_starts_share_their_messages() -> None:
    hub = MemoryHub(RuntimeOptions(max_orchestrations=100))
    echo(hub)
    kinds: Counter[str] = Counter()
    heads: Counter[str] = Counter()

    async def counts(name: str, args: tuple[Any, ...]) -> None:
        if name == "send":
            kinds[json.loads(args[1])["kind"]] += 1
        elif name == "transact" and any(
            isinstance(op, Insert) and op.key[0] == "!" for op in args[2]
        ):
            heads[args[1]] += 1

    async with hub:
        hub.tamper(hub.runtimes[0], before=counts)
        started = await hub.client.start_many("echo", range(MANY))
        assert await outputs(hub, started) == list(range(1, MANY + 1))
        # a guard for many, and no other rings; the work is what had no room here
        assert kinds == {"rings": -(-MANY // RINGS), "work": kinds["work"]}
        assert set(heads.values()) == {1}
        assert len(heads) == MANY


async def test_starts_that_come_at_once_share_messages_and_wait_for_their_turn() -> None:
    hub = MemoryHub(RuntimeOptions(max_orchestrations=5, max_activities=5))
    echo(hub)
    sent: Counter[str] = Counter()

    async def count(name: str, args: tuple[Any, ...]) -> None:
        if name == "send":
            sent["work" if args[0] == hub.hub.names.work_queue("add") else "control"] += 1

    async with hub:
        hub.tamper(hub.runtimes[0], before=count)
        starts = (
            hub.client.start_new("echo", each, number) for number, each in enumerate(ids(MANY))
        )
        assert await asyncio.gather(*starts) == ids(MANY)
        assert await outputs(hub, ids(MANY)) == [number + 1 for number in range(MANY)]
        # an activity beyond the places that there are would have gone through its queue
        assert not sent["work"]
        assert sent["control"] < MANY / 3
        await nothing_left(hub)
