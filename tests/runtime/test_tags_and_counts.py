"""Lists, counts and purges by filters, and purges of whole families."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from durable.client import Filters
from durable.engine.context import DurableOrchestrationContext as Context
from durable.errors import InstanceNotFoundError, InvalidRequestError
from durable.hub.filters import InstanceFilter
from durable.model.instance import OrchestrationRuntimeStatus as Status
from tests.memory_hub import MemoryHub
from tests.runtime.helpers import head_of, nothing_left, rows_of, status_of


def programs(hub: MemoryHub) -> None:
    @hub.orchestrator
    async def echo(context: Context) -> Any:
        return context.get_input()

    @hub.orchestrator
    async def waits(context: Context) -> Any:
        return await context.wait_for_external_event("go")

    @hub.orchestrator
    async def fails(context: Context) -> Any:
        raise ValueError("no")


QUOTED = {"it's": "a 'quote' & ☃"}


async def a_hub_full(hub: MemoryHub) -> None:
    """Eight instances, a minute apart."""
    started: tuple[tuple[str, str, dict[str, str]], ...] = (
        ("echo", "a-1", {"team": "red", "tier": "1"}),
        ("echo", "a-2", {"team": "red"}),
        ("waits", "a-3", {"team": "blue"}),
        ("fails", "b-1", {"team": "red", **QUOTED}),
        ("fails", "b-2", {}),
        ("echo", "b-3", {"team": "blue", "tier": "1"}),
        ("waits", "c-1", {"tier": "1"}),
        ("waits", "c-2", {}),
    )
    for number, (name, instance_id, tags) in enumerate(started):
        await hub.outside.start_new(name, instance_id, number, tags=tags)
        await hub.run(60)
    await hub.outside.terminate("c-2")
    await hub.run(60)


ALL = "a-1 a-2 a-3 b-1 b-2 b-3 c-1 c-2"
FILTERS: list[tuple[Filters, str]] = [
    ({}, ALL),
    ({"runtime_status": None, "tags": None, "name": None, "instance_id_prefix": None}, ALL),
    ({"tags": {"team": "red"}}, "a-1 a-2 b-1"),
    ({"tags": {"team": "red", "tier": "1"}}, "a-1"),
    ({"tags": {"team": "RED"}}, ""),
    ({"tags": QUOTED}, "b-1"),
    ({"tags": {f"n{number}": "" for number in range(20)}}, ""),
    ({"tags": {"tier": "1"}, "name": "waits"}, "c-1"),
    ({"name": "fails"}, "b-1 b-2"),
    ({"instance_id_prefix": "b-"}, "b-1 b-2 b-3"),
    ({"runtime_status": [Status.FAILED]}, "b-1 b-2"),
    ({"runtime_status": [Status.FAILED, Status.TERMINATED]}, "b-1 b-2 c-2"),
    (
        {"runtime_status": [s for s in Status if s is not Status.RUNNING]},
        "a-1 a-2 b-1 b-2 b-3 c-2",
    ),
    (
        {
            "runtime_status": list(Status),
            "tags": {"team": "red", "tier": "1"},
            "instance_id_prefix": "a",
            "name": "echo",
        },
        "a-1",
    ),
]


@pytest.mark.parametrize(("filters", "expected"), FILTERS)
async def test_what_matches(filters: Filters, expected: str) -> None:
    hub = MemoryHub()
    programs(hub)
    async with hub:
        await a_hub_full(hub)
        client, ids = hub.outside, expected.split()
        listed = [status.instance_id async for status in client.list_instances(**filters)]
        assert listed == ids[::-1]
        for top in (1, 3, 1000):
            found: list[str] = []
            token: str | None = None
            while True:
                page, token = await client.list_instance_ids(top=top, token=token, **filters)
                assert len(page) <= top
                found += page
                if token is None:
                    break
            assert found == listed
        assert await client.count_instances(**filters) == len(ids)
        statuses = [(await status_of(hub, each)).runtime_status for each in ids]
        assert await client.count_by_status(**filters) == {s: statuses.count(s) for s in statuses}


async def test_times_of_completion_are_inclusive_and_mean_ended_instances() -> None:
    hub = MemoryHub()
    programs(hub)
    async with hub:
        await a_hub_full(hub)
        ended = (await status_of(hub, "b-1")).last_updated_time

        async def ids(**filters: Any) -> set[str]:
            return set((await hub.outside.list_instance_ids(**filters))[0])

        tick, running = timedelta(microseconds=1), [Status.RUNNING]
        assert await ids(completed_time_from=ended) == {"b-1", "b-2", "b-3", "c-2"}
        assert await ids(completed_time_from=ended + tick) == {"b-2", "b-3", "c-2"}
        assert await ids(completed_time_to=ended.replace(tzinfo=None)) == {"a-1", "a-2", "b-1"}
        assert await ids(completed_time_to=ended - tick) == {"a-1", "a-2"}
        assert await ids(completed_time_from=ended, completed_time_to=ended) == {"b-1"}
        assert await ids(completed_time_from=ended, runtime_status=[Status.TERMINATED]) == {"c-2"}
        assert await ids(completed_time_to=ended, runtime_status=running) == set()
        count = await hub.outside.count_by_status(completed_time_to=ended, runtime_status=running)
        assert count == {}


async def test_no_head_is_read_for_what_does_not_match() -> None:
    hub = MemoryHub()
    programs(hub)
    async with hub:
        await a_hub_full(hub)
        instances = hub.outside._hub.instances
        real, read = instances.head, []

        async def noted(instance_id: str) -> Any:
            read.append(instance_id)
            return await real(instance_id)

        instances.head = noted  # type: ignore[method-assign]
        running: Filters = {"tags": {"tier": "1"}, "runtime_status": [Status.RUNNING]}
        assert [each.instance_id async for each in hub.outside.list_instances(**running)] == ["c-1"]
        await hub.outside.count_instances(tags={"team": "red"})
        await hub.outside.list_instance_ids(runtime_status=[Status.FAILED, Status.COMPLETED])
        await hub.outside.purge_instance_history_by(name="nobody")
        assert set(read) == {"c-1"}


@pytest.mark.parametrize("room", range(16))
def test_the_service_is_asked_for_what_fits(room: int) -> None:
    wanted = InstanceFilter(
        statuses=frozenset({Status.FAILED, Status.COMPLETED}), tags={"a": "1", "b": "2"}
    )
    # two comparisons for the statuses, which come first, and one for each tag
    expected = {0: 0, 1: 1, 2: 1, 3: 2}.get(room, 3)
    assert len(wanted.conditions(room)) == expected


@pytest.mark.parametrize(
    "tags",
    [
        {"": "x"},
        {"a": 1},
        {1: "a"},
        {"a": None},
        [("a", "b")],
        {"a": "x" * 4001},
        {f"{number}": "" for number in range(51)},
        {"a": "\ud800"},
    ],
)
async def test_bad_tags_are_refused_before_anything_is_written(tags: Any) -> None:
    hub = MemoryHub()
    programs(hub)
    async with hub:
        with pytest.raises(InvalidRequestError, match="tag"):
            await hub.client.start_new("echo", "e", tags=tags)
        with pytest.raises(InvalidRequestError, match="tag"):
            await hub.client.list_page(tags=tags)
        assert await hub.keys(hub.hub.names.instances) == []


async def test_the_largest_tags_are_stored_and_found() -> None:
    hub = MemoryHub()
    programs(hub)
    async with hub:
        tags = {f"{number:02}": "☃" * 78 for number in range(50)}
        await hub.client.start_new("echo", "e", tags=tags)
        assert (await hub.wait("e")).tags == tags
        assert await hub.outside.count_instances(tags=tags) == 1
        assert await hub.outside.count_instances(tags={**tags, "07": "☃"}) == 0


async def test_a_filter_that_there_is_not() -> None:
    hub = MemoryHub()
    async with hub:
        with pytest.raises(TypeError, match="created_from"):
            await hub.outside.list_page(created_from=None)  # type: ignore[call-arg]
        with pytest.raises(InvalidRequestError, match="Sleeping"):
            await hub.outside.count_instances(runtime_status=["Sleeping"])  # type: ignore[list-item]
        for top in (0, 1001):
            with pytest.raises(InvalidRequestError, match="top"):
                await hub.outside.list_instance_ids(top=top)


async def test_tags_of_sub_orchestrations_and_after_restart_and_continue_as_new() -> None:
    hub = MemoryHub()
    programs(hub)

    @hub.orchestrator
    async def top(context: Context) -> Any:
        if context.get_input() is None:
            await context.call_sub_orchestrator("echo", 1, "child", tags={"of": "top"})
            await context.wait_for_external_event("go")
            context.continue_as_new("more")
        return "done"

    async with hub:
        await hub.client.start_new("top", "t", tags={"kept": "yes"})
        await hub.run(5)
        # another process replays it
        await hub.kill(hub.runtimes[0])
        await hub.add_runtime()
        await hub.outside.raise_event("t", "go")
        assert (await hub.wait("t")).tags == {"kept": "yes"}
        assert (await status_of(hub, "child")).tags == {"of": "top"}
        await hub.run(30)
        again = await hub.outside.restart("t")
        await hub.run(30)
        ids, _ = await hub.outside.list_instance_ids(tags={"kept": "yes"})
        assert ids == [again, "t"]


# ---- purges ----


async def test_purging_by_filters() -> None:
    hub = MemoryHub()
    programs(hub)
    async with hub:
        await a_hub_full(hub)
        purge = hub.outside.purge_instance_history_by
        assert (await purge(name="waits")).instances_deleted == 1
        assert (await purge(tags={"tier": "1"}, instance_id_prefix="b")).instances_deleted == 1
        assert (await purge(runtime_status=[Status.RUNNING])).instances_deleted == 0
        result = await purge(runtime_status=[Status.COMPLETED, Status.FAILED])
        assert (result.instances_deleted, result.is_complete) == (4, True)
        left = [status.instance_id async for status in hub.outside.list_instances()]
        assert left == ["c-1", "a-3"]
        await nothing_left(hub)


async def test_a_purge_in_pieces() -> None:
    hub = MemoryHub()
    programs(hub)
    async with hub:
        await a_hub_full(hub)
        purge = hub.outside.purge_instance_history_by
        first = await purge(limit=4)
        assert (first.instances_deleted, first.is_complete) == (4, False)
        none = await purge(timeout=timedelta(0))
        assert (none.instances_deleted, none.is_complete) == (0, False)
        rest = await purge(limit=100, timeout=60)
        assert (rest.instances_deleted, rest.is_complete) == (2, True)
        with pytest.raises(InvalidRequestError, match="limit"):
            await purge(limit=0)


def family(hub: MemoryHub) -> None:
    programs(hub)

    @hub.orchestrator
    async def parent(context: Context) -> Any:
        depth: Any = context.get_input()
        if depth:
            ids = [f"{context.instance_id}.{number}" for number in range(3)]
            return await context.when_all(
                [context.call_sub_orchestrator("parent", depth - 1, each) for each in ids]
            )
        return "leaf"


async def ids_of(hub: MemoryHub) -> set[str]:
    return {key.partition(" ")[0] for key in await hub.keys(hub.hub.names.history)}


async def test_a_family_goes_whole_or_only_its_head() -> None:
    hub = MemoryHub()
    family(hub)
    async with hub:
        for name in ("p", "q"):
            await hub.client.start_new("parent", name, 2)
            await hub.wait(name)
        await hub.run(30)

        async def purge(instance_id: str, recurse: bool) -> int:
            result = await hub.outside.purge_instance_history(instance_id, recurse=recurse)
            return result.instances_deleted

        assert len(await ids_of(hub)) == 26
        assert await purge("p.1", True) == 4
        assert await purge("p", False) == 1
        assert await purge("q", True) == 13
        # those of the one that went alone are nobody's
        expected = {"p.0", "p.2", *(f"p.{i}.{j}" for i in (0, 2) for j in range(3))}
        assert await ids_of(hub) == expected
        with pytest.raises(InstanceNotFoundError):
            await purge("q", True)
        await nothing_left(hub)


async def test_families_that_match() -> None:
    hub = MemoryHub()
    family(hub)
    async with hub:
        for name in ("p", "q", "r"):
            await hub.client.start_new("parent", name, 1, tags={"root": name})
            await hub.wait(name)
        await hub.run(30)
        purge = hub.outside.purge_instance_history_by
        assert (await purge(tags={"root": "q"}, recurse=True)).instances_deleted == 4
        assert not any(each.startswith("q") for each in await ids_of(hub))
        result = await purge(recurse=True, instance_id_prefix="r", limit=2)
        # who is begun goes whole
        assert (result.instances_deleted, result.is_complete) == (4, False)
        assert (await purge(recurse=True)).is_complete
        assert await ids_of(hub) == set()


async def test_a_purge_of_a_family_that_died_half_way_goes_on() -> None:
    hub = MemoryHub()
    family(hub)
    async with hub:
        await hub.client.start_new("parent", "p", 2)
        await hub.wait("p")
        await hub.run(30)
        instances, left = hub.outside._hub.instances, [5]
        real = instances.delete_head

        async def dies(head: Any) -> None:
            left[0] -= 1
            if left[0] < 0:
                raise OSError("the process dies")
            await real(head)

        instances.delete_head = dies  # type: ignore[method-assign]
        with pytest.raises(OSError, match="dies"):
            await hub.outside.purge_instance_history("p", recurse=True)
        instances.delete_head = real  # type: ignore[method-assign]
        assert {"p", "p.0", "p.1", "p.2"} <= await ids_of(hub)
        await hub.outside.purge_instance_history("p", recurse=True)
        await hub.run(60)
        assert await ids_of(hub) == set()
        assert await hub.keys(hub.hub.names.instances) == []


async def test_who_is_not_its_child_or_has_not_ended_stays() -> None:
    hub = MemoryHub()
    programs(hub)

    @hub.orchestrator
    async def parent(context: Context) -> Any:
        context.call_sub_orchestrator("waits", None, "running")
        ended = context.call_sub_orchestrator("echo", 1, "ended")
        await context.when_any([ended])

    async with hub:
        await hub.client.start_new("parent", "p")
        await hub.wait("p")
        await hub.run(30)
        # its id is another's now
        await hub.client.purge_instance_history("ended")
        await hub.client.start_new("echo", "ended", "another")
        await hub.wait("ended")
        await hub.run(30)
        result = await hub.outside.purge_instance_history("p", recurse=True)
        assert result.instances_deleted == 1
        assert (await status_of(hub, "running")).runtime_status == Status.RUNNING
        assert (await head_of(hub, "ended")).input == '"another"'


async def test_children_that_history_still_has_when_it_began_anew() -> None:
    hub = MemoryHub()
    programs(hub)

    @hub.orchestrator
    async def eternal(context: Context) -> Any:
        left: Any = context.get_input()
        await context.call_sub_orchestrator("echo", left, f"generation-{left}")
        if left:
            context.continue_as_new(left - 1)

    async with hub:
        await hub.client.start_new("eternal", "e", 1)
        await hub.wait("e")
        await hub.run(30)
        result = await hub.outside.purge_instance_history("e", recurse=True)
        assert result.instances_deleted == 2
        assert await rows_of(hub, "generation-0") == []
