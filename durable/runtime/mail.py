"""Puts arrivals into inboxes and rings: what all that is sent between instances goes through."""

from __future__ import annotations

from datetime import timedelta
from typing import TypeVar

from durable.engine.ledger import REMEMBER
from durable.hub.hub import Hub
from durable.hub.ringing import Ringer
from durable.hub.rows import Head
from durable.model.events import Arrival, Completion, Event, Payload, Turn
from durable.model.instance import Parent

GIVE_UP = REMEMBER - timedelta(minutes=10)
"""A message that may have been delivered is not sent again after this: its id may be forgotten."""

APART = timedelta(seconds=2)
"""Times that two processes wrote may be in the wrong order by this: each follows the service's
Date, which is cut to seconds."""

E = TypeVar("E", bound=Event)


class Mail:
    """Deliveries of one hub."""

    def __init__(self, hub: Hub, ringer: Ringer) -> None:
        self.hub = hub
        self.ringer = ringer

    async def to(
        self, instance_id: str, incarnation: str, message: str, arrival: Arrival, *, order: int = 0
    ) -> bool:
        """Deliver and ring; False when that incarnation takes nothing any more."""
        accepted = await self.hub.instances.deliver(
            instance_id, incarnation, message, arrival, nonce=self.hub.new_id(8), order=order
        )
        if accepted:
            await self.ringer.ring(instance_id)
        return accepted

    async def complete(self, task: Parent, completion: Completion) -> None:
        """Answer the task of an orchestration."""
        message = f"{task.execution_id}|{task.task_id}"
        arrival = Arrival(completion, task.execution_id)
        await self.to(task.instance_id, task.incarnation, message, arrival)

    async def text(self, head: Head, payload: Payload) -> str | None:
        """The payload of an event of `head`'s history."""
        return await self.hub.instances.text(head.instance_id, head.incarnation, payload)

    def is_too_late(self, turn: Turn) -> bool:
        """Whether what the turn sent may have been taken, and forgotten since."""
        return self.hub.storage.clock.now() - turn.time > GIVE_UP


def is_later(instance: Head, turn: Turn) -> bool:
    """Whether the instance came to be after the turn was committed, beyond doubt."""
    return instance.created > turn.time + APART


def task_of(head: Head, turn: Turn, task_id: int) -> Parent:
    """A task of the execution that decided `turn`."""
    return Parent(head.instance_id, head.incarnation, turn.execution_id, task_id)


def event_of(turn: Turn, task_id: int, kind: type[E]) -> E:
    """The turn's event for a task."""
    for event in (*turn.closing, *turn.events):
        if isinstance(event, kind) and getattr(event, "task_id", None) == task_id:
            return event
    raise LookupError(f"turn {turn.sequence} has no {kind.__name__} {task_id}")
