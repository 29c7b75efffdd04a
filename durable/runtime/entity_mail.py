"""What is sent to entities, and what they answer."""

from __future__ import annotations

import logging

from durable.engine.entities import lock_message
from durable.hub.keys import ENTITY_INBOX
from durable.hub.rows import Head
from durable.hub.tracing import sending
from durable.model.commit import OutboxItem
from durable.model.events import (
    Arrival,
    Completion,
    EntityLock,
    EntityLockGranted,
    EntityOperation,
    EntityOperationCalled,
    EntityOperationCompleted,
    EntityOperationFailed,
    EntityOperationSignaled,
    EntityReplied,
    EntityRequest,
    EntityUnlock,
    ExecutionRewound,
    Turn,
)
from durable.model.failure import FailureDetails
from durable.runtime.mail import Mail, event_of, task_of

logger = logging.getLogger("durable.runtime")


class EntityMail:
    """The entity part of the dispatcher."""

    def __init__(self, mail: Mail) -> None:
        self._mail = mail

    async def call(self, head: Head, turn: Turn, item: OutboxItem, again: bool) -> None:
        """Send a call; one that may have been performed and forgotten fails instead."""
        event = event_of(turn, item.task_id, EntityOperationCalled)
        task = task_of(head, turn, item.task_id)
        if again and self._mail.is_too_late(turn):
            failure = FailureDetails(
                f"the call of {event.entity_id} could not be sent for too long", "TimeoutError"
            )
            await self._mail.complete(task, EntityOperationFailed(item.task_id, failure))
            return
        text = await self._mail.text(head, event.input)
        message = _message(turn, item.task_id)
        request = EntityOperation(message, event.operation, text, task)
        await self._to(event.entity_id, item, request, self._trace(head, turn, item))

    async def signal(self, head: Head, turn: Turn, item: OutboxItem, again: bool) -> None:
        """Send a signal, of an orchestration or of an entity."""
        event = event_of(turn, item.task_id, EntityOperationSignaled)
        if again and self._mail.is_too_late(turn):
            logger.warning("signal %s to %s was not sent again", event.operation, event.entity_id)
            return
        text = await self._mail.text(head, event.input)
        message = _message(turn, item.task_id)
        request = EntityOperation(message, event.operation, text, due=event.due)
        await self._to(event.entity_id, item, request, self._trace(head, turn, item))

    async def lock(self, head: Head, turn: Turn, item: OutboxItem) -> None:
        """Ask for an entity."""
        task = task_of(head, turn, item.task_id)
        message = lock_message(turn.execution_id, item.task_id)
        await self._to(item.target, item, EntityLock(message, task))

    async def unlock(self, head: Head, turn: Turn, item: OutboxItem) -> None:
        """Let go of an entity; right however often it is sent."""
        task = task_of(head, turn, item.task_id)
        message = f"{lock_message(turn.execution_id, item.task_id)}.release"
        await self._to(item.target, item, EntityUnlock(message, task))

    async def answer(self, head: Head, turn: Turn, item: OutboxItem) -> None:
        """Send an entity's answer to the orchestration that called or asked for it."""
        event = event_of(turn, item.task_id, EntityReplied)
        task_id = event.caller.task_id
        answer: Completion
        if event.granted:
            answer = EntityLockGranted(task_id)
        elif event.failure is not None:
            answer = EntityOperationFailed(task_id, event.failure)
        else:
            text = await self._mail.text(head, event.result)
            answer = EntityOperationCompleted(task_id, text)
        await self._mail.complete(event.caller, answer)

    def _trace(self, head: Head, turn: Turn, item: OutboxItem) -> tuple[str, str]:
        return sending(self._mail.hub.telemetry, head, turn, item.task_id)

    async def _to(
        self,
        entity_id: str,
        item: OutboxItem,
        request: EntityRequest,
        trace: tuple[str, str] = ("", ""),
    ) -> None:
        arrival = Arrival(request, trace=trace)
        # signals of one turn may get one and the same time from the service
        await self._mail.to(
            entity_id, ENTITY_INBOX, request.message_id, arrival, order=item.task_id
        )


def _message(turn: Turn, task_id: int) -> str:
    """The id of an operation; a call that a rewind repeats is another one."""
    rewound = any(isinstance(event, ExecutionRewound) for event in turn.events)
    return f"{turn.execution_id}.{task_id}" + (f".{turn.sequence}" if rewound else "")
