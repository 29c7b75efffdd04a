"""The promises, held against what is stored; each check answers how they were broken."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from durable.hub.rows import Head
from durable.model.entities import is_entity
from durable.model.events import (
    EntityLockGranted,
    EntityLockRequested,
    EntityOperationCalled,
    EntityOperationCompleted,
    EntityUnlockSent,
    ExecutionCompleted,
    ExecutionStarted,
    SubOrchestrationInstanceCompleted,
    SubOrchestrationInstanceCreated,
    TaskCompleted,
    TaskFailed,
    TaskScheduled,
    TimerCreated,
    TimerFired,
)
from durable.model.instance import OrchestrationRuntimeStatus as Status
from tests.chaos.plan import ACCOUNTS, Job
from tests.chaos.stored import Stored, StoredAt

_BEGINNINGS = (
    TaskScheduled,
    TimerCreated,
    SubOrchestrationInstanceCreated,
    EntityOperationCalled,
    EntityLockRequested,
)
_ENDINGS = (
    TaskCompleted,
    TaskFailed,
    TimerFired,
    SubOrchestrationInstanceCompleted,
    EntityOperationCompleted,
    EntityLockGranted,
)
_ORDER_EFFECTS = {"charge": 1, "ship": 1}


def broken(stored: Stored, jobs: Sequence[Job]) -> list[str]:
    """Every promise that was not kept, in a line each."""
    return [
        *_lost_or_stuck(stored, jobs),
        *_outcomes(stored, jobs),
        *_histories(stored),
        *_sums(stored, jobs),
        *_locks(stored),
        *_left(stored),
    ]


def output(head: Head) -> object:
    """What an orchestration returned, or an entity's state."""
    text = head.input if is_entity(head.instance_id) else head.output
    return json.loads(text) if isinstance(text, str) else None


def _lost_or_stuck(stored: Stored, jobs: Sequence[Job]) -> Iterator[str]:
    for job in jobs:
        if job.instance_id not in stored.heads:
            yield f"lost: {job.instance_id}"
    for head in stored.heads.values():
        if not is_entity(head.instance_id) and head.status != Status.COMPLETED:
            yield f"{head.status}: {head.instance_id} {head.failure or ''}"
    children = len(_children(stored, jobs))
    if children != sum(job.children for job in jobs):
        yield f"{children} sub-orchestrations instead of {sum(job.children for job in jobs)}"


def _outcomes(stored: Stored, jobs: Sequence[Job]) -> Iterator[str]:
    """Outputs, and each effect once."""
    for job in jobs:
        head = stored.heads.get(job.instance_id)
        if head is None or head.status != Status.COMPLETED:
            continue
        effects = stored.effects.get(job.instance_id, {})
        kinds = Counter(effects.values())
        if job.effects is not None and kinds != job.effects:
            yield f"effects of {job.instance_id}: {dict(kinds)} instead of {job.effects}"
        found = output(head)
        if not _is_right(job, found, effects):
            yield f"output of {job.instance_id}: {found} with effects {dict(kinds)}"
    for head in _children(stored, jobs):
        effects = stored.effects.get(head.instance_id, {})
        if Counter(effects.values()) != _ORDER_EFFECTS:
            yield f"effects of the sub-orchestration {head.instance_id}: {effects}"


def _is_right(job: Job, found: object, effects: dict[str, str]) -> bool:
    match job.kind:
        case "order":
            return isinstance(found, list) and sorted(found) == sorted(effects)
        case "batch":
            return found == [len(item["text"]) for item in job.input["items"]]
        case "approval":
            return found == ("approved" if job.decides_after is not None else "expired")
        case "monitor":
            return found == len(effects)
    return isinstance(found, bool)


def _histories(stored: Stored) -> Iterator[str]:
    """Each history is one unbroken sequence of commits, in which each task ended once."""
    for instance_id, head in stored.heads.items():
        if is_entity(instance_id):
            continue
        # a turn whose messages were still to be sent when its generation was trimmed stays longer
        turns = [
            each
            for each in stored.turns.get(instance_id, [])
            if each.stored.turn.sequence >= head.base
        ]
        sequences = [each.stored.turn.sequence for each in turns]
        if sequences != list(range(head.base, head.sequence)):
            yield f"history of {instance_id}: {sequences}, not {head.base} to {head.sequence - 1}"
        yield from _history(instance_id, turns)


