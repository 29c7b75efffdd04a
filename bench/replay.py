"""Cold replay of a long chain: `python -m bench.replay STEPS` prints seconds and steps as JSON.

A live execution makes the history, which is stored as text; timed is what a worker does that
has never seen the instance: decode the turns, and run the orchestrator over them.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Generator
from datetime import UTC, datetime, timedelta
from typing import Any

from durable.engine.context import DurableOrchestrationContext
from durable.engine.execution import Execution
from durable.hub.turns import StoredTurn, decode_turn, encode_turn
from durable.model.events import Arrival, ExecutionStarted, TaskCompleted, TaskScheduled
from durable.model.functions import OrchestratorDefinition

_BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def chain(context: DurableOrchestrationContext) -> Generator[Any, Any, None]:
    """One activity after the other, without an end."""
    number = 0
    while True:
        number = yield context.call_activity("nothing", number + 1)


def stored(steps: int) -> list[str]:
    """The texts of the turns of a chain after so many steps."""
    definition = OrchestratorDefinition("chain", chain)
    execution = Execution(definition, "instance", ExecutionStarted("chain", "execution", None))
    texts: list[str] = []
    arrivals: list[Arrival] = []
    for step in range(steps + 1):
        commit = execution.turn(arrivals, now=_BEGIN + timedelta(seconds=step), nonce=f"{step}")
        texts.append(encode_turn(StoredTurn(commit.turn, commit.outbox)))
        (task,) = (e.task_id for e in commit.turn.events if isinstance(e, TaskScheduled))
        arrivals = [Arrival(TaskCompleted(task, str(step + 1)), "execution")]
    execution.close()
    return texts


def replay(texts: list[str]) -> float:
    """Seconds to decode and replay them."""
    definition = OrchestratorDefinition("chain", chain)
    start = ExecutionStarted("chain", "execution", None)
    began = time.perf_counter()
    turns = [
        decode_turn(text, number, _BEGIN + timedelta(seconds=number), f"{number}").turn
        for number, text in enumerate(texts)
    ]
    execution = Execution.replay(definition, "instance", start, None, turns)
    seconds = time.perf_counter() - began
    if len(execution.outstanding) != 1:
        raise RuntimeError(f"{len(execution.outstanding)} tasks wait after the replay")
    execution.close()
    return seconds


if __name__ == "__main__":
    asked = int(sys.argv[1])
    replay(stored(10))
    print(json.dumps({"seconds": replay(stored(asked)), "steps": asked}))
