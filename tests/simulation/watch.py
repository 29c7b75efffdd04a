"""Looks at every write as it takes effect, and says which promise it breaks.

The names of the checks are those of the invariants: what is committed is never rewritten,
nothing leaves before its cause, a task ends once, what has ended stays as it is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from durable.hub.columns import payload_from_columns
from durable.hub.keys import encode, gate_key, payload_key, turn_key
from durable.hub.payloads import join, payload_row_keys
from durable.hub.rows import PURGING, Head
from durable.hub.tail import slot, texts_in_head, turn_of_slot, turns_along
from durable.hub.turns import StoredTurn, decode_turn
from durable.model.commit import Send
from durable.model.events import (
    EntityLockGranted,
    EntityOperationCompleted,
    EntityOperationFailed,
    EntityOperationSignaled,
    EntityReplied,
    Event,
    EventRaised,
    EventSent,
    ExecutionRewound,
    ExecutionStarted,
    PayloadRef,
    SubOrchestrationInstanceCompleted,
    SubOrchestrationInstanceFailed,
    TaskCompleted,
    TaskFailed,
    TimerCreated,
    TimerFired,
    Turn,
    UpdateAnswered,
    UpdateRequested,
)
from durable.ports import Clock, Delete, Insert, Merge, Op, Receipt, Replace, Row
from durable.runtime.activities import ActivityContext
from durable.storage.memory import ManualClock, MemoryTables
from tests.simulation.storage import UnorderedQueues

_ENDS = (
    TaskCompleted,
    TaskFailed,
    TimerFired,
    SubOrchestrationInstanceCompleted,
    SubOrchestrationInstanceFailed,
    EntityOperationCompleted,
    EntityOperationFailed,
    EntityLockGranted,
)
_DONE = (*_ENDS, EventSent, EntityOperationSignaled)
_TERMINAL = frozenset({"Completed", "Failed", "Terminated"})
_SENDER = re.compile(r"([0-9a-f]{32})(?:=7C|\.)(\d+)")

Task = tuple[str, int]
Rows = Mapping[str, Row]


class Watch:
    """Sees the rows of the history table before and after each transaction, and what is sent."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._due: dict[Task, datetime] = {}
        self._ended: set[Task] = set()
        self._raised: set[tuple[str, str]] = set()
        self._answered: set[tuple[str, str]] = set()
        self._latest: dict[str, datetime] = {}
        self.ids: dict[str, set[str]] = {}
        """Of each instance, what its lives and executions were called."""
        self.removed: dict[str, timedelta] = {}
        """How long after its end each instance was removed."""
        self.known: set[Task] = set()
        """Every task that a commit asked for, by execution and number."""
        self.turns: set[Task] = set()
        """Every turn that was stored, by the execution that decided and number."""
        self.rewound: set[str] = set()
        """Executions that were."""
        self.taken: set[Task] = set()
        """What forks took over: it is done, and nobody may do it for them."""
        self.ahead = False
        """Whether activities may run before they are stored: grouped checkpoints."""
        self.began_ahead = self.batches = 0
        self.broken: list[str] = []
        """What was broken: user code and the runtime catch exceptions, the world looks here."""

    def require(self, truth: object, what: str, *about: object) -> None:
        """Note a broken promise, and what it is about."""
        if not truth:
            self.broken.append(" ".join((what, *map(str, about))))

    # ---- what is sent, and what runs ----

    def sent(self, body: bytes) -> None:
        """A work item says only what was committed."""
        data = json.loads(body)
        if data.get("kind") in ("work", "batch"):
            tasks = {(data["eid"], each["task"]) for each in data.get("tasks", (data,))}
            self.require(tasks <= self.known, f"sent before it was committed: {data}")
            self.require(not tasks & self.taken, f"taken over, and sent: {data}")
            self.batches += data["kind"] == "batch"

    def began(self, context: ActivityContext, number: int) -> None:
        """An activity runs after its TaskScheduled, unless the user has waived that."""
        task = context.execution_id, context.task_id
        if self.ahead and task not in self.known:
            self.began_ahead += 1
            return
        self.require(task in self.known, f"ran before it was committed: {context} {number}")
        self.require(task not in self.taken, f"taken over, and run: {context} {number}")

    # ---- what is written ----

    def wrote(self, ops: Sequence[Op], before: Rows, after: Rows) -> None:
        """One transaction on an instance's partition."""
        old, new = _head(before), _head(after)
        turns = {op.key: _new_turn(op, after) for op in ops}
        stored = {key: turn for key, turn in turns.items() if turn is not None}
        for op in ops:
            if op.key[0] != "!":
                self._row(op, before, after, bool(stored))
        if any(op.key[0] == "!" or op.key.endswith("|a") for op in ops):
            self._head(old, new, after, [turn.sequence for turn in stored.values()])
        for key, turn in stored.items():
            life = key.partition("|")[0] if new is None else str(new.values["inc"])
            self._turn(turn, after[key].partition, life)

    def _row(self, op: Op, before: Rows, after: Rows, commits: bool) -> None:
        """Turns and payloads are written once; each row goes only when it may."""
        old, new = _head(before), _head(after)
        kind = op.key.partition("|")[2][:1]
        incarnation = op.key.partition("|")[0]
        rewritten = not isinstance(op, Insert | Delete) and op.values
        head = new or old
        if kind == "h" and isinstance(op, Replace):
            self._reduced(op, before, after)
        else:
            self.require(kind not in "hp" or not rewritten, f"rewritten: {op}")
        own = head is not None and head.values["inc"] == incarnation
        if head is None or not own:
            self._message(op) if kind == "b" else None
            return
        values: Any = head.values
        gone = values["status"] == PURGING
        entity = values["instance"].startswith("@")
        if kind == "g" and not isinstance(op, Delete):
            self._answer(op, after)
        if isinstance(op, Delete) and not gone:
            if kind == "g":
                was: Any = before[op.key].values
                self.require(was["turn"] < values["base"], f"an answer deleted: {op.key}")
            if kind == "h":
                self.require(int(op.key[-10:]) < values["base"], f"history deleted: {op.key}")
            if kind == "b" and not entity:
                ended = values["status"] in _TERMINAL
                self.require(commits or ended, f"dropped from an inbox: {op.key}")
            if kind == "p":
                self.require(op.key not in _named(head), f"a payload in use deleted: {op.key}")
        if kind == "b":
            self._message(op)

    def _reduced(self, op: Replace, before: Rows, after: Rows) -> None:
        """An entity's turn loses what it said of others, with its outbox, and nothing else."""
        was, now = (read_stored(rows[op.key], rows) for rows in (before, after))
        turn = replace(was.turn, events=())
        self.require(op.key in before and now.turn == turn, f"rewritten: {was} {now}")
        drops = all(item.kind is Send.DROP_PAYLOAD for item in now.outbox)
        self.require(drops and _is_entity(after), f"it has more to send: {now}")

    def _message(self, op: Op) -> None:
        """What one instance sends another was committed before."""
        sender = _SENDER.fullmatch(op.key.partition("|b|")[2])
        if isinstance(op, Insert) and sender is not None:
            task = sender[1], int(sender[2])
            self.require(task in self.known, f"delivered before it was committed: {op.key}")
            self.require(task not in self.taken, f"taken over, and delivered: {op.key}")

    def _head(self, old: Row | None, new: Row | None, after: Rows, turns: list[int]) -> None:
        now: Any = new.values if new else {}
        was: Any = old.values if old else {}
        entity = str((now or was).get("instance", "")).startswith("@")
        if now:
            self.ids.setdefault(now["instance"], set()).update((now["inc"], now["eid"]))
        if new is None:
            gone = old is None or was["status"] == PURGING or entity
            self.require(gone, "a head deleted that was not being purged:", was)
            return
        if not entity:
            open_ = now["status"] not in (*_TERMINAL, PURGING)
            has_gate = gate_key(now["inc"]) in after
            self.require(has_gate == open_, "gate and status apart:", has_gate, now["status"], now)
        if old is None or was["inc"] != now["inc"]:
            self._began(was, now)
            return
        moved = bool(turns)
        self.require(turns == [was["seq"]] * moved, "turns and head apart:", was, turns)
        self.require(now["seq"] == was["seq"] + moved, "turns and head apart:", was, now)
        self._tail(was, now, after)
        if now["status"] == PURGING and was["status"] != PURGING and not entity:
            self.require(was["status"] in _TERMINAL, "purged before its end:", was)
            ended = datetime.fromisoformat(was.get("time") or now["created"].isoformat())
            self.removed[now["instance"]] = self._clock.now() - ended
        if was["status"] in _TERMINAL:
            rewound = was["status"] == "Failed" and gate_key(now["inc"]) in after
            same = now["status"] in (was["status"], PURGING) and not moved
            self.require(same or rewound, "it had ended:", was, now)
        elif not moved:
            steady = all(now.get(name) == was.get(name) for name in ("eid", "base", "nonce"))
            self.require(steady, "changed without a turn:", was, now)

    def _tail(self, was: Mapping[str, Any], now: Mapping[str, Any], after: Rows) -> None:
        """What stood in the head stands there as it was, or was taken along by a row."""
        tail, kept = was.get("tail", was["seq"]), now.get("tail", now["seq"])
        row = after.get(turn_key(now["inc"], was["seq"]))
        for number in range(tail, was["seq"]):
            text = was[slot(number)]
            if number >= kept:
                self.require(now[slot(number)] == text, "overwritten:", text, now)
            else:
                along = turns_along(row) if row is not None else []
                self.require(turn_of_slot(text) in along, "not taken along:", text, now)

    def _began(self, was: Mapping[str, Any], now: Mapping[str, Any]) -> None:
        ended = not was or was["status"] in _TERMINAL
        self.require(ended, "replaced before its end:", was and was["status"], was, now)
        if now["parent"]:
            parent = json.loads(now["parent"])
            task = parent["execution_id"], parent["task_id"]
            self.require(task in self.known, "a child before its parent's commit:", now)
            self.require(task not in self.taken, "taken over, and begun:", now)

    # ---- what turns say ----

    def _turn(self, turn: Turn, partition: str, incarnation: str) -> None:
        life = f"{partition}|{incarnation}"
        ordered = self._latest.get(life, turn.time) <= turn.time <= self._clock.now()
        self.require(ordered, f"time goes back: {turn}")
        self._latest[life] = turn.time
        for answer in (e for e in (*turn.closing, *turn.events) if isinstance(e, UpdateAnswered)):
            self._update_answered(life, answer, turn)
        execution = turn.execution_id
        self.turns.add((execution, turn.sequence))
        for event in turn.closing:
            self._event(event, execution, partition)
        for event in turn.events:
            if isinstance(event, ExecutionStarted):
                execution = event.execution_id
            self._event(event, execution, partition)
        self._takes_over((*turn.closing, *turn.events))

    def _takes_over(self, events: Sequence[Event]) -> None:
        for start in events:
            if isinstance(start, ExecutionStarted) and start.origins:
                step, _ = start.origins[-1]
                done = (e.task_id for e in events if isinstance(e, _DONE) and e.task_id < step)
                self.taken |= {(start.execution_id, number) for number in done}

    def _event(self, event: Event, execution: str, partition: str) -> None:
        if isinstance(event, EventRaised | UpdateRequested):
            raised = execution, event.message_id
            self.require(raised not in self._raised, f"{partition}: taken twice: {event}")
            self._raised.add(raised)
        if isinstance(event, ExecutionRewound):
            undone = {(execution, number) for number in event.undone}
            self._ended -= undone
            self.taken -= undone
            self.rewound.add(execution)
        number: int | None = getattr(event, "task_id", None)
        if number is None or isinstance(event, EntityReplied):
            return
        task = execution, number
        if not isinstance(event, _ENDS):
            self.known.add(task)
            if isinstance(event, TimerCreated):
                self._due[task] = event.fire_at
            return
        self.require(task in self.known, f"{partition}: ended and never begun: {event}")
        self.require(task not in self._ended, f"{partition}: ended twice: {event}")
        self._ended.add(task)
        if isinstance(event, TimerFired):
            self.require(self._due[task] <= self._clock.now(), f"{partition}: early: {event}")

    def _update_answered(self, life: str, answer: UpdateAnswered, turn: Turn) -> None:
        """An update is answered once, but for what a rewind has undone."""
        once, again = (life, answer.message_id), turn.execution_id in self.rewound
        self.require(again or once not in self._answered, f"{life}: answered twice: {answer}")
        self._answered.add(once)

    def _answer(self, op: Op, after: Rows) -> None:
        """The answer to an update is what history has, and stays so."""
        self.require(isinstance(op, Insert), f"an answer changed: {op}")
        values: Any = op.values if isinstance(op, Insert) else {}
        message = op.key.split("|", 2)[2]
        row = _head(after)
        turns = [] if row is None else read_turns(Head.from_row(row), after)
        turn = next((each for each in turns if each.sequence == values["turn"]), None)
        self.require(turn is not None, f"answered before it was committed: {op}")
        events = (*turn.closing, *turn.events) if turn is not None else ()
        given = [
            (event.result, json.dumps(event.failure.to_dict()) if event.failure else "")
            for event in events
            if isinstance(event, UpdateAnswered) and encode(event.message_id) == message
        ]
        stored = payload_from_columns("result", values), values["failure"]
        self.require(given == [stored], f"history has another answer: {given} {op}")


