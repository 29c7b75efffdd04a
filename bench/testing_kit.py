"""W11: what a test of an approval costs that waits two days."""

from __future__ import annotations

import time
from datetime import timedelta

from bench.contenders import Figures, Measure
from bench.sizes import Sizes
from durable.testing import TestHub
from function_app import app

REQUEST = {"subject": "New laptop", "approver": "Ann", "manager": "Max"}
TESTS = 5
"""In one repetition; the first one imports what it needs."""


def w11(sizes: Sizes) -> dict[str, Measure]:
    """The sample's approval, which nobody answers: it escalates after a day, and ends after two."""

    async def approval() -> Figures:
        taken = []
        for _ in range(TESTS):
            began = time.perf_counter()
            async with TestHub(app, activities={"send_notice": None}) as hub:
                since = hub.now
                output = await hub.run("request_approval", REQUEST)
                if output != {"outcome": "expired", "escalated": True, "decision": None}:
                    raise RuntimeError(f"the approval came to {output}")
                if hub.now - since != timedelta(hours=48):
                    raise RuntimeError(f"the approval took {hub.now - since}")
            taken.append((time.perf_counter() - began) * 1e3)
        return {"p50_ms": taken}

    return {"durable.testing": approval}
