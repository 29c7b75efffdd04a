"""The checks themselves: a kept promise passes, and each way to break one is named."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from durable.hub.rows import Head, Holding
from durable.hub.turns import StoredTurn
from durable.model.entities import Lock
from durable.model.events import (
    EntityLockGranted,
    EntityLockRequested,
    EntityUnlockSent,
    Event,
    ExecutionCompleted,
    ExecutionStarted,
    TaskCompleted,
    TaskScheduled,
    Turn,
)
from durable.model.instance import OrchestrationRuntimeStatus as Status
from durable.model.instance import Parent
from tests.chaos.checks import _locks, broken
from tests.chaos.cluster import Fault
from tests.chaos.plan import KINDS, Job, plan
from tests.chaos.recovery import percentile, recoveries
from tests.chaos.stored import Attempt, Stored, StoredAt

NOW = datetime(2026, 1, 1, tzinfo=UTC)
JOB = Job("order-1", "order", {"work": 0.0, "wait": 0})
SUM = "@counter@orders"
HELD = Holding(1, ("m", 0), NOW, True)
END = ExecutionCompleted()
OWNER = Lock(Parent("order-1", "i", "e", 3), NOW)


def turn(sequence: int, at: float, *events: Event) -> StoredAt:
    return StoredAt(at, StoredTurn(Turn(sequence, NOW, "e", events, nonce="n"), ()))


def kept() -> Stored:
    """What an order that went well leaves."""
    order = Head("order-1", "order", "i", "e", Status.COMPLETED, NOW, sequence=3)
    order = replace(order, output=json.dumps(["k1", "k2"]))
    counter = Head(SUM, "counter", "j", "f", Status.RUNNING, NOW, input="1")
    completed = ExecutionCompleted()
    return Stored(
        heads={"order-1": order, SUM: counter},
        turns={
            "order-1": [
                turn(0, 10.0, ExecutionStarted("order", "e"), TaskScheduled(0, "charge")),
                turn(1, 31.0, TaskCompleted(0), TaskScheduled(1, "ship")),
                turn(2, 32.0, TaskCompleted(1), completed),
            ]
        },
        listed=[row("order-1", "i", Status.COMPLETED), row(SUM, "j", Status.RUNNING)],
        effects={"order-1": {"k1": "charge", "k2": "ship"}},
    )


def locking(began: float, *then: tuple[float, Event]) -> list[StoredAt]:
    """The turns of an orchestration that got a lock."""
    events: list[tuple[float, Event]] = [
        (began - 1, EntityLockRequested(0, SUM)),
        (began, EntityLockGranted(0)),
        *then,
    ]
    return [turn(sequence, at, event) for sequence, (at, event) in enumerate(events)]


def row(
    instance_id: str, incarnation: str, status: Status, settled: bool = True
) -> dict[str, object]:
    return {"instance": instance_id, "inc": incarnation, "status": str(status), "settled": settled}


def change(instance_id: str, **columns: object) -> Callable[[Stored], None]:
    def changed(stored: Stored) -> None:
        head = stored.heads[instance_id]
        stored.heads[instance_id] = replace(head, **columns)  # type: ignore[arg-type]

    return changed


BREAKS: dict[str, tuple[Callable[[Stored], object], str]] = {
    "an instance is gone": (lambda it: it.heads.pop("order-1"), "lost: order-1"),
    "it is stuck": (change("order-1", status=Status.STUCK), "Stuck: order-1"),
    "it never ended": (change("order-1", status=Status.RUNNING), "Running: order-1"),
    "another output": (change("order-1", output='["k1","k3"]'), "output of order-1"),
    "charged twice": (lambda it: it.effects["order-1"].update(k3="charge"), "effects of order-1"),
    "never shipped": (lambda it: it.effects["order-1"].pop("k2"), "effects of order-1"),
    "a commit is missing": (lambda it: it.turns["order-1"].pop(1), "history of order-1: [0, 2]"),
    "a completion counted twice": (
        lambda it: it.turns["order-1"].insert(2, turn(1, 31.5, TaskCompleted(0))),
        "ended twice",
    ),
    "a task was scheduled twice": (
        lambda it: it.turns["order-1"].append(turn(3, 33.0, TaskScheduled(1, "ship"))),
        "scheduled twice",
    ),
    "it ended twice": (
        lambda it: it.turns["order-1"].append(turn(3, 33.0, ExecutionCompleted())),
        "begins or ends more than once",
    ),
    "an unplanned child": (
        lambda it: it.heads.update(x=replace(it.heads["order-1"], instance_id="x")),
        "1 sub-orchestrations instead of 0",
    ),
    "a count is off": (change(SUM, input="2"), f"{SUM} is 2 instead of 1"),
    "a lock is left": (change(SUM, lock=OWNER), f"{SUM} is locked"),
    "a lock was granted twice": (
        lambda it: it.turns.update(
            a=locking(20.0, (23.0, EntityUnlockSent(0, SUM))), b=locking(22.0)
        ),
        f"{SUM} was granted to two",
    ),
    "an outbox is left": (change("order-1", holdings=(HELD,)), "left to do: order-1"),
    "a row is left": (lambda it: it.litter.append("in an inbox"), "left: in an inbox"),
    "it is not listed": (lambda it: it.listed.pop(0), "order-1 is listed 0 times"),
    "the list is behind": (
        lambda it: it.listed.__setitem__(0, row("order-1", "i", Status.RUNNING)),
        "listed as Running",
    ),
}


def test_nothing_is_said_of_promises_that_were_kept() -> None:
    stored = kept()
    # the row of a start that was sent again
    stored.listed.append(row("order-1", "another", Status.PENDING, settled=False))
    # locks one after the other, one of them given back by the end
    both = locking(20.0, (21.0, EntityUnlockSent(0, SUM))), locking(22.0, (23.0, END))
    assert list(_locks(Stored(turns={"a": both[0], "b": both[1], "c": locking(24.0)}))) == []
    assert broken(stored, [JOB]) == []


@pytest.mark.parametrize("what", BREAKS)
def test_a_broken_promise_is_named(what: str) -> None:
    stored = kept()
    breaks, said = BREAKS[what]
    breaks(stored)
    assert any(said in line for line in broken(stored, [JOB])), broken(stored, [JOB])


def recovered(*faults: Fault, worker: str = "w1") -> list[float]:
    stored = kept()
    stored.attempts = [
        Attempt("order-1", "e", 0, worker, 10.5),
        Attempt("order-1", "e", 0, "w9", 30),
    ]
    return list(recoveries(stored, faults).values())


def test_recovery_is_from_the_kill_to_the_commit_of_what_was_in_flight() -> None:
    assert recovered(Fault("kill", "w1", 11.0)) == [20.0]
    assert recovered(Fault("kill", "w1", 31.5)) == []
    assert recovered(Fault("kill", "w1", 11.0), worker="w2") == []
    assert recovered(Fault("pause", "w1", 11.0, 5.0)) == []


def test_only_kills_that_stand_alone_are_measured() -> None:
    kill = Fault("kill", "w1", 11.0)
    assert recovered(kill, Fault("kill", "w2", 12.0)) == []
    assert recovered(kill, Fault("kill", "w2", 41.5)) == [20.0]
    assert recovered(Fault("kill", "w2", 10.0), kill) == [20.0]
    assert recovered(Fault("pause", "w2", 8.0, 2.0), kill) == [20.0]
    assert recovered(Fault("pause", "w2", 8.0, 4.0), kill) == []


def test_percentiles_are_values_that_were_measured() -> None:
    values = [float(number) for number in range(1, 101)]
    assert (percentile(values, 50), percentile(values, 99)) == (50.0, 99.0)
    assert percentile([7.0], 99) == 7.0
    assert math.isnan(percentile([], 50))


def test_a_seed_repeats_its_plan_with_every_kind_in_it() -> None:
    jobs = plan(3, 40)
    assert jobs == plan(3, 40) != plan(4, 40)
    assert {job.kind for job in jobs} == set(KINDS)
    assert len({job.instance_id for job in jobs}) == 40
