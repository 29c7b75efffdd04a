from __future__ import annotations

import json
from typing import Any

import pytest

from durable.client import DurableOrchestrationClient
from durable.engine.context import DurableOrchestrationContext as Context
from durable.engine.entities import EntityContext
from durable.errors import (
    InstanceExistsError,
    InstanceFinishedError,
    InstanceNotFoundError,
    InvalidInstanceIdError,
    InvalidRequestError,
    QueryFailedError,
    UnknownQueryError,
)
from durable.exporting.formats import content_of
from durable.hub.formats import FORMAT
from durable.hub.keys import encode, head_key
from durable.model.entities import EntityId
from durable.model.functions import OrchestratorDefinition
from durable.model.instance import OrchestrationRuntimeStatus as Status
from durable.replaying import Verdict, replay, replay_instances
from durable.runtime.options import RuntimeOptions
from tests.memory_hub import MemoryHub
from tests.runtime.helpers import DiesAt

LONG = "é" * 100_000
"""What lies in payload rows of the source's partition."""


class Shop:
    """Orders of four steps; `charge` fails over a broken card."""

    def __init__(self, hub: MemoryHub) -> None:
        self.ran: list[tuple[str, str]] = []
        """Which step ran, and for which instance."""

        for name in ("reserve", "charge", "ship", "tell"):
            self._add(hub, name)

        @hub.orchestrator
        async def order(context: Context) -> Any:
            given: Any = context.get_input()
            results = [await context.call_activity("reserve", [context.instance_id, LONG])]
            context.signal_entity(EntityId("sales", "all"), "add")
            results.append(await context.wait_for_external_event("paid"))
            for name in ("charge", "ship", "tell"):
                results.append(await context.call_activity(name, [context.instance_id, given]))
            return [len(str(result)) for result in results]

        @hub.entity
        def sales(context: EntityContext) -> None:
            context.set_state(context.get_state(int, lambda: 0) + 1)

    def _add(self, hub: MemoryHub, step: str) -> None:
        def function(value: list[str]) -> str:
            self.ran.append((step, value[0]))
            if step == "charge" and value[1] == "broken":
                raise ValueError("the card is broken")
            return value[1]

        function.__name__ = step
        hub.activity(function)

    def of(self, instance_id: str) -> list[str]:
        return [step for step, instance in self.ran if instance == instance_id]


async def broken_order(hub: MemoryHub) -> None:
    await hub.client.start_new("order", "s", "broken", tags={"shop": "a"}, version="1")
    await hub.client.raise_event("s", "paid", LONG)
    assert (await hub.wait("s")).runtime_status == Status.FAILED


async def test_a_failed_order_goes_on_as_another_with_its_card_mended() -> None:
    hub = MemoryHub()
    shop = Shop(hub)
    async with hub:
        await broken_order(hub)
        assert await hub.client.fork("s", 2, input_="new", new_instance_id="f") == "f"
        status = await hub.wait("f")
        assert (status.runtime_status, status.output) == (
            Status.COMPLETED,
            f"[{len(LONG)},{len(LONG)},3,3,3]",
        )
        assert (status.tags, status.version, status.input) == ({"shop": "a"}, "1", '"new"')
        assert status.forked_from is not None
        assert (status.forked_from.instance_id, status.forked_from.step) == ("s", 2)
        assert shop.of("f") == ["charge", "ship", "tell"]
        await hub.run(5)
        entity = await hub.client.read_entity_state(EntityId("sales", "all"))
        assert entity is not None
        assert entity.state == "1"
        assert (await hub.client.get_status("s")).forked_from is None  # type: ignore[union-attr]
        # the fork stands by itself: what it took over is in rows of its own
        await hub.client.purge_instance_history("s")
        events = await hub.client.get_history("f", payloads=True)
        report = replay(events, hub.registry, instance_id="f")
        assert report.counts, report.text
        assert report.ok, report.text
        assert (await replay_instances(hub.client, hub.registry, ["f"])).ok


async def test_a_running_instance_is_forked_and_both_end() -> None:
    hub = MemoryHub()
    shop = Shop(hub)
    async with hub:
        await hub.client.start_new("order", "s", "fine")
        await hub.until(lambda: shop.of("s") == ["reserve"])
        await hub.idle()
        fork = await hub.client.fork("s", 2)
        await hub.until(lambda: _is(hub.client, fork, Status.RUNNING))
        await hub.client.raise_event(fork, "paid", 1)
        await hub.client.raise_event("s", "paid", 2)
        for each in (fork, "s"):
            assert (await hub.wait(each)).runtime_status == Status.COMPLETED
        assert shop.of(fork) == ["charge", "ship", "tell"]


async def _is(client: DurableOrchestrationClient, instance_id: str, wanted: Status) -> bool:
    status = await client.get_status(instance_id)
    return status is not None and status.runtime_status is wanted


