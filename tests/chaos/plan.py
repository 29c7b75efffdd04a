"""What is started, and what it must come to."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

ACCOUNTS = 12
LONG_TEXT = 60_000
KINDS = ("order", "batch", "approval", "transfer", "monitor")
SHARES = (45, 12, 18, 22, 3)
LOOKS_EVERY = 3.0
MONITORS = 20
"""At most: each stays open until all else was started."""


@dataclass(frozen=True, slots=True)
class Job:
    """An orchestration of the app. `decides_after` are the seconds after which the approval gets
    its event, None where it gets none."""

    instance_id: str
    kind: str
    input: dict[str, Any]
    decides_after: float | None = None

    @property
    def effects(self) -> dict[str, int] | None:
        """How often what must have happened; None where the output says it."""
        if self.kind == "monitor":
            return None
        return {
            "order": {"charge": 1, "ship": 1},
            "batch": {"pack": len(self.input.get("items", ()))},
            "approval": {"charge": 1},
            "transfer": {},
        }[self.kind]

    @property
    def children(self) -> int:
        """How many orders it starts."""
        return len(self.input.get("orders", ()))


def plan(seed: int, size: int) -> list[Job]:
    """`size` jobs in the order in which they are to be started, each kind among them from twenty
    jobs on."""
    rnd = random.Random(seed)
    kinds = list(KINDS)
    while len(kinds) < size:
        most = len(KINDS) if kinds.count("monitor") < MONITORS else KINDS.index("monitor")
        kinds += rnd.choices(KINDS[:most], SHARES[:most])
    kinds = kinds[:size]
    rnd.shuffle(kinds)
    return [_job(rnd, f"{kind}-{number}", kind) for number, kind in enumerate(kinds)]


def _job(rnd: random.Random, instance_id: str, kind: str) -> Job:
    match kind:
        case "order":
            return Job(instance_id, kind, _order(rnd))
        case "batch":
            texts = [rnd.choice((1, 50, LONG_TEXT)) * "a" for _ in range(rnd.randint(3, 12))]
            items = [{"text": text, "work": rnd.choice((0.0, 0.1, 0.5))} for text in texts]
            orders = [_order(rnd) for _ in range(rnd.randint(0, 2))]
            return Job(instance_id, kind, {"items": items, "orders": orders})
        case "approval":
            if rnd.random() < 0.6:
                return Job(instance_id, kind, {"expires": 0}, rnd.uniform(0, 15))
            return Job(instance_id, kind, {"expires": rnd.choice((1, 5, 15))})
        case "transfer":
            source, target = rnd.sample(range(ACCOUNTS), 2)
            amount = rnd.randint(1, 600)
            return Job(
                instance_id,
                kind,
                {"source": str(source), "target": str(target), "amount": amount},
            )
    return Job(instance_id, kind, {"looks": 0, "every": LOOKS_EVERY})


def _order(rnd: random.Random) -> dict[str, Any]:
    return {"work": rnd.choice((0.05, 0.3, 1.0)), "wait": rnd.choice((0, 0, 1, 4))}
