"""Sends what a committed turn asks for: only what is stored, and safely more than once."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from typing import Protocol, TypeVar

from durable.engine.execution import NEAR, REMEMBER
from durable.errors import ContainerMissing, RowChanged, RowExists, RowMissing, Throttled
from durable.hub.hub import Hub
from durable.hub.keys import due_key, newest_first, shard
from durable.hub.messages import Doorbell, WorkItem
from durable.hub.payloads import Spill
from durable.hub.ringing import Ringer
from durable.hub.rows import PURGING, Head
from durable.model.commit import OutboxItem, Send
from durable.model.events import (
    Arrival,
    Completion,
    EventRaised,
    EventSent,
    ExecutionTerminated,
    SubOrchestrationInstanceCompleted,
    SubOrchestrationInstanceCreated,
    SubOrchestrationInstanceFailed,
    TaskFailed,
    TaskScheduled,
    Turn,
)
from durable.model.failure import FailureDetails
from durable.model.functions import Registry
from durable.model.instance import OrchestrationRuntimeStatus, Parent
from durable.ports import Delete, Insert, Value

logger = logging.getLogger("durable.runtime")

TIMER_SHARDS = 4
GIVE_UP = REMEMBER - timedelta(minutes=10)
"""An event that may have been delivered is not sent again after this: its id may be forgotten."""


class Nudge(Protocol):
    """Told of each message sent, so that a pump in this process need not wait for its poll."""

    def __call__(self, queue: str, delay: float) -> None: ...


def child_execution_id(execution_id: str, task_id: int) -> str:
    """The execution id of a sub-orchestration: the same each time its start is sent."""
    return sha256(f"{execution_id}/{task_id}".encode()).hexdigest()[:32]


def timer_partition(instance_id: str) -> str:
    """Where an instance's far timers are indexed."""
    return f"timer{shard(instance_id, TIMER_SHARDS)}"


