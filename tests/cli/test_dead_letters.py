"""Dead letters from the command line: looked at, put back, and forgotten."""

from __future__ import annotations

import json

import pytest

from durable.hub.messages import LIMIT
from tests.cli.running import CommandLine
from tests.memory_hub import MemoryHub


@pytest.fixture
async def keys(memory: MemoryHub) -> list[str]:
    """Three letters, a second apart, each under its key."""
    [queue] = memory.hub.names.control_queues
    for body in (b"not json\x1b[31m", b'{"v": 1}', b'{"v":1,"kind":"ring","instance":7}'):
        await memory.queues.send(queue, body)
        await memory.run(1)
    return [letter.key for letter in await memory.hub.dead_letters()]


async def test_letters_for_people(keys: list[str], durable: CommandLine) -> None:
    done = await durable("get-dead-letters")
    assert (done.code, done.stderr) == (0, "")
    title, *lines = done.stdout.splitlines()
    assert title.split() == ["ID", "BURIED", "QUEUE", "REASON", "MESSAGE"]
    assert [line.split()[0] for line in lines] == keys
    assert all("test-dx-control-00" in line for line in lines)
    assert "not JSON: JSONDecodeError" in lines[0]
    assert "\x1b" not in done.stdout
    assert "\\x1b[31m" in lines[0]


async def test_letters_for_programs_in_pages(keys: list[str], durable: CommandLine) -> None:
    first = await durable.json("get-dead-letters", "--top", "2")
    assert [each["id"] for each in first["deadLetters"]] == keys[:2]
    token = ("--continuation-token", first["continuationToken"])
    second = await durable.json("get-dead-letters", "--top", "2", *token)
    [letter] = second["deadLetters"]
    assert letter["id"] == keys[2]
    assert letter["reason"].startswith("a malformed ring message: TypeError")
    assert json.loads(letter["message"]) == {"v": 1, "kind": "ring", "instance": 7}
    assert letter["size"] == len(letter["message"])
    assert second["continuationToken"] is None


async def test_some_are_discarded(memory: MemoryHub, keys: list[str], durable: CommandLine) -> None:
    chosen = ("--id", keys[0], "--id", keys[2], "--id", keys[0])
    assert await durable.json("discard-dead-letters", *chosen) == {"discarded": 2}
    assert [letter.key for letter in await memory.hub.dead_letters()] == [keys[1]]
    said = await durable.refused(1, "discard-dead-letters", "--id", keys[0])
    assert "there is no dead letter" in said


async def test_all_are_discarded_only_when_that_is_meant(
    memory: MemoryHub, keys: list[str], durable: CommandLine
) -> None:
    assert "say --yes" in await durable.refused(1, "discard-dead-letters", "--all")
    durable.ask = lambda question: "no"
    assert "not the hub's name" in await durable.refused(1, "discard-dead-letters", "--all")
    assert len(await memory.hub.dead_letters()) == 3
    durable.ask = lambda question: "Test"
    assert await durable.json("discard-dead-letters", "--all") == {"discarded": 3}
    done = await durable("get-dead-letters")
    assert (done.stdout, done.stderr) == ("", "No dead letter matches.\n")


@pytest.mark.parametrize("command", ["retry-dead-letters", "discard-dead-letters"])
async def test_which_has_to_be_said(durable: CommandLine, command: str) -> None:
    assert "say which" in await durable.refused(2, command)
    assert "say which" in await durable.refused(2, command, "--all", "--id", "a")
    assert "there is no dead letter" in await durable.refused(1, command, "--id", "../a/b?'#")
    assert durable.opened == 1


async def test_a_letter_that_is_put_back_is_handled_again(
    memory: MemoryHub, keys: list[str], durable: CommandLine
) -> None:
    await durable("start-new", "--function-name", "greeting", "--id", "a", "--input", '"you"')
    [queue] = memory.hub.names.control_queues
    key = await memory.hub.bury(queue, b'{"v":1,"kind":"ring","instance":"a"}', "by hand")
    assert await durable.json("retry-dead-letters", "--id", key) == {"retried": 1}
    assert (await memory.wait("a")).output == '"hello you"'
    assert await durable.json("retry-dead-letters", "--all") == {"retried": 3}
    await memory.run(5)
    # what is none of ours is found out again, and by another key
    again = [letter.key for letter in await memory.hub.dead_letters()]
    assert len(again) == 3
    assert not set(again) & {*keys, key}


async def test_what_no_queue_takes_is_not_put_back(memory: MemoryHub, durable: CommandLine) -> None:
    [queue] = memory.hub.names.control_queues
    key = await memory.hub.bury(queue, b"x" * 70_000, "too long")
    said = await durable.refused(2, "retry-dead-letters", "--id", key)
    assert f"70,000 bytes, and a message of a hub has at most {LIMIT:,}" in said
    assert [letter.key for letter in await memory.hub.dead_letters()] == [key]
