"""Leaves instances that this worker lacks something for to the others, quickly and visibly.

Workers share control queues, and whoever looks most often receives most. So who passes an
instance on rings at once and then looks away for longer than an idle worker does; the ring
that nobody took meanwhile comes back, doubles its delay, and the instance's status says what
it waits for.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from dataclasses import replace
from typing import TYPE_CHECKING

from durable.errors import StorageError, UnknownFormat
from durable.hub.messages import Doorbell, WorkItem
from durable.hub.rows import Head
from durable.model.events import Completion
from durable.runtime.guards import Guard
from durable.runtime.taking import Lacking

if TYPE_CHECKING:
    from durable.runtime.runtime import Runtime

logger = logging.getLogger("durable.runtime")

GLANCE = 0.3
"""Seconds for which a control queue is left to others that were busy a moment ago."""

LOOK_AWAY = 1.2
"""Seconds for which it is left to idle ones: more than their polls are apart."""

MAX_DELAY = 120.0
REMEMBERED = 1000


def backoff(lack: int) -> float:
    """Seconds until a message is tried again that workers could not serve `lack` times: each
    other time twice as many, since it may have been passed on at once in between."""
    return min(0.5 * 2.0 ** min(lack // 2, 16), MAX_DELAY)


class Passing:
    """What one runtime passes on."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._hub = runtime.hub
        self._looks: dict[str, tuple[float, float]] = {}
        self._foreign: OrderedDict[str, None] = OrderedDict()

    def is_foreign(self, instance_id: str) -> bool:
        """Whether the instance is, as far as is known without asking, another worker's."""
        return not self._runtime.taking.any_instance or instance_id in self._foreign

    async def pass_on(self, bell: Doorbell, guard: Guard, error: Lacking | UnknownFormat) -> bool:
        """Ring for a worker that has what is needed; true when the old message may go."""
        instance_id = bell.instance_id
        needs = error.needs if isinstance(error, Lacking) else "a newer worker"
        self._remember(instance_id)
        is_audit = bell.audit and not guard.follows
        at_once = self.look_away(instance_id, LOOK_AWAY if bell.lack else GLANCE)
        if not at_once and (bell.lack or is_audit):
            await self._show(instance_id, needs)
        if is_audit and (bell.lack or not at_once):
            # the audit comes again by itself
            return True
        delay = 0.0 if at_once else backoff(bell.lack)
        level = logging.INFO if at_once else logging.WARNING
        logger.log(level, "instance %s waits %.1f s for %s: %s", instance_id, delay, needs, error)
        heir_of = () if is_audit else guard.heirs
        later = replace(bell, lack=bell.lack + 1, heir_of=heir_of, guard=False, died=False)
        await self._runtime.dispatcher.doorbell(later, delay, nudge=False)
        return True

    async def hand_in(self, *done: tuple[WorkItem, Completion]) -> None:
        """Store results of a foreign instance's activities, for whoever takes that."""
        self.look_away(done[0][0].instance_id, GLANCE)
        await self._runtime.hand_in(*done, nudge=False)

    async def show(self, head: Head, needs: str) -> None:
        """Say in the instance's status what it waits for, "" for nothing: where that is new."""
        if head.is_terminal or head.waits_for == needs:
            return
        try:
            shown = await self._hub.instances.update(replace(head, waits_for=needs))
            await self._runtime.project(shown)
        except StorageError as error:
            logger.debug("instance %s: %s; its status is shown later", head.instance_id, error)

    async def _show(self, instance_id: str, needs: str) -> None:
        try:
            head = await self._hub.instances.head(instance_id)
        except StorageError as error:
            logger.debug("instance %s: %s; its status is shown later", instance_id, error)
            return
        if head is not None:
            await self.show(head, needs)

    def look_away(self, instance_id: str, seconds: float) -> bool:
        """Leave the instance's queue to others; False where that cannot be, or just was."""
        queue = self._hub.names.control_queue(instance_id)
        look_away, now = self._runtime.on_look_away, self._hub.storage.clock.monotonic()
        until, again = self._looks.get(queue, (now, now))
        if look_away is None or until <= now < again:
            return False
        # what was received before, and is passed on now, may lengthen it
        until = max(until, now + seconds)
        # own work does not wait for foreign one more than half of the time
        self._looks[queue] = until, max(again, until + seconds)
        look_away(queue, until - now)
        return True

    def _remember(self, instance_id: str) -> None:
        self._foreign[instance_id] = None
        self._foreign.move_to_end(instance_id)
        while len(self._foreign) > REMEMBERED:
            self._foreign.popitem(last=False)