async def test_a_fork_from_the_first_step_is_a_start_with_the_same_input() -> None:
    hub = MemoryHub()
    shop = Shop(hub)
    async with hub:
        await broken_order(hub)
        fork = await hub.client.fork("s", 0, version="", tags={})
        # older versions may begin it too, and its source may go
        head = await hub.hub.instances.head(fork)
        assert head is not None
        assert head.stored["v"] == FORMAT
        await hub.client.purge_instance_history("s")
        await hub.client.raise_event(fork, "paid")
        status = await hub.wait(fork)
        assert (status.runtime_status, status.version, status.tags) == (Status.FAILED, None, {})
        assert shop.of(fork) == ["reserve", "charge"]


async def test_what_cannot_be_forked() -> None:
    hub = MemoryHub()
    Shop(hub)
    async with hub:
        await broken_order(hub)
        client = hub.client
        with pytest.raises(InstanceNotFoundError):
            await client.fork("nobody", 0)
        with pytest.raises(InvalidInstanceIdError):
            await client.fork("@sales@all", 0)
        for step in (-1, 4, 2.0):
            with pytest.raises(InvalidRequestError, match="step"):
                await client.fork("s", step)  # type: ignore[arg-type]
        with pytest.raises(InstanceExistsError):
            await client.fork("s", 1, new_instance_id="s")
        with pytest.raises(InvalidInstanceIdError):
            await client.fork("s", 1, new_instance_id="a/b")
        assert await client.count_instances() == 1


async def _held(hub: MemoryHub, step: int = 2) -> str:
    """A fork of a failed order that has not begun."""
    await broken_order(hub)
    await hub.run(5)
    # put by somebody whose rings nobody hears yet
    runtime = hub.runtimes[0]
    await hub.stop(runtime)
    return await hub.outside.fork("s", step, new_instance_id="f")


@pytest.mark.parametrize("what", ["purged", "restarted"])
async def test_a_source_that_is_gone_when_the_fork_begins(what: str) -> None:
    hub = MemoryHub()
    shop = Shop(hub)
    async with hub:
        fork = await _held(hub)
        await hub.outside.purge_instance_history("s")
        if what == "restarted":
            await hub.outside.start_new("order", "s", "broken")
        await hub.add_runtime()
        status = await hub.wait(fork)
        assert status.runtime_status == Status.FAILED
        assert status.failure is not None
        assert status.failure.error_type == "durable.errors.ForkError"
        assert ("was replaced" if what == "restarted" else "is gone") in status.failure.message
        # a rewind does not begin it at the first step
        await hub.outside.rewind(fork)
        await hub.run(5)
        again = await hub.wait(fork)
        assert (again.runtime_status, again.failure) == (Status.FAILED, status.failure)
        assert not shop.of(fork)


async def test_a_fork_that_took_nothing_over_is_not_replayed() -> None:
    hub = MemoryHub()
    shop = Shop(hub)
    async with hub:
        fork = await _held(hub)
        await hub.outside.purge_instance_history("s")
        await hub.add_runtime()
        status = await hub.wait(fork)
        history = await hub.outside.get_history(fork, payloads=True)
        exported = content_of(status, history, "json")
        assert json.loads(exported)["forkedFrom"] == {"instanceId": "s", "step": 2}
        await hub.outside.rewind(fork)
        await hub.run(5)
        reports = (
            replay(exported, hub.registry),
            replay(history, hub.registry, instance_id=fork),
            await replay_instances(hub.outside, hub.registry, [fork]),
        )
        for (found,) in (report.instances for report in reports):
            assert found.verdict is Verdict.SKIPPED, found.text
            assert found.why.startswith("a fork that took nothing over: instance 's', from which")
        assert not shop.of(fork)


async def test_a_fork_whose_refusal_waits_ran_no_code_either() -> None:
    hub = MemoryHub(RuntimeOptions(grouped=False))
    Shop(hub)
    seen: dict[int, tuple[str, Verdict, str]] = {}
    async with hub:
        fork = await _held(hub)
        await hub.outside.purge_instance_history("s")
        for number in range(4):
            await hub.outside.raise_event(fork, "paid", number)
        runtime = await hub.add_runtime()
        client = DurableOrchestrationClient(hub.hub, answerer=runtime.queries)

        async def look(*_: Any) -> None:
            head = await hub.hub.instances.head(fork)
            if head is None or not head.sequence or head.sequence in seen:
                return
            (found,) = (await replay_instances(hub.outside, hub.registry, [fork])).instances
            try:
                said = str(await client.query(fork, "items"))
            except (QueryFailedError, UnknownQueryError) as error:
                said = str(error)
            seen[head.sequence] = str(head.status), found.verdict, said

        hub.tamper(runtime, after=look)
        await hub.wait(fork)
        await hub.run(1)
    # an event a turn, and the end with the last
    assert [status for status, *_ in seen.values()] == ["Running"] * 3 + ["Failed"]
    assert {verdict for _, verdict, _ in seen.values()} == {Verdict.SKIPPED}
    assert all("'items' of instance 'f' failed: durable.errors.F" in it for *_, it in seen.values())


