"""Queue messages that no worker of ours sent, made from a seed."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable, Sequence
from typing import Any

from durable.hub.messages import PACKED

NASTY: list[Any] = [
    None,
    True,
    False,
    0,
    -1,
    1.5,
    2**31,
    2**63,
    -(2**63),
    10**400,
    float("nan"),
    float("inf"),
    1e308,
    "",
    " ",
    "0",
    "\x00",
    "\ud800",
    "\u202egnp.exe",
    "../../etc/passwd",
    "a/b\\c#d?e%f'g\"h\n",
    "' or PartitionKey ne '",
    "__import__('os').system('true')",
    "@",
    "@@",
    "@counter",
    "@counter@" + "k" * 3000,
    "x" * 5000,
    "9999-12-31T23:59:59.999999-23:59",
    "0001-01-01T00:00:00+23:59",
    [],
    {},
    [[]],
    ["k", 1, 2],
    ["k", 10**9, 2],
    ["0.0", 2**40, 2],
    {"__type__": "os.system", "py/object": "builtins.eval"},
]
"""Values that fit nowhere, or nearly."""

_COUNTS = ("begun",)
"""Who may write to a hub's queues can say that an activity ended processes."""


class Attacker:
    """Hostile bodies. `seen` are true messages of instances that have gone past them; `waited`
    is how often those for a newer version have been left to one."""

    def __init__(
        self, seed: int, seen: Sequence[bytes], live: Sequence[str], *, waited: int
    ) -> None:
        self._waited = waited
        self._random = random.Random(seed)
        self._seen = [json.loads(body) for body in seen]
        self._live = live
        self._kinds: list[Callable[[], bytes]] = [
            self._noise,
            self._wrong_base64,
            self._wrong_shape,
            self._nested,
            self._enormous,
            self._unicode,
            self._mutated,
            self._mutated,
            self._mutated,
            self._mutated_part,
            self._cut,
            self._foreign,
            self._stale,
            self._ring,
            self._newer,
        ]

    def body(self) -> bytes:
        """One message, 48 KiB at most."""
        return self._random.choice(self._kinds)()[: 48 * 1024]

    def _noise(self) -> bytes:
        return self._random.randbytes(self._random.choice((0, 1, 7, 100, 4000)))

    def _wrong_base64(self) -> bytes:
        good = base64.b64encode(json.dumps(self._true()).encode())
        return good[: -self._random.randint(1, 9)] + self._random.choice(
            (b"=", b"-_", b"\xff", b"")
        )

    def _wrong_shape(self) -> bytes:
        names = ("v", "kind", "instance", "guard", "input", "task")
        value = self._random.choice(NASTY)
        return self._random.choice(
            (
                json.dumps(value).encode(),
                json.dumps([self._true()]).encode(),
                json.dumps({name: self._random.choice(NASTY) for name in names}).encode(),
                json.dumps({"v": 1, "kind": "ring", "instance": value}).encode(),
                json.dumps({"v": value, "kind": "ring", "instance": "x"}).encode(),
                b'{"v":1,"v":1,"kind":"ring","kind":"work","instance":"x"}',
                b'{"v":NaN,"kind":"ring","instance":"x"}',
                b'{"v":1e999,"kind":"ring","instance":"x"}',
                b'{"v":1' + b"0" * 5000 + b"}",
            )
        )

    def _nested(self) -> bytes:
        depth = self._random.choice((50, 900, 12_000))
        opening, closing = self._random.choice(((b"[", b"]"), (b'{"v":', b"}")))
        body = opening * depth + b"1" + closing * depth
        return b'{"v":1,"kind":"ring","instance":"x","more":' + body + b"}"

    def _enormous(self) -> bytes:
        item = self._true()
        item[self._random.choice(list(item))] = "y" * 47_000
        return json.dumps(item).encode()

    def _unicode(self) -> bytes:
        text = "".join(chr(self._random.randrange(0x110000)) for _ in range(20))
        ring = {"v": 1, "kind": "ring", "instance": text}
        coding = self._random.choice(("utf-8", "utf-16", "utf-32"))
        return json.dumps(ring, ensure_ascii=False).encode(coding, "surrogatepass")

    def _mutated(self) -> bytes:
        item = self._true()
        for _ in range(self._random.choice((1, 1, 2, 5))):
            name = self._random.choice([*item, "heir_of", "lack", "audit", "trace", "extra"])
            if self._random.random() < 0.2:
                item.pop(name, None)
                continue
            value = self._random.choice([*NASTY, *self._true().values()])
            plausible = type(value) is int and 1 < value < 2**31
            if plausible and name in (*_COUNTS, "v"):
                continue
            item[name] = value
        return json.dumps(item).encode()

    def _mutated_part(self) -> bytes:
        """One of a batch, or of those that are rung for, is not what it was."""
        item = self._true()
        name = next((name for name in ("tasks", "instances") if name in item), None)
        if name is None:
            return self._mutated()
        parts = list(item[name])
        number = self._random.randrange(len(parts))
        value = self._random.choice(NASTY)
        if name == "tasks" and self._random.random() < 0.8:
            field = self._random.choice([*set(parts[number]) - {*_COUNTS}, "instance", "extra"])
            parts[number] = {**parts[number], field: value}
        else:
            parts[number] = value
        return json.dumps({**item, name: parts * self._random.choice((1, 1, 7))}).encode()

    def _cut(self) -> bytes:
        body = bytearray(json.dumps(self._true()).encode())
        if self._random.random() < 0.5:
            return bytes(body[: self._random.randrange(len(body))])
        body[self._random.randrange(len(body))] = self._random.randrange(256)
        return bytes(body)

    def _foreign(self) -> bytes:
        item = self._true()
        item["instance"] = self._random.choice(("another-hubs", "@another@one", "order 7 ü"))
        item["inc"] = f"{self._random.getrandbits(64):016x}"
        return json.dumps(item).encode()

    def _stale(self) -> bytes:
        item = self._true()
        item["eid"] = f"{self._random.getrandbits(128):032x}"
        item["task"] = self._random.randrange(1000)
        return json.dumps(item).encode()

    def _ring(self) -> bytes:
        ring = {"v": 1, "kind": "ring", "instance": self._random.choice(self._live)}
        if self._random.random() < 0.3:
            ring["audit"] = True
        return json.dumps(ring).encode()

    def _newer(self) -> bytes:
        """Of a version that never came."""
        item = self._true()
        item |= {
            "v": self._random.randint(PACKED + 1, 999),
            "waited": self._waited,
            "how": "unknown",
        }
        return json.dumps(item).encode()

    def _true(self) -> dict[str, Any]:
        return dict(self._random.choice(self._seen))
