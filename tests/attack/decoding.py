"""Reads hostile data in every form in which data comes in, while an audit hook listens for imports,
evaluation and unpickling. Run as a module; prints what was read, and what was heard."""

from __future__ import annotations

import asyncio
import base64
import json
import pickle
import random
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import azure.functions as func

from durable.codec import decode
from durable.hub.columns import payload_from_columns
from durable.hub.decoding import decode_message
from durable.hub.rows import Head
from durable.hub.turns import decode_arrivals, decode_turn
from durable.model.entities import EntityId
from durable.model.failure import FailureDetails
from durable.model.instance import check_instance_id
from durable.ports import Row
from tests.attack.hostile_messages import NASTY, Attacker
from tests.attack.requests import hostile_requests
from tests.attack.serving import unanswered
from tests.management.conftest import World

FORBIDDEN = ("import", "exec", "compile", "pickle.", "marshal.", "os.", "subprocess.", "ctypes.")
ROUNDS = 1500


class Bomb:
    """Pickled, it is a command."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return eval, ("1 + 1",)


@dataclass
class Order:
    """What user code expects."""

    name: str
    items: list[int]
    about: dict[str, Any]


BOMB = base64.b64encode(pickle.dumps(Bomb())).decode()
TAGGED: list[Any] = [
    {"py/object": "os.system", "py/reduce": [{"py/type": "os.system"}, {"py/tuple": ["true"]}]},
    {"__class__": "subprocess.Popen", "__module__": "subprocess", "__data__": "{}"},
    {"$type": "System.Diagnostics.Process", "type": "os.system", "name": "__import__('os')"},
    {"__type__": "tests.attack.decoding.Bomb", "__init__": [], "__reduce__": BOMB},
    {"type": "TaskCompleted", "task_id": 0, "result": BOMB, "__class__": "x"},
    {"type": "TaskFailed", "task_id": 0, "failure": {"error_type": "os.system", "message": BOMB}},
    {"type": "__import__", "task_id": "eval('1')"},
    BOMB,
    "!!python/object/apply:os.system ['true']",
    "lambda: __import__('os').system('true')",
]


def readers(values: dict[str, Any]) -> list[Callable[[str], object]]:
    """All that takes text from outside. `values` are the columns of a true head."""

    def head(text: str) -> object:
        column = random.Random(text).choice([name for name in values if name != "created"])
        spoiled = {**values, column: text}
        return Head.from_row(Row("p", "k", spoiled, "e", datetime.now(UTC)))

    def failure(text: str) -> object:
        found = FailureDetails("message", text[:100])
        return found.is_caused_by(text[:100]), found.is_caused_by(ValueError)

    return [
        decode,
        lambda text: decode(text, Order),
        lambda text: decode(text, list[Order] | None),
        lambda text: decode(text, datetime),
        lambda text: decode_message(text.encode("utf-8", "replace")),
        decode_arrivals,
        lambda text: decode_turn(text, 0, datetime.now(UTC), "n"),
        lambda text: payload_from_columns("a", {"a_k": "ref", "a_ref": text, "a": text}),
        head,
        failure,
        check_instance_id,
        EntityId.parse,
    ]


def hostile_texts() -> list[str]:
    """What to read."""
    texts = [json.dumps(each) for each in (*NASTY, *TAGGED)]
    texts += [json.dumps({"events": [each], "eid": each, "outbox": [each]}) for each in TAGGED]
    texts += [json.dumps({"event": each, "execution_id": "e"}) for each in TAGGED]
    attacker = Attacker(3, [b'{"v":1,"kind":"ring","instance":"a"}'], ["a"], waited=0)
    return texts + [attacker.body().decode("utf-8", "replace") for _ in range(ROUNDS)]


def read_all(texts: list[str], values: dict[str, Any]) -> int:
    """How many were read to the end, by some reader."""
    read = 0
    for text in texts:
        for reader in readers(values):
            with suppress(Exception):
                reader(text)
                read += 1
    return read


async def answer_all(world: World) -> int:
    """How many requests were answered."""
    count = 0
    for sent in hostile_requests(9, 400, {"name": ("echo",), "id": ("done",)}):
        path = sent.target.partition("?")[0]
        request = func.HttpRequest(sent.method, "https://x.example/", body=sent.body)
        count += (await world.api.handle(request, path)).status_code > 0
    return count


async def main() -> None:
    """Everything twice: what is imported late may be, the first time."""
    world = unanswered(World())
    await world.hub.create(app="test")
    await world.ended("echo", "done", "x")
    head = await world.hub.instances.head("done")
    assert head is not None
    values = head.to_values()
    texts = hostile_texts()
    read_all(texts, values)
    await answer_all(world)
    caught: list[str] = []
    listening = [True]

    def hook(event: str, details: tuple[object, ...]) -> None:
        if listening and event.startswith(FORBIDDEN):
            caught.append(f"{event} {details!r:.200}")

    sys.addaudithook(hook)
    read, answered = read_all(texts, values), await answer_all(world)
    listening_for = list(caught)
    # the hook does hear
    pickle.loads(base64.b64decode(BOMB))
    heard = [each.split()[0] for each in caught[len(listening_for) :]]
    listening.clear()
    print(json.dumps({"read": read, "answered": answered, "caught": listening_for, "heard": heard}))


if __name__ == "__main__":
    asyncio.run(main())
