"""An entity between two commits: its state, who has it locked, and what it takes next.

Pure, like `durable.engine.execution`, but that user code runs outside: `next` says which
operation is to be performed, `settle` takes what came of it, `commit` says what to store.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2s
from typing import Any, TypeVar, overload

from durable.codec import decode, encode
from durable.engine.entity_calls import as_utc, check_operation
from durable.engine.ledger import REMEMBER, Outstanding
from durable.model.commit import Commit, OutboxItem, Send
from durable.model.entities import EntityId, Lock
from durable.model.events import (
    Arrival,
    EntityDecision,
    EntityLock,
    EntityOperation,
    EntityOperationSignaled,
    EntityReplied,
    EntityRequest,
    EntityUnlock,
    SubOrchestrationInstanceCreated,
    Turn,
)
from durable.model.failure import FailureDetails
from durable.model.functions import name_of
from durable.model.instance import OrchestrationRuntimeStatus, check_instance_id
from durable.model.versioning import check_version

MOST_ROWS = 90
"""Inbox rows that a turn takes at most: they are deleted in its transaction."""

KEPT_TURNS = 100
"""Turn rows, which remember message ids, are trimmed when there are more of them."""

_TRACE = "~"

T = TypeVar("T")


class EntityContext:
    """What an entity's function is given for one operation.

    The state it sets, and what it asks to be sent, count once the operation has succeeded.
    """

    def __init__(
        self,
        entity_id: EntityId,
        operation: EntityOperation,
        state: str | None,
        now: datetime,
        name_child: Any,
    ) -> None:
        self.entity_id = entity_id
        self.operation_name = operation.operation
        self.current_utc_datetime = now
        """The storage service's time when the turn began."""
        self.state = state
        """The state's JSON, None without one."""
        self.sent: list[EntityDecision] = []
        self._operation = operation
        self._name_child = name_child
        self._existed = state is not None

    @property
    def entity_name(self) -> str:
        """The entity's name, in lower case."""
        return self.entity_id.name

    @property
    def entity_key(self) -> str:
        """The entity's key."""
        return self.entity_id.key

    @property
    def is_newly_constructed(self) -> bool:
        """Whether the entity had no state when this operation began."""
        return not self._existed

    @property
    def has_state(self) -> bool:
        """Whether there is a state now."""
        return self.state is not None

    @overload
    def get_input(self, expected_type: type[T]) -> T: ...
    @overload
    def get_input(self, expected_type: Any = None) -> Any: ...
    def get_input(self, expected_type: Any = None) -> Any:
        """The operation's input, as plain JSON or as `expected_type`."""
        text = self._operation.input
        return decode(text if isinstance(text, str) else None, expected_type)

    @overload
    def get_state(self, expected_type: type[T], default: Callable[[], T]) -> T: ...
    @overload
    def get_state(self, expected_type: type[T], default: T) -> T: ...
    @overload
    def get_state(self, expected_type: type[T], default: None = None) -> T | None: ...
    @overload
    def get_state(self, expected_type: Any = None, default: Any = None) -> Any: ...
    def get_state(self, expected_type: Any = None, default: Any = None) -> Any:
        """The state, as plain JSON or as `expected_type`; without one `default`, which is called
        if it is callable."""
        if self.state is None:
            return default() if callable(default) else default
        return decode(self.state, expected_type)

    def set_state(self, state: object) -> None:
        """Replace the state; None leaves the entity without one."""
        self.state = encode(state) if state is not None else None

    def delete_state(self) -> None:
        """Leave the entity without a state; one that stays so is cleaned up in time."""
        self.state = None

    def signal_entity(
        self,
        entity_id: EntityId,
        operation: str,
        input_: object = None,
        *,
        signal_time: datetime | None = None,
    ) -> None:
        """Have an entity, this one perhaps, perform an operation later, at `signal_time` at the
        earliest."""
        check_operation(entity_id, operation)
        payload = encode(input_) if input_ is not None else None
        self.sent.append(
            EntityOperationSignaled(-1, str(entity_id), operation, payload, as_utc(signal_time))
        )

    def start_new(
        self,
        orchestrator: object,
        input_: object = None,
        instance_id: str | None = None,
        version: str | None = None,
    ) -> str:
        """Start an orchestration once the operation is stored, and answer its instance id, which
        is a new one unless given. An unfinished instance of that id is left as it is. Without
        `version` it gets the default one ("" is none)."""
        name = name_of(orchestrator)
        check_version(version)
        child = check_instance_id(instance_id or self._name_child())
        payload = encode(input_) if input_ is not None else None
        self.sent.append(SubOrchestrationInstanceCreated(-1, name, child, payload, version))
        return child