class Dispatcher:
    """Sends outbox items of one hub."""

    def __init__(self, hub: Hub, registry: Registry, ringer: Ringer, nudge: Nudge) -> None:
        self._hub = hub
        self._registry = registry
        self._ringer = ringer
        self._nudge = nudge

    async def send(self, head: Head, turn: Turn, item: OutboxItem, *, again: bool) -> None:
        """Send one item of a stored turn of `head`. `again` says that it may be out already.

        Storage errors pass through; sending the item once more is always right then.
        """
        match item.kind:
            case Send.ACTIVITY:
                await self._activity(head, turn, item)
            case Send.TIMER:
                await self._timer(head, turn, item)
            case Send.DROP_TIMER:
                await self._drop_timer(head, turn, item)
            case Send.CHILD:
                await self._child(head, turn, item, again)
            case Send.EVENT:
                await self._event(head, turn, item, again)
            case Send.TERMINATE:
                await self._terminate(head, turn, item)
            case Send.REPLY:
                await self._reply(head)
            case Send.TRIM:
                latest = await self._hub.instances.head(head.instance_id)
                if latest is not None and latest.incarnation == head.incarnation:
                    await self._hub.instances.trim(latest)

    async def doorbell(self, bell: Doorbell, delay: float = 0.0) -> None:
        """Send a doorbell to its instance's control queue."""
        queue = self._hub.names.control_queue(bell.instance_id)
        await self._hub.storage.queues.send(queue, bell.encode(), delay=delay)
        self._nudge(queue, delay)

    async def _activity(self, head: Head, turn: Turn, item: OutboxItem) -> None:
        event = _event_of(turn, item.task_id, TaskScheduled)
        work = WorkItem.of(event, head, turn)
        queue = self._hub.names.work_queue(event.name)
        try:
            await self._hub.storage.queues.send(queue, work.encode())
        except ContainerMissing:
            if event.name in self._registry.activities:
                raise
            names = ", ".join(sorted(self._registry.activities)) or "none"
            failure = FailureDetails(
                f"no activity is named {event.name!r}; this app has {names}",
                "durable.errors.UnknownFunctionError",
            )
            await self._answer(head, TaskFailed(item.task_id, failure), work.execution_id)
        else:
            self._nudge(queue, 0.0)

    async def _timer(self, head: Head, turn: Turn, item: OutboxItem) -> None:
        assert item.due is not None
        left = item.due - self._hub.storage.clock.now()
        if left <= NEAR:
            await self.doorbell(Doorbell(head.instance_id), max(0.0, left.total_seconds()))
            return
        key = due_key(item.due, head.instance_id, turn.execution_id, item.task_id)
        values: dict[str, Value] = {
            "instance": head.instance_id,
            "eid": turn.execution_id,
            "task": item.task_id,
            "due": item.due,
        }
        try:
            await self._hub.storage.tables.transact(
                self._hub.names.index, timer_partition(head.instance_id), [Insert(key, values)]
            )
        except RowExists:
            return

    async def _drop_timer(self, head: Head, turn: Turn, item: OutboxItem) -> None:
        assert item.due is not None
        key = due_key(item.due, head.instance_id, turn.execution_id, item.task_id)
        try:
            await self._hub.storage.tables.transact(
                self._hub.names.index, timer_partition(head.instance_id), [Delete(key)]
            )
        except RowMissing:
            return

    async def _child(self, head: Head, turn: Turn, item: OutboxItem, again: bool) -> None:
        event = _event_of(turn, item.task_id, SubOrchestrationInstanceCreated)
        hub, execution = self._hub, turn.execution_id
        incarnation = hub.new_id(8)
        spill = Spill(incarnation, hub.new_id(8))
        text = await hub.instances.text(head.instance_id, head.incarnation, event.input)
        child = Head(
            instance_id=event.instance_id,
            name=event.name,
            incarnation=incarnation,
            execution_id=child_execution_id(execution, event.task_id),
            status=OrchestrationRuntimeStatus.PENDING,
            created=turn.time,
            version=event.version,
            input=spill.payload(text),
            parent=Parent(head.instance_id, head.incarnation, execution, event.task_id),
            born=turn.time,
            again=again,
        )
        await hub.projection.announce(child)
        over: Head | None = None
        while True:
            try:
                await self._ringer.start(child, spill, over)
                return
            except (RowExists, RowChanged, RowMissing):
                existing = await hub.instances.head(event.instance_id)
            if existing is None:
                over = None
            elif existing.parent == child.parent:
                if existing.incarnation != incarnation:
                    await self._discard(child, spill)
                await self._ringer.ring(event.instance_id)
                return
            elif existing.status == PURGING:
                raise Throttled(f"{existing.instance_id!r} is being purged")
            elif _is_earlier_attempt(existing, child):
                if existing.holdings:
                    raise Throttled(f"{existing.instance_id!r} has not sent its last messages")
                row = newest_first(existing.created, existing.instance_id)
                over = existing
                child = replace(child, stale=(*existing.stale, (existing.incarnation, row)))
            else:
                break
        if newest_first(existing.created, existing.instance_id) != newest_first(
            child.created, child.instance_id
        ):
            await hub.projection.withdraw(newest_first(child.created, child.instance_id))
        await self._discard(child, spill)
        failure = FailureDetails(
            f"an instance {event.instance_id!r} exists already and has another parent",
            "durable.errors.InstanceExistsError",
        )
        answer = SubOrchestrationInstanceFailed(event.task_id, failure)
        await self._answer(head, answer, execution)

    async def _discard(self, head: Head, spill: Spill) -> None:
        """Another start of the instance won: this one's payload is not needed."""
        keys = [row.key for row in spill.rows]
        await self._hub.instances.delete_rows(head.instance_id, keys)

    async def _event(self, head: Head, turn: Turn, item: OutboxItem, again: bool) -> None:
        event = _event_of(turn, item.task_id, EventSent)
        if again and self._hub.storage.clock.now() - turn.time > GIVE_UP:
            logger.warning("event %s to %s was not sent again", event.name, event.instance_id)
            return
        target = await self._hub.instances.head(event.instance_id)
        if target is not None and again and target.created > turn.time:
            # it may have gone to the incarnation before, and a repeat stays with that
            return
        if target is None or target.is_terminal:
            logger.info("event %s to %s: nobody takes it", event.name, event.instance_id)
            return
        text = await self._hub.instances.text(head.instance_id, head.incarnation, event.input)
        message = f"{turn.execution_id}.{item.task_id}"
        arrival = Arrival(EventRaised(event.name, message, text))
        if await self._deliver(target, message, arrival, order=item.task_id):
            await self._ringer.ring(target.instance_id)

    async def _terminate(self, head: Head, turn: Turn, item: OutboxItem) -> None:
        execution = turn.execution_id
        child = await self._hub.instances.head(item.target)
        me = Parent(head.instance_id, head.incarnation, execution, item.task_id)
        if child is None or child.is_terminal or child.parent != me:
            return
        message = f"{execution}.{item.task_id}.terminate"
        reason = f"its parent {head.instance_id!r} was terminated"
        arrival = Arrival(ExecutionTerminated(message, reason, recurse=True))
        if await self._deliver(child, message, arrival):
            await self._ringer.ring(child.instance_id)

    async def _reply(self, head: Head) -> None:
        parent = head.parent
        assert parent is not None
        answer: Completion
        if head.status == OrchestrationRuntimeStatus.COMPLETED:
            text = await self._hub.instances.text(head.instance_id, head.incarnation, head.output)
            answer = SubOrchestrationInstanceCompleted(parent.task_id, text)
        else:
            failure = head.failure or FailureDetails(
                f"sub-orchestration {head.instance_id!r} was terminated", "Terminated"
            )
            answer = SubOrchestrationInstanceFailed(parent.task_id, failure)
        message = f"{parent.execution_id}|{parent.task_id}"
        if await self._hub.instances.deliver(
            parent.instance_id,
            parent.incarnation,
            message,
            Arrival(answer, parent.execution_id),
            nonce=self._hub.new_id(8),
        ):
            await self._ringer.ring(parent.instance_id)

    async def _answer(self, head: Head, completion: Completion, execution_id: str) -> None:
        """Complete a task of the sender itself."""
        message = f"{execution_id}|{completion.task_id}"
        if await self._deliver(head, message, Arrival(completion, execution_id)):
            await self._ringer.ring(head.instance_id)

    async def _deliver(
        self, target: Head, message: str, arrival: Arrival, *, order: int = 0
    ) -> bool:
        return await self._hub.instances.deliver(
            target.instance_id,
            target.incarnation,
            message,
            arrival,
            nonce=self._hub.new_id(8),
            order=order,
        )


E = TypeVar("E", TaskScheduled, SubOrchestrationInstanceCreated, EventSent)


def _event_of(turn: Turn, task_id: int, kind: type[E]) -> E:
    for event in (*turn.closing, *turn.events):
        if isinstance(event, kind) and event.task_id == task_id:
            return event
    raise LookupError(f"turn {turn.sequence} has no {kind.__name__} {task_id}")


def _is_earlier_attempt(existing: Head, child: Head) -> bool:
    """A finished child of the same parent under a chosen id: a retry takes its place."""
    assert child.parent is not None
    return (
        existing.is_terminal
        and existing.parent is not None
        and existing.parent.instance_id == child.parent.instance_id
        and existing.parent != child.parent
        and existing.born is not None
        and child.born is not None
        and existing.born <= child.born
    )