class WatchedTables(MemoryTables):
    """Shows the watch each transaction on the history table."""

    def __init__(self, clock: ManualClock, watch: Watch, *, scan_limit: int) -> None:
        super().__init__(clock, scan_limit=scan_limit)
        self._watch = watch

    async def transact(self, table: str, partition: str, ops: Sequence[Op]) -> Sequence[str]:
        """See `durable.ports.Tables.transact`."""
        if "History" not in table:
            return await super().transact(table, partition, ops)
        before = dict(self.rows(table, partition))
        etags = await super().transact(table, partition, ops)
        self._watch.wrote(ops, before, self.rows(table, partition))
        return etags

    def rows(self, table: str, partition: str) -> Rows:
        """What a partition holds now."""
        found = self._table(table).partitions.get(partition)
        return found.rows if found else {}

    def partitions(self, table: str) -> list[str]:
        """Which partitions hold something."""
        return list(self._table(table).keys)


class WatchedQueues(UnorderedQueues):
    """Shows the watch each message."""

    watch: Watch

    async def send(self, queue: str, body: bytes, *, delay: float = 0.0) -> Receipt:
        """See `durable.ports.Queues.send`."""
        self.watch.sent(body)
        return await super().send(queue, body, delay=delay)


def read_turns(head: Head, rows: Rows) -> list[Turn]:
    """All turns of the head's life that are stored, in order."""
    texts = texts_in_head(head, 0, head.sequence)
    found = [turn_of_slot(text).turn for text in texts]
    for key, row in rows.items():
        if f"{head.incarnation}|h|" in key:
            found += [turn.turn for turn in (*turns_along(row), read_stored(row, rows))]
    return sorted(found, key=lambda turn: turn.sequence)