@dataclass(frozen=True, slots=True)
class _Remembered:
    """A stored turn's place and time, and the traces of the messages that it consumed."""

    sequence: int
    time: datetime
    ids: tuple[str, ...]


class EntityExecution:
    """See the module. Single-threaded."""

    def __init__(
        self,
        entity_id: str,
        execution_id: str,
        sequence: int,
        state: str | None,
        lock: Lock | None,
        turns: Iterable[Turn],
    ) -> None:
        """`turns` are those that are still stored; they say which messages were consumed."""
        self.entity_id = EntityId.parse(entity_id)
        self.execution_id = execution_id
        self.sequence = sequence
        self.state = state
        self.lock = lock
        self.base = sequence
        self.outstanding: dict[int, Outstanding] = {}
        """Nothing, ever: an entity awaits nobody."""
        self._turns: deque[_Remembered] = deque()
        self._seen: set[str] = set()
        for turn in turns:
            self._remember(turn)
        self._begin(datetime.min, ())

    def _begin(self, now: datetime, arrivals: Sequence[tuple[str, Arrival]]) -> None:
        self.time = now
        self._waiting = [(key, arrival.event) for key, arrival in arrivals]
        self._consumed: list[str] = []
        self._ids: list[str] = []
        self._decisions: list[EntityDecision] = []
        self._children = 0

    # ---- one turn ----

    def begin(self, arrivals: Sequence[tuple[str, Arrival]], now: datetime) -> None:
        """A turn on the whole inbox: the rows' keys and arrivals, oldest first."""
        last = self._turns[-1].time if self._turns else now
        self._begin(max(now, last), arrivals)
        for key, event in list(self._waiting):
            stale = not isinstance(event, EntityRequest) or trace_of(event.message_id) in self._seen
            if stale and self._has_room:
                self._drop(key)

    @property
    def consumed(self) -> list[str]:
        """The keys of the inbox rows that this turn has taken or dropped."""
        return self._consumed

    @property
    def _has_room(self) -> bool:
        # an unlock may take two rows
        return len(self._consumed) < MOST_ROWS - 1

    def next(self) -> EntityOperation | None:
        """The next operation to perform, once what needs no user code is done; None when all
        that is left has to wait."""
        position = 0
        while position < len(self._waiting) and self._has_room:
            key, event = self._waiting[position]
            match event:
                case EntityUnlock():
                    self._take(key, event)
                    self._unlock(event)
                    # those before it may have waited for this
                    position = 0
                    continue
                case EntityLock() if self.lock is None:
                    self._take(key, event)
                    self.lock = Lock(event.owner, self.time)
                    self._decide(EntityReplied(-1, event.owner, granted=True))
                    continue
                case EntityOperation() if self._is_free(event):
                    self._take(key, event)
                    return event
                case _:
                    position += 1
        return None

    def context(self, operation: EntityOperation) -> EntityContext:
        """What the user's function gets for an operation."""
        return EntityContext(self.entity_id, operation, self.state, self.time, self._name_child)

    def settle(
        self,
        operation: EntityOperation,
        context: EntityContext,
        result: str | None,
        failure: FailureDetails | None,
    ) -> None:
        """What came of an operation. After a failure it is as if it had not been."""
        if failure is None:
            self.state = context.state
            for decision in context.sent:
                self._decide(decision)
        if operation.caller is not None:
            self._decide(EntityReplied(-1, operation.caller, result=result, failure=failure))

    def release(self) -> None:
        """End the lock: its owner is gone."""
        self.lock = None

    def next_timer(self) -> datetime | None:
        """When the first of the operations that wait for their time is due."""
        return min(
            (
                event.due
                for _, event in self._waiting
                if isinstance(event, EntityOperation) and event.due and event.due > self.time
            ),
            default=None,
        )

    def commit(
        self, nonce: str, *, dropped: Sequence[str] = (), timer: datetime | None = None
    ) -> Commit:
        """What to store for the turn. `dropped` names payloads that nothing needs any more (see
        `OutboxItem`); `timer` is when to ring for an operation that waits for its time."""
        if self._has_room:
            # all of the inbox was looked at: no row in it is a repeat
            self._forget()
        decisions = tuple(self._decisions)
        outbox = [_outbox_item(decision) for decision in decisions]
        outbox += [OutboxItem(Send.DROP_PAYLOAD, target=target) for target in dropped]
        if timer is not None:
            outbox.append(OutboxItem(Send.TIMER, 0, due=timer))
        base = self._turns[0].sequence if self._turns else self.sequence
        if base > self.base:
            outbox.append(OutboxItem(Send.TRIM))
        self.base = base
        turn = Turn(
            self.sequence,
            self.time,
            nonce,
            decisions,
            nonce=nonce,
            seen=tuple((each, self.time) for each in self._ids),
        )
        self._remember(turn)
        self.sequence += 1
        return Commit(turn, tuple(outbox), OrchestrationRuntimeStatus.RUNNING, self.execution_id)

    def close(self) -> None:
        """There is no code to let go of."""

    # ---- helpers ----

    def _is_free(self, event: EntityOperation) -> bool:
        if event.due is not None and event.due > self.time:
            return False
        if self.lock is None:
            return True
        owner, caller = self.lock.owner, event.caller
        return caller is not None and _who(caller) == _who(owner)

    def _unlock(self, event: EntityUnlock) -> None:
        if self.lock is not None and self.lock.owner == event.owner:
            self.lock = None
        # a request that is still on its way must find itself answered
        request = lock_message(event.owner.execution_id, event.owner.task_id)
        for key, other in self._waiting:
            if isinstance(other, EntityLock) and other.message_id == request:
                self._drop(key)
                break
        if trace_of(request) not in self._seen:
            self._note(request)

    def _take(self, key: str, event: EntityRequest) -> None:
        self._drop(key)
        self._note(event.message_id)

    def _note(self, message_id: str) -> None:
        trace = trace_of(message_id)
        self._ids.append(trace)
        self._seen.add(trace)

    def _drop(self, key: str) -> None:
        self._waiting = [item for item in self._waiting if item[0] != key]
        self._consumed.append(key)

    def _decide(self, decision: EntityDecision) -> None:
        kind = type(decision)
        values = {f: getattr(decision, f) for f in kind.__dataclass_fields__ if f != "task_id"}
        self._decisions.append(kind(len(self._decisions), **values))

    def _name_child(self) -> str:
        self._children += 1
        return f"{self.execution_id[:24]}{self.sequence:x}.{self._children:x}"

    def _remember(self, turn: Turn) -> None:
        ids = tuple(trace_of(each) for each, _ in turn.seen)
        self._turns.append(_Remembered(turn.sequence, turn.time, ids))
        self._seen.update(ids)
        self.base = min(self.base, turn.sequence)

    def _forget(self) -> None:
        """Ids older than any sender goes on trying; not one row at a time."""
        limit = self.time - REMEMBER
        if len(self._turns) < KEPT_TURNS or self._turns[KEPT_TURNS // 2].time > limit:
            return
        while self._turns and self._turns[0].time <= limit:
            self._seen.difference_update(self._turns.popleft().ids)


def lock_message(execution_id: str, task_id: int) -> str:
    """The message id of a lock request."""
    return f"{execution_id}.{task_id}"


def trace_of(message_id: str) -> str:
    """What is remembered of a message: it does not say whose it was. A trace is its own, and
    rows of format 1 have ids in place of traces."""
    if message_id.startswith(_TRACE):
        return message_id
    return _TRACE + blake2s(message_id.encode(), digest_size=12).hexdigest()


def _who(parent: Any) -> tuple[str, str, str]:
    return parent.instance_id, parent.incarnation, parent.execution_id


def _outbox_item(decision: EntityDecision) -> OutboxItem:
    match decision:
        case EntityReplied():
            return OutboxItem(Send.ANSWER, decision.task_id, decision.caller.instance_id)
        case EntityOperationSignaled():
            return OutboxItem(Send.SIGNAL, decision.task_id, decision.entity_id)
        case SubOrchestrationInstanceCreated():
            return OutboxItem(Send.START, decision.task_id, decision.instance_id)