def _history(instance_id: str, turns: Sequence[StoredAt]) -> Iterator[str]:
    events = [event for each in turns for event in each.stored.turn.events]
    kinds = Counter(type(event) for event in events)
    if kinds[ExecutionStarted] != 1 or kinds[ExecutionCompleted] != 1:
        yield f"history of {instance_id} begins or ends more than once, or never: {kinds}"
    scheduled: set[int] = set()
    ended: set[int] = set()
    for event in events:
        if isinstance(event, _BEGINNINGS):
            if event.task_id in scheduled:
                yield f"history of {instance_id}: scheduled twice: {event}"
            scheduled.add(event.task_id)
        elif isinstance(event, _ENDINGS):
            if event.task_id in ended or event.task_id not in scheduled:
                yield f"history of {instance_id}: ended twice, or never scheduled: {event}"
            ended.add(event.task_id)


def _sums(stored: Stored, jobs: Sequence[Job]) -> Iterator[str]:
    """Accounts and counters are what the orchestrations say, and nobody holds a lock."""
    sums = {f"@account@{number}": 0 for number in range(ACCOUNTS)}
    sums |= {"@counter@orders": len(_children(stored, jobs)), "@counter@transfers": 0}
    sums |= {"@counter@looks": 0}
    for job in jobs:
        head = stored.heads.get(job.instance_id)
        found = output(head) if head is not None else None
        match job.kind:
            case "order":
                sums["@counter@orders"] += 1
            case "monitor":
                sums["@counter@looks"] += found if isinstance(found, int) else 0
            case "transfer":
                # one that is signaled, and one that is called
                sums["@counter@transfers"] += 2
                if found is True:
                    sums[f"@account@{job.input['source']}"] -= job.input["amount"]
                    sums[f"@account@{job.input['target']}"] += job.input["amount"]
    for entity, expected in sums.items():
        head = stored.heads.get(entity)
        # what nobody called has no row, and what was only locked no state
        state = (output(head) if head is not None else None) or 0
        if state != expected:
            yield f"{entity} is {state} instead of {expected}"
        if head is not None and head.lock is not None:
            yield f"{entity} is locked by {head.lock}"


def _locks(stored: Stored) -> Iterator[str]:
    """Nobody had a lock while another had it: by the histories of those who asked."""
    sections: dict[str, list[tuple[float, float, str]]] = {}
    for instance_id, turns in stored.turns.items():
        for entity_id, began, ended in _sections(turns):
            sections.setdefault(entity_id, []).append((began, ended, instance_id))
    for entity_id, held in sections.items():
        for (_, ended, first), (began, _, second) in pairwise(sorted(held)):
            if began < ended:
                yield f"{entity_id} was granted to two at once: {first}, {second}"


def _sections(turns: Sequence[StoredAt]) -> Iterator[tuple[str, float, float]]:
    """Each lock that an orchestration had, from when to when."""
    asked: dict[int, str] = {}
    granted: dict[int, float] = {}
    for at, event in ((each.at, event) for each in turns for event in each.stored.turn.events):
        match event:
            case EntityLockRequested():
                asked[event.task_id] = event.entity_id
            case EntityLockGranted():
                granted[event.task_id] = at
            case EntityUnlockSent() if event.task_id in granted:
                yield event.entity_id, granted.pop(event.task_id), at
            case ExecutionCompleted():
                yield from ((asked[task_id], began, at) for task_id, began in granted.items())
                return
    yield from ((asked[task_id], began, math.inf) for task_id, began in granted.items())


def _left(stored: Stored) -> Iterator[str]:
    """Nothing is left to do or to delete, and the list of instances agrees."""
    for line in stored.litter:
        yield f"left: {line}"
    for head in stored.heads.values():
        if head.holdings or head.stale:
            yield f"left to do: {head.instance_id} {head.holdings} {head.stale}"
    listed = Counter(row["instance"] for row in stored.listed if _is_of_a_head(stored, row))
    for instance_id in stored.heads:
        if listed[instance_id] != 1:
            yield f"{instance_id} is listed {listed[instance_id]} times"
    for row in stored.listed:
        if _is_of_a_head(stored, row):
            head = stored.heads[row["instance"]]
            if (row["status"], row["settled"]) != (head.runtime_status, True):
                yield f"listed as {row['status']}, settled {row['settled']}: {row['instance']}"


def _is_of_a_head(stored: Stored, row: Mapping[str, Any]) -> bool:
    """A start that was sent again leaves a row, which an audit removes in its own time."""
    head = stored.heads.get(row["instance"])
    return head is not None and head.incarnation == row["inc"]


def _children(stored: Stored, jobs: Sequence[Job]) -> list[Head]:
    planned = {job.instance_id for job in jobs}
    return [
        head
        for head in stored.heads.values()
        if head.instance_id not in planned and not is_entity(head.instance_id)
    ]