def _new_turn(op: Op, after: Rows) -> Turn | None:
    """The turn that a write adds: as a row, or as a column of the head."""
    if isinstance(op, Insert) and "|h|" in op.key:
        return read_stored(after[op.key], after).turn
    if isinstance(op, Merge) and op.key[0] == "!":
        for name, text in op.values.items():
            if name.startswith("turn"):
                return turn_of_slot(str(text)).turn
    return None


def read_stored(row: Row, rows: Rows) -> StoredTurn:
    """A turn with its outbox."""
    values: Any = row.values
    text = payload_from_columns("data", values)
    if isinstance(text, PayloadRef):
        keys = payload_row_keys(row.key.partition("|")[0], text)
        text = join([dict(rows[key].values) for key in keys])
    time = datetime.fromisoformat(values["time"])
    return decode_turn(text or "", int(row.key[-10:]), time, values["nonce"])


def _is_entity(rows: Rows) -> bool:
    head: Any = _head(rows)
    return head is not None and head.values["instance"].startswith("@")


def _head(rows: Rows) -> Row | None:
    return next((row for key, row in rows.items() if key[0] == "!"), None)


def _named(head: Row) -> set[str]:
    """The keys of the payload rows that a head names."""
    values: Any = head.values
    named: set[str] = set()
    for name in ("input", "output", "custom"):
        payload = payload_from_columns(name, values)
        if isinstance(payload, PayloadRef):
            named |= {payload_key(values["inc"], payload.key, n) for n in range(payload.rows)}
    return named
