"""purge-history and delete-task-hub."""

from __future__ import annotations

from datetime import timedelta

import pytest

from durable.hub.hub import Hub
from tests.cli.running import CommandLine
from tests.memory_hub import MemoryHub


async def ended(memory: MemoryHub, instance_id: str, name: str = "you") -> None:
    await memory.outside.start_new("greeting", instance_id, name)
    await memory.wait(instance_id)
    await memory.run(30)


async def ids(memory: MemoryHub) -> set[str]:
    return {each.instance_id async for each in memory.outside.list_instances()}


async def test_one_instance(memory: MemoryHub, durable: CommandLine) -> None:
    await ended(memory, "a")
    await memory.outside.start_new("waiting", "b")
    done = await durable("purge-history", "--id", "a")
    assert (done.code, done.stdout) == (0, "Purged 1 instance\n")
    assert "no instance 'a'" in await durable.refused(1, "purge-history", "--id", "a")
    assert "has not ended" in await durable.refused(1, "purge-history", "--id", "b")
    assert await ids(memory) == {"b"}


async def test_by_filters(memory: MemoryHub, durable: CommandLine) -> None:
    for name in ("a", "b", "nobody"):
        await ended(memory, name, name)
    await memory.outside.start_new("waiting", "w")
    await memory.run(5)
    assert await durable.json("purge-history", "--runtime-status", "failed") == {
        "instancesDeleted": 1
    }
    assert await ids(memory) == {"a", "b", "w"}
    b = await memory.outside.get_status("b")
    assert b is not None
    before = (b.created_time - timedelta(seconds=1)).isoformat()
    assert await durable.json("purge-history", "--created-before", before) == {
        "instancesDeleted": 1
    }
    done = await durable("purge-history", "--created-after", "2025-01-01")
    assert done.stdout == "Purged 1 instance\n"
    assert await ids(memory) == {"w"}
    done = await durable("purge-history", "--created-after", "2025-01-01")
    assert (done.code, done.stdout) == (0, "Purged 0 instances\n")


async def test_everything_is_purged_only_when_that_is_meant(
    memory: MemoryHub, durable: CommandLine
) -> None:
    await ended(memory, "a")
    assert "say --yes" in await durable.refused(1, "purge-history")
    questions: list[str] = []
    durable.ask = lambda question: questions.append(question) or "no"  # type: ignore[func-returns-value]
    assert "nothing was deleted" in await durable.refused(1, "purge-history")
    assert "purge all ended instances of hub Test" in questions[0]
    assert await ids(memory) == {"a"}
    done = await durable("purge-history", "--yes")
    assert done.stdout == "Purged 1 instance\n"
    assert await ids(memory) == set()


async def test_a_hub_is_deleted_with_all_its_queues(
    memory: MemoryHub, durable: CommandLine
) -> None:
    await ended(memory, "a")
    other = Hub(memory.storage, "Test2")
    await other.create(app="other", activities=("greet",))
    assert "say --yes" in await durable.refused(1, "delete-task-hub")
    durable.ask = lambda question: "Test"
    done = await durable("delete-task-hub")
    assert (done.code, done.stdout) == (0, "Deleted hub Test\n")
    assert {name.partition("-")[0] for name in memory.queues._queues} == {"test2"}
    assert await other.setting("app") == "other"
    assert "there is no hub Test" in await durable.refused(1, "delete-task-hub", "--yes")


async def test_an_interrupted_deletion_is_finished(memory: MemoryHub, durable: CommandLine) -> None:
    await memory.tables.delete_table(memory.hub.names.hub_table)
    assert "there is no hub" in await durable.refused(1, "get-instances")
    assert await durable.json("delete-task-hub", "--yes") == {"taskHub": "Test"}
    assert not memory.queues._queues
    await memory.queues.create_queue("test-dx-greet")
    assert (await durable("delete-task-hub", "--yes")).code == 0
    assert not memory.queues._queues


@pytest.mark.parametrize(
    "given",
    [
        ("start-new", "--function-name", "greeting"),
        ("get-instances",),
        ("get-history", "--id", "a"),
        ("get-runtime-status", "--id", "a", "--watch"),
        ("raise-event", "--id", "a", "--event-name", "e"),
        ("terminate", "--id", "a"),
        ("purge-history", "--id", "a"),
        ("delete-task-hub", "--yes"),
    ],
)
async def test_no_command_makes_a_hub(
    memory: MemoryHub, durable: CommandLine, given: tuple[str, ...]
) -> None:
    tables, queues = set(memory.tables._tables), set(memory.queues._queues)
    done = await durable(*given, hub="Elsewhere")
    assert (done.code, done.stdout) == (1, "")
    assert "there is no hub Elsewhere in memory" in done.stderr
    assert "host.json: is not there" in done.stderr
    assert (set(memory.tables._tables), set(memory.queues._queues)) == (tables, queues)


async def test_a_hub_keeps_its_owner_and_its_number_of_queues(
    memory: MemoryHub, durable: CommandLine
) -> None:
    made = Hub(memory.storage, "Wide", control_queues=4)
    await made.create(app="someone")
    for number in range(20):
        await durable("start-new", "--function-name", "f", "--id", f"i{number}", hub="Wide")
    lengths = [await memory.queues.length(queue) for queue in made.names.control_queues]
    assert sum(lengths) == 20
    assert min(lengths) > 0
    assert await made.setting("app") == "someone"


async def test_by_name_prefix_and_tag(memory: MemoryHub, durable: CommandLine) -> None:
    for instance_id, tags in (("a-1", {"team": "red"}), ("a-2", {}), ("b", {"team": "red"})):
        await memory.outside.start_new("greeting", instance_id, "you", tags=tags)
        await memory.wait(instance_id)
    await memory.run(30)
    found = await durable.json("get-instances", "--tag", "team=red", "--instance-id-prefix", "a")
    assert [each["instanceId"] for each in found["instances"]] == ["a-1"]
    assert found["instances"][0]["tags"] == {"team": "red"}
    # filters need no --yes
    assert await durable.json("purge-history", "--tag", "team=red", "--name", "waiting") == {
        "instancesDeleted": 0
    }
    assert await durable.json("purge-history", "--tag", "team=red") == {"instancesDeleted": 2}
    assert await durable.json("purge-history", "--instance-id-prefix", "a-") == {
        "instancesDeleted": 1
    }
    assert await ids(memory) == set()
    assert "not both" in await durable.refused(2, "purge-history", "--id", "a", "--tag", "x=y")
    assert "NAME=VALUE" in await durable.refused(2, "purge-history", "--tag", "x")


async def test_with_sub_orchestrations(memory: MemoryHub, durable: CommandLine) -> None:
    await memory.outside.start_new("parent", "p")
    await memory.run(5)
    await memory.outside.raise_event("the child", "go")
    await memory.wait("p")
    await memory.run(30)
    assert await ids(memory) == {"p", "the child"}
    done = await durable("purge-history", "--id", "p", "--recursive")
    assert done.stdout == "Purged 2 instances\n"
    assert await ids(memory) == set()
