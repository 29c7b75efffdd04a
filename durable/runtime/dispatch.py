"""Sends what a committed turn asks for: only what is stored, and safely more than once."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Protocol

from durable.engine.ledger import NEAR
from durable.errors import ContainerMissing, UnknownFunctionError
from durable.hub.answers import KEPT
from durable.hub.hub import Hub
from durable.hub.messages import Doorbell, WorkItem, packed
from durable.hub.ringing import Ringer
from durable.hub.rows import Head
from durable.hub.timers import is_awaited
from durable.hub.tracing import sending
from durable.model.commit import OutboxItem, Send
from durable.model.events import Arrival, EventRaised, EventSent, TaskFailed, TaskScheduled, Turn
from durable.model.failure import FailureDetails
from durable.model.functions import Registry
from durable.runtime.children import Children
from durable.runtime.entity_mail import EntityMail
from durable.runtime.mail import Mail, event_of, is_later, task_of

logger = logging.getLogger("durable.runtime")


class Nudge(Protocol):
    """Told of each message sent, so that a pump in this process need not wait for its poll."""

    def __call__(self, queue: str, delay: float, weight: int = 1) -> None:
        """`weight` is how many calls it holds."""


class Dispatcher:
    """Sends outbox items of one hub."""

    def __init__(
        self,
        hub: Hub,
        registry: Registry,
        ringer: Ringer,
        nudge: Nudge,
        default_version: str | None = None,
    ) -> None:
        """`registry` is the whole app. Orchestrations that it starts without a version get
        `default_version`."""
        self._hub = hub
        self._registry = registry
        self._nudge = nudge
        self._mail = Mail(hub, ringer)
        self._children = Children(self._mail, default_version)
        self._entities = EntityMail(self._mail)

    async def send(self, head: Head, turn: Turn, item: OutboxItem, *, again: bool) -> None:
        """Send one item of a stored turn of `head`. `again` says that it may be out already.

        Storage errors pass through; sending the item once more is always right then.
        """
        match item.kind:
            case Send.ACTIVITY:
                await self.work(head, turn, [item])
            case Send.TIMER:
                await self._timer(head, turn, item)
            case Send.DROP_TIMER:
                await self._drop_timer(head, turn, item)
            case Send.CHILD:
                await self._children.start(head, turn, item, again)
            case Send.START:
                await self._children.start_free(head, turn, item)
            case Send.TERMINATE:
                await self._children.terminate(head, turn, item)
            case Send.REWIND:
                await self._children.revive(head, turn, item)
            case Send.REPLY:
                await self._children.reply(head)
            case Send.EVENT:
                await self._event(head, turn, item, again)
            case Send.CALL:
                await self._entities.call(head, turn, item, again)
            case Send.SIGNAL:
                await self._entities.signal(head, turn, item, again)
            case Send.LOCK:
                await self._entities.lock(head, turn, item)
            case Send.UNLOCK:
                await self._entities.unlock(head, turn, item)
            case Send.ANSWER:
                await self._entities.answer(head, turn, item)
            case Send.UPDATES:
                await self._hub.instances.add_answers(head, turn, item.task_id)
            case Send.TRIM:
                await self._trim(head)
            case Send.DROP_PAYLOAD:
                await self._drop_payload(head, item)

    async def work(self, head: Head, turn: Turn, items: Sequence[OutboxItem]) -> None:
        """Send the work items of calls of one activity, in as few messages as they fit into."""
        wanted = {item.task_id for item in items}
        events = [
            event
            for event in (*turn.closing, *turn.events)
            if isinstance(event, TaskScheduled) and event.task_id in wanted
        ]
        limits = self._registry.limits_of(events[0].name)
        calls = [WorkItem.of(event, head, turn) for event in events]
        lanes: dict[str, list[WorkItem]] = {}
        for call in calls:
            priority = call.priority if limits is not None and limits.priority_enabled else 0
            queue = self._hub.names.work_queue(call.activity, priority)
            lanes.setdefault(queue, []).append(call)
        try:
            for queue, lane in lanes.items():
                # of those that wait for their turn one by one, each has a message of its own
                for body in packed(lane, len(lane) if limits is None else 1):
                    await self._hub.storage.queues.send(queue, body)
        except ContainerMissing:
            try:
                self._registry.activity(events[0].name)
            except UnknownFunctionError as error:
                why = f"{error}: check the name, or register the blueprint that has it"
                failure = FailureDetails(why, "durable.errors.UnknownFunctionError")
            else:
                raise
            for event in events:
                task = task_of(head, turn, event.task_id)
                await self._mail.complete(task, TaskFailed(event.task_id, failure))
        else:
            for queue, lane in lanes.items():
                self._nudge(queue, 0.0, len(lane) if limits is None else 1)

    async def doorbell(self, bell: Doorbell, delay: float = 0.0, *, nudge: bool = True) -> None:
        """Send a doorbell to its instance's control queue; without `nudge`, for others."""
        queue = self._hub.names.control_queue(bell.instance_id)
        await self._hub.storage.queues.send(queue, bell.encode(), delay=delay)
        if nudge:
            self._nudge(queue, delay)

    async def _timer(self, head: Head, turn: Turn, item: OutboxItem) -> None:
        assert item.due is not None
        left = item.due - self._hub.storage.clock.now()
        if left <= NEAR:
            await self.doorbell(Doorbell(head.instance_id), max(0.0, left.total_seconds()))
            return
        timer = (head.instance_id, turn.execution_id, item.task_id, item.due)
        etag = await self._hub.timers.add(*timer)
        # the instance may have gone on elsewhere, and what drops the row have found none
        latest = await self._hub.instances.head(head.instance_id)
        if latest is None or not is_awaited(latest, *timer[1:]):
            await self._hub.timers.drop(*timer, etag=etag)

    async def _drop_timer(self, head: Head, turn: Turn, item: OutboxItem) -> None:
        assert item.due is not None
        await self._hub.timers.drop(head.instance_id, turn.execution_id, item.task_id, item.due)

    async def _event(self, head: Head, turn: Turn, item: OutboxItem, again: bool) -> None:
        event = event_of(turn, item.task_id, EventSent)
        if again and self._mail.is_too_late(turn):
            logger.warning("event %s to %s was not sent again", event.name, event.instance_id)
            return
        target = await self._hub.instances.head(event.instance_id)
        if target is not None and again and is_later(target, turn):
            # it may have gone to the incarnation before, and a repeat stays with that
            return
        if target is None or target.is_terminal:
            logger.info("event %s to %s: nobody takes it", event.name, event.instance_id)
            return
        text = await self._mail.text(head, event.input)
        message = f"{turn.execution_id}.{item.task_id}"
        trace = sending(self._hub.telemetry, head, turn, item.task_id)
        arrival = Arrival(EventRaised(event.name, message, text), trace=trace)
        await self._mail.to(
            target.instance_id, target.incarnation, message, arrival, order=item.task_id
        )

    async def _trim(self, head: Head) -> None:
        latest = await self._hub.instances.head(head.instance_id)
        if latest is not None and latest.incarnation == head.incarnation:
            before = self._hub.storage.clock.now() - KEPT
            await self._hub.instances.trim(latest, before)

    async def _drop_payload(self, head: Head, item: OutboxItem) -> None:
        owner, name, rows = item.target.split("|")
        await self._hub.instances.delete_payload(head.instance_id, owner, name, int(rows))
