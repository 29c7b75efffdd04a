"""Starts, ends and revives the orchestrations that an instance has begun."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256

from durable.errors import RowChanged, RowExists, RowMissing, Throttled
from durable.hub.keys import listing_key
from durable.hub.payloads import Spill
from durable.hub.rewind import rewind
from durable.hub.rows import PURGING, Head
from durable.hub.tracing import inherited
from durable.model.commit import OutboxItem
from durable.model.events import (
    Arrival,
    Completion,
    ExecutionTerminated,
    SubOrchestrationInstanceCompleted,
    SubOrchestrationInstanceCreated,
    SubOrchestrationInstanceFailed,
    Turn,
)
from durable.model.failure import FailureDetails
from durable.model.instance import OrchestrationRuntimeStatus
from durable.runtime.mail import Mail, event_of, is_later, task_of

logger = logging.getLogger("durable.runtime")


def child_execution_id(execution_id: str, task_id: int) -> str:
    """The execution id of a sub-orchestration: the same each time its start is sent."""
    return sha256(f"{execution_id}/{task_id}".encode()).hexdigest()[:32]


class Children:
    """The part of the dispatcher that other orchestrations are begun by."""

    def __init__(self, mail: Mail, default_version: str | None = None) -> None:
        """`default_version` is that of instances started without one."""
        self._mail = mail
        self._default_version = default_version
        self._hub = mail.hub

    async def start(self, head: Head, turn: Turn, item: OutboxItem, again: bool) -> None:
        """Start a sub-orchestration; where another's instance has its id, the task fails."""
        event = event_of(turn, item.task_id, SubOrchestrationInstanceCreated)
        parent = task_of(head, turn, item.task_id)
        # the same incarnation each time it is sent, and the same rows for its input
        child, spill = await self._new(head, turn, event)
        child = replace(child, parent=parent, born=turn.time, again=again)
        other = await self._begin(
            child,
            spill,
            is_it=lambda existing: existing.parent == parent,
            may_replace=lambda existing: _is_earlier_attempt(existing, child),
        )
        if other is not None:
            failure = FailureDetails(
                f"an instance {event.instance_id!r} exists already and has another parent",
                "durable.errors.InstanceExistsError",
            )
            answer = SubOrchestrationInstanceFailed(event.task_id, failure)
            await self._mail.complete(parent, answer)

    async def start_free(self, head: Head, turn: Turn, item: OutboxItem) -> None:
        """Start an orchestration that nobody awaits; an unfinished one of its id stays."""
        event = event_of(turn, item.task_id, SubOrchestrationInstanceCreated)
        child, spill = await self._new(head, turn, event)
        other = await self._begin(
            child,
            spill,
            is_it=lambda existing: existing.incarnation == child.incarnation,
            may_replace=lambda existing: existing.is_terminal and not is_later(existing, turn),
        )
        if other is not None:
            logger.warning(
                "%s did not start %s: an instance of this id is %s",
                head.instance_id,
                event.instance_id,
                other.runtime_status,
            )

    async def terminate(self, head: Head, turn: Turn, item: OutboxItem) -> None:
        """End a sub-orchestration together with its parent."""
        execution = turn.execution_id
        child = await self._hub.instances.head(item.target)
        if child is None or child.is_terminal or child.parent != task_of(head, turn, item.task_id):
            return
        message = f"{execution}.{item.task_id}.terminate"
        reason = f"its parent {head.instance_id!r} was terminated"
        arrival = Arrival(ExecutionTerminated(message, reason, recurse=True))
        await self._mail.to(child.instance_id, child.incarnation, message, arrival)

    async def revive(self, head: Head, turn: Turn, item: OutboxItem) -> None:
        """Have a sub-orchestration answer a parent that was rewound: a failed one is rewound
        too, one that has ended otherwise answers again, and one that is gone is started."""
        child = await self._hub.instances.head(item.target)
        if child is None or child.parent != task_of(head, turn, item.task_id):
            await self.start(head, turn, item, again=True)
        elif child.status == OrchestrationRuntimeStatus.FAILED:
            if child.holdings:
                raise Throttled(f"{child.instance_id!r} has not sent its last messages")
            message = f"{turn.execution_id}.{item.task_id}.{turn.sequence}.rewind"
            reason = f"its parent {head.instance_id!r} was rewound"
            await rewind(self._hub, child, self._mail.ringer, message, reason)
        elif child.is_terminal and child.status != PURGING:
            await self.reply(child)
        else:
            await self._mail.ringer.ring(child.instance_id)

    async def reply(self, head: Head) -> None:
        """Tell the parent how its sub-orchestration ended."""
        parent = head.parent
        assert parent is not None
        answer: Completion
        if head.status == OrchestrationRuntimeStatus.COMPLETED:
            text = await self._mail.text(head, head.output)
            answer = SubOrchestrationInstanceCompleted(parent.task_id, text)
        else:
            failure = head.failure or FailureDetails(
                f"sub-orchestration {head.instance_id!r} was terminated", "Terminated"
            )
            answer = SubOrchestrationInstanceFailed(parent.task_id, failure)
        await self._mail.complete(parent, answer)

    async def _new(
        self, head: Head, turn: Turn, event: SubOrchestrationInstanceCreated
    ) -> tuple[Head, Spill]:
        execution = child_execution_id(turn.execution_id, event.task_id)
        incarnation = sha256(execution.encode()).hexdigest()[:16]
        spill = Spill(incarnation, incarnation)
        text = await self._mail.text(head, event.input)
        child = Head(
            instance_id=event.instance_id,
            name=event.name,
            incarnation=incarnation,
            execution_id=execution,
            status=OrchestrationRuntimeStatus.PENDING,
            created=turn.time,
            version=self._version(event),
            input=spill.payload(text),
            tags=dict(event.tags),
            trace=inherited(self._hub.telemetry, head),
        )
        return child, spill

    def _version(self, event: SubOrchestrationInstanceCreated) -> str | None:
        # now, not when it was decided: replay in a worker with another default is the same
        return self._default_version if event.version is None else event.version or None

    async def _begin(
        self,
        child: Head,
        spill: Spill,
        *,
        is_it: Callable[[Head], bool],
        may_replace: Callable[[Head], bool],
    ) -> Head | None:
        """Write the child and see that it begins. Answers the instance that is in its way."""
        hub = self._hub
        row = listing_key(child.created, child.instance_id)
        child = await hub.projection.announce(child)
        over: Head | None = None
        while True:
            try:
                await self._mail.ringer.start(child, spill, over)
                return None
            except (RowExists, RowChanged, RowMissing):
                existing = await hub.instances.head(child.instance_id)
            if existing is None:
                over = None
            elif is_it(existing):
                await self._mail.ringer.ring(child.instance_id)
                return None
            elif existing.status == PURGING:
                raise Throttled(f"{existing.instance_id!r} is being purged")
            elif may_replace(existing):
                if existing.holdings:
                    raise Throttled(f"{existing.instance_id!r} has not sent its last messages")
                old = (existing.incarnation, listing_key(existing.created, child.instance_id))
                over, child = existing, replace(child, stale=(*existing.stale, old))
            else:
                break
        if listing_key(existing.created, existing.instance_id) != row:
            await hub.projection.withdraw(row)
        await hub.instances.delete_rows(child.instance_id, [insert.key for insert in spill.rows])
        return existing


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