async def test_code_that_asks_for_something_else_before_the_step_fails_the_fork() -> None:
    hub = MemoryHub()
    shop = Shop(hub)
    async with hub:
        fork = await _held(hub)

        async def order(context: Context) -> Any:
            return await context.call_activity("ship", [context.instance_id, "x"])

        hub.registry.orchestrators.pop("order")
        hub.registry.add(OrchestratorDefinition("order", order))
        await hub.add_runtime()
        status = await hub.wait(fork)
        assert status.failure is not None
        assert "at step 0 the source has activity 'reserve'" in status.failure.message
        assert "the code has activity 'ship'" in status.failure.message
        assert not shop.of(fork)


async def test_a_fork_is_ended_and_heard_before_it_begins() -> None:
    hub = MemoryHub()
    shop = Shop(hub)
    async with hub:
        fork = await _held(hub)
        await hub.outside.terminate(fork, "no need")
        await hub.add_runtime()
        assert (await hub.wait(fork)).runtime_status == Status.TERMINATED
        await hub.run(60)
        assert not shop.of(fork)


async def test_forks_are_rewound_restarted_purged_and_forked() -> None:
    hub = MemoryHub()
    shop = Shop(hub)
    async with hub:
        await broken_order(hub)
        fork = await hub.client.fork("s", 2, new_instance_id="f")
        assert (await hub.wait(fork)).runtime_status == Status.FAILED
        await hub.run(5)
        await hub.client.purge_instance_history("s")
        await hub.client.rewind(fork)
        await hub.run(1)
        assert (await hub.wait(fork)).runtime_status == Status.FAILED
        assert shop.of("f") == ["charge", "charge"]
        second = await hub.client.fork(fork, 2, input_="new")
        status = await hub.wait(second)
        assert status.runtime_status == Status.COMPLETED
        assert status.forked_from is not None
        assert status.forked_from.instance_id == "f"
        assert shop.of(second) == ["charge", "ship", "tell"]
        again = await hub.client.restart(fork)
        await hub.client.raise_event(again, "paid")
        status = await hub.wait(again)
        assert status.forked_from is None
        assert shop.of(again) == ["reserve", "charge"]
        await hub.run(5)
        for each in (fork, second):
            await hub.client.purge_instance_history(each)
            assert await hub.client.get_status(each) is None
            keys = await hub.keys(hub.hub.names.history)
            assert not [key for key in keys if key.startswith(f"{encode(each)} ")]
        with pytest.raises((InstanceFinishedError, InstanceNotFoundError)):
            await hub.client.raise_event(fork, "paid")


async def test_each_death_around_its_first_turn_leaves_one_that_took_over_once() -> None:
    number = 0
    while True:
        number += 1
        hub = MemoryHub()
        shop = Shop(hub)
        async with hub:
            fork = await _held(hub)
            dies = DiesAt(hub, number, lambda name, args: name in ("transact", "get", "query"))
            hub.tamper(await hub.add_runtime(), before=dies)
            await hub.outside.raise_event(fork, "more")
            status = await hub.wait(fork)
            assert status.runtime_status == Status.FAILED
            assert status.failure is not None
            assert "the card is broken" in status.failure.message
            assert set(shop.of(fork)) == {"charge"}
            if dies.seen < number:
                break
    assert number > 5


async def test_who_does_not_know_forks_leaves_them_alone() -> None:
    hub = MemoryHub()
    Shop(hub)
    async with hub:
        fork = await _held(hub)
        row = await hub.storage.tables.get(hub.hub.names.history, encode(fork), head_key(fork))
        assert row is not None
        assert row.values["v"] == FORMAT


async def test_the_present_generation_is_forked_and_no_other() -> None:
    hub = MemoryHub()
    ran: list[str] = []

    @hub.activity
    def count(value: list[Any]) -> None:
        ran.append(f"{value[0]} {value[1]}")

    @hub.orchestrator
    async def rounds(context: Context) -> Any:
        number: int = context.get_input(int)
        await context.call_activity("count", [context.instance_id, number])
        if not await context.wait_for_external_event("go"):
            await context.call_activity("count", [context.instance_id, "end"])
            return number
        context.continue_as_new(number + 1)
        return None

    async with hub:
        await hub.client.start_new("rounds", "s", 1)
        await hub.client.raise_event("s", "go", True)
        await hub.until(lambda: "s 2" in ran)
        await hub.idle()
        fork = await hub.client.fork("s", 1)
        await hub.client.raise_event(fork, "go", False)
        assert (await hub.wait(fork)).output == "2"
        assert [each for each in ran if each.startswith(fork)] == [f"{fork} end"]
        # one that takes over a generation which is over has nothing to take over
        late = await hub.outside.fork("s", 1, new_instance_id="late")
        await hub.client.raise_event("s", "go", True)
        status = await hub.wait(late)
        assert status.failure is not None
        assert "has continued as new" in status.failure.message
