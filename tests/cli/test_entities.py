"""Entities from the command line."""

from __future__ import annotations

from typing import Any

from tests.cli.running import CommandLine
from tests.memory_hub import MemoryHub

ADD = ("signal-entity", "--operation", "add", "--id")


async def test_a_signal_reaches_its_entity(memory: MemoryHub, durable: CommandLine) -> None:
    assert await durable.json(*ADD, "@Counter@-x", "--input", "-2") == {"entityId": "@counter@-x"}
    done = await durable(*ADD, "@counter@-x", "--input", "44")
    assert done.stdout == "Signaled add to @counter@-x\n"
    await memory.run(2)
    entity = await durable.json("get-entity", "--id", "@counter@-x")
    assert entity.pop("lastOperationTime").startswith("2026-01-01T00:00:0")
    assert entity == {
        "entityId": {"name": "counter", "key": "-x"},
        "exists": True,
        "lockedBy": None,
        "state": 42,
    }


async def test_a_signal_for_later(memory: MemoryHub, durable: CommandLine) -> None:
    later = ("--signal-time", "2026-01-01T00:01:00Z")
    await durable(*ADD, "@counter@a", "--input", "1", *later)
    await memory.run(50)
    entity = await durable.json("get-entity", "--id", "@counter@a")
    assert (entity["exists"], entity["state"]) == (False, None)
    await memory.run(30)
    assert (await durable.json("get-entity", "--id", "@counter@a"))["state"] == 1


async def test_an_entity_for_people(memory: MemoryHub, durable: CommandLine) -> None:
    said = await durable.refused(1, "get-entity", "--id", "@counter@a")
    assert "there is no entity '@counter@a'" in said
    await durable(*ADD, "@counter@a", "--input", "7")
    await memory.outside.start_new("holding", "h")
    await memory.run(20)
    name, modified, locked, state = (
        await durable("get-entity", "--id", "@counter@a")
    ).stdout.splitlines()
    assert name == "@counter@a"
    assert modified.startswith(" modified  2026-01-01 00:00:0")
    assert (locked, state) == ("locked by  h", "    state  7")
    hidden = await durable("get-entity", "--id", "@counter@a", "--show-state", "false")
    assert "state" not in hidden.stdout


async def test_entities_in_pages(memory: MemoryHub, durable: CommandLine) -> None:
    for key in ("a", "b", "c", "d"):
        await durable(*ADD, f"@counter@{key}", "--input", "1")
    await memory.run(5)
    await durable("signal-entity", "--id", "@counter@b", "--operation", "delete")
    await memory.run(5)

    async def keys(*options: str) -> list[str]:
        page = await durable.json("get-entities", *options)
        return [each["entityId"]["key"] for each in page["entities"]]

    assert await keys() == ["a", "c", "d"]
    assert await keys("--include-empty") == ["a", "b", "c", "d"]
    assert await keys("--name", "counter", "--key-prefix", "c") == ["c"]
    assert await keys("--name", "nothing") == []
    assert await keys("--modified-after", "2027-01-01") == []
    page: dict[str, Any] = await durable.json("get-entities", "--top", "2")
    assert len(page["entities"]) == 2
    token = page["continuationToken"]
    assert await keys("--continuation-token", token) == ["d"]
    titles, first, *_ = (await durable("get-entities", "--all")).stdout.splitlines()
    assert titles.split() == ["ID", "MODIFIED", "LOCKED", "BY", "STATE"]
    assert first.startswith("@counter@a")
    assert first.endswith(" 1")


async def test_cleaning(memory: MemoryHub, durable: CommandLine) -> None:
    await durable(*ADD, "@counter@a", "--input", "1")
    await memory.run(5)
    await durable("signal-entity", "--id", "@counter@a", "--operation", "delete")
    await memory.run(5)
    assert await durable.json("clean-entity-storage") == {"removed": 0, "released": 0}
    await memory.run(4000)
    done = await durable("clean-entity-storage")
    assert done.stdout == "Empty entities removed: 1; locks released: 0\n"
    assert (await durable.json("get-entities", "--include-empty"))["entities"] == []
