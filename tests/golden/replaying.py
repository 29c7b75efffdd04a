"""Stored histories through today's engine: what it makes of them, and each turn once more."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

from durable.client import DurableOrchestrationClient
from durable.engine.execution import Execution
from durable.engine.forking import prefix_of
from durable.hub.ranges import encode_ids
from durable.hub.rows import Head
from durable.model.event_json import event_to_dict
from durable.model.events import (
    INCOMING,
    Arrival,
    Event,
    ExecutionCompleted,
    ExecutionRewound,
    ExecutionStarted,
    Turn,
)
from durable.model.functions import OrchestratorDefinition
from durable.replaying import StoredHistory, read_histories
from durable.runtime.forking import not_taken_over
from tests.golden.steps import shortened
from tests.memory_hub import MemoryHub


@dataclass(frozen=True)
class History:
    """One orchestration's current generation, long payloads as text."""

    head: Head
    definition: OrchestratorDefinition
    input: str | None
    turns: list[Turn]

    @property
    def has_begun(self) -> bool:
        """Whether its code has: one may have been ended before."""
        return any(
            isinstance(event, ExecutionStarted) for turn in self.turns for event in turn.events
        )

    def replayed(self, turns: list[Turn]) -> Execution:
        """The execution after some of the turns. Raises NonDeterminismError."""
        head = self.head
        start = ExecutionStarted(head.name, head.execution_id, self.input, head.version)
        last = turns[-1].events if turns else ()
        has_failed = bool(last) and isinstance(last[-1], ExecutionCompleted)
        fold = Execution.failed if has_failed else Execution.replay
        return fold(self.definition, head.instance_id, start, head.parent, turns)

    def again(self, number: int) -> list[dict[str, Any]]:
        """The events of a turn as the engine makes them today, of what came in then."""
        turn = self.turns[number]
        execution = self.replayed(self.turns[:number])
        if number == 0 and (fork := self.head.takes_over) is not None:
            failure = not_taken_over(self.head, [turn])
            if failure is None:
                # what it took over stands in it as it stood in its source
                execution.take_over(prefix_of(fork.execution_id, [turn], fork.step), turn.time)
            else:
                given = self.definition, self.head.instance_id, execution.start, None, ()
                execution = Execution.refused(*given, failure)
            turn = replace(turn, events=())
        rewound = next((e for e in turn.events if isinstance(e, ExecutionRewound)), None)
        if rewound is not None:
            request = ExecutionRewound(rewound.message_id, rewound.reason)
            execution = execution.rewound(request, turn.time)
        else:
            arrivals: list[Any] = [
                Arrival(event, turn.execution_id)
                for event in turn.events
                if isinstance(event, INCOMING) and not isinstance(event, ExecutionStarted)
            ]
            is_scheduled = self.head.start_at is not None
            execution.take(arrivals, now=turn.time, scheduled=is_scheduled)
        commit = execution.commit(nonce=turn.nonce, more=turn.open)
        execution.close()
        return [comparable(event) for event in commit.turn.events]


async def histories(hub: MemoryHub) -> AsyncIterator[History]:
    """Of all orchestrations of a hub."""
    async for stored in read_histories(DurableOrchestrationClient(hub.hub)):
        assert isinstance(stored, StoredHistory), stored
        head = await hub.hub.instances.head(stored.instance_id)
        assert head is not None
        definition = hub.registry.orchestrators[head.name]
        yield History(head, definition, stored.input, list(stored.turns))


async def seen(hub: MemoryHub) -> dict[str, Any]:
    """What replay makes of each orchestration that has not ended."""
    found = {}
    async for history in histories(hub):
        if history.head.is_terminal or not history.has_begun:
            continue
        execution = history.replayed(history.turns)
        found[history.head.instance_id] = {
            "sequence": execution.sequence,
            "open": [_open(item.event) for _, item in sorted(execution.outstanding.items())],
            "custom_status": shortened(execution.decider.custom_status),
            "suspended": execution.is_suspended,
        }
        _agrees(history.head, execution)
        execution.close()
    return dict(sorted(found.items()))


def comparable(event: Event) -> dict[str, Any]:
    """An event without what code is free to change: line numbers in stack traces."""
    data = as_json(event)
    if "failure" in data:
        data["failure"] = _without_traces(data["failure"])
    return data


def _open(event: Event) -> dict[str, Any]:
    data = as_json(event)
    return {**data, "input": shortened(data["input"])} if "input" in data else data


def as_json(event: Event) -> dict[str, Any]:
    """An event as a history has it."""
    data: dict[str, Any] = json.loads(json.dumps(event_to_dict(event)))
    return data


def _agrees(head: Head, execution: Execution) -> None:
    assert execution.sequence == head.sequence
    assert encode_ids(execution.outstanding) == head.open_tasks
    assert execution.next_timer() == head.next_timer


def _without_traces(failure: dict[str, Any] | None) -> dict[str, Any] | None:
    if failure is None:
        return None
    kept = {name: value for name, value in failure.items() if name != "stack"}
    for name, value in kept.items():
        if isinstance(value, dict):
            kept[name] = _without_traces(value)
    return kept
