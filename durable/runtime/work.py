"""Work items: activities that came through a queue, and what becomes of their messages."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from durable.errors import StorageError, UnknownFormat
from durable.hub.messages import Doorbell, WorkItem
from durable.hub.ranges import has_id
from durable.hub.ringing import repeat
from durable.model.events import Arrival
from durable.model.failure import PROCESS_DIED, FailureDetails
from durable.model.instance import OrchestrationRuntimeStatus
from durable.runtime.actor import Offered
from durable.runtime.beside import Result
from durable.runtime.flow import PATIENCE, NotYet, Turn
from durable.runtime.guards import Guard, Key
from durable.runtime.logs import of_activity
from durable.runtime.orchestrations import LATE_START
from durable.runtime.passing import backoff

if TYPE_CHECKING:
    from durable.runtime.runtime import Runtime

logger = logging.getLogger("durable.runtime")

SUSPECT = 2
"""Runs that were begun and did not end, after which an activity runs with no other such beside
it: so that it is known which of them ends processes."""

APART = 1.0
"""Seconds before such a run, in which the others that came with it are put back."""

LEFT_ALONE = 30.0
"""Seconds after which others may run beside one that has not ended by then."""

AGAIN = 2.0
"""Seconds for which what may not run beside it is put back."""

Done = tuple[WorkItem, Result]


class Work:
    """The work items of one runtime."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = self._runtime = runtime
        self._hub = runtime.hub
        self._alone_until = 0.0
        self.unstored = 0
        """Results that wait for a run to store them, each with its message held."""

    async def handle(
        self,
        queue: str,
        item: WorkItem,
        guard: Guard | None,
        count: int,
        deadline: float | None,
        follows: tuple[Key, ...] = (),
    ) -> None:
        """Run a received item's activity and the turn that follows. `guard` is the item's own
        message, or None under a queue trigger's lease; `count` is its delivery count. Without
        a guard, `follows` are those that the message was before.

        With a guard, the message is deleted or let go of; without, returning means that it may
        be deleted.
        """
        runtime = self._runtime
        item, event = replace(item, begun=item.begun + count), None
        try:
            if item.begun > runtime.options.max_attempts:
                if await self.is_wanted(item):
                    await self._bury(queue, item, guard, follows)
                    return
            elif item.activity not in runtime.registry.activities:
                if await self.is_wanted(item):
                    await self._later(queue, item, "it is not in this worker")
            elif item.begun <= SUSPECT:
                event = await self._perform_in_turn(item, guard, deadline)
            elif await self.is_wanted(item):
                if self._hub.storage.clock.monotonic() < self._alone_until:
                    body = replace(item, begun=item.begun - 1).encode()
                    send = self._hub.storage.queues.send
                    await repeat(self._hub, lambda: send(queue, body, delay=AGAIN))
                else:
                    event = await self._perform_apart(item, guard, deadline)
        except UnknownFormat as error:
            await self._later(queue, item, str(error))
        except NotYet as error:
            if guard is not None and not guard.is_fresh:
                # it shows itself again
                runtime.keeping.drop(guard)
                return
            body = replace(item, lack=item.lack + 1, begun=item.begun - 1).encode()
            send, delay = self._hub.storage.queues.send, error.delay
            await repeat(self._hub, lambda: send(queue, body, delay=delay))
        if event is not None:
            if guard is not None and not guard.is_fresh:
                # another may have it by now: the result still counts, once
                runtime.keeping.drop(guard)
                await runtime.hand_in((item, event))
            else:
                await self._complete(item, guard, event, deadline, follows)
        else:
            await self._let_go(item, guard, follows)

    async def _let_go(self, item: WorkItem, guard: Guard | None, follows: tuple[Key, ...]) -> None:
        """The message may go. One that had a holder before may have entries in an outbox that
        nobody else will send: a run under it takes them over first."""
        bell = Doorbell(item.instance_id)
        if guard is None and follows:
            guard = await self._runtime.put_guard(bell, follows)
        if guard is None:
            return
        if guard.follows:
            await self._runtime.runs.run(bell, guard, None)
        else:
            await self._runtime.keeping.release(guard)

    async def _perform_apart(
        self, item: WorkItem, guard: Guard | None, deadline: float | None
    ) -> Result | None:
        clock = self._hub.storage.clock
        self._alone_until = until = clock.monotonic() + LEFT_ALONE
        try:
            await clock.sleep(APART)
            return await self._perform_in_turn(item, guard, deadline)
        finally:
            if self._alone_until == until:
                self._alone_until = 0.0

    async def _perform_in_turn(
        self, item: WorkItem, guard: Guard | None, deadline: float | None
    ) -> Result | None:
        """As `perform_in_place`, once it is the call's turn. Raises NotYet."""
        runtime, clock = self._runtime, self._hub.storage.clock
        gate = runtime.flow.gate(item.activity)
        if gate is None:
            runtime.activities.used += 1
            return await self.perform_in_place(item, covered=guard is not None)
        patience = PATIENCE
        if deadline is not None:
            patience = min(patience, max(0.0, deadline - clock.monotonic()))
        turn = await gate.enter(item, held=guard is not None, patience=patience)
        try:
            await runtime.activities.take()
            result = await self.perform_in_place(item, covered=guard is not None, turn=turn)
        except Exception:
            turn.end()
            raise
        # what is cancelled may go on in a thread: its permits are left to end by themselves
        turn.end()
        return result

    async def perform_in_place(
        self, item: WorkItem, *, covered: bool, turn: Turn | None = None
    ) -> Result | None:
        """As `Performing.perform`, in a place that was taken and is given back; None too for what
        nobody awaits any more, where there is reason to ask."""
        late = self._hub.storage.clock.now() - item.scheduled > LATE_START
        try:
            if (late or item.begun > 1) and not await self.is_wanted(item):
                return None
            return await self._runtime.performing.perform(item, covered=covered, turn=turn)
        finally:
            self._runtime.activities.give()

    async def is_wanted(self, item: WorkItem) -> bool:
        """Whether anybody awaits it; a claim on what nobody does goes."""
        if await self._is_awaited(item):
            return True
        await self._runtime.claims.remove(item)
        await self._runtime.attempts.forget(item)
        return False

    async def _complete(
        self,
        item: WorkItem,
        guard: Guard | None,
        event: Result,
        deadline: float | None,
        follows: tuple[Key, ...],
    ) -> None:
        """Direct completion: run the turn where the activity ended."""
        runtime, bell = self._runtime, Doorbell(item.instance_id)
        arrival = Arrival(event, item.execution_id)
        stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if not runtime.options.direct:
            await runtime.hand_in((item, event))
            await self._let_go(item, guard, follows)
            return
        if runtime.runs.offer(item, arrival, stored):
            await self._stored([stored])
            await self._let_go(item, guard, follows)
            return
        if runtime.passing.is_foreign(item.instance_id):
            await runtime.passing.hand_in((item, event))
            await self._let_go(item, guard, follows)
            return
        if guard is None:
            guard = await runtime.put_guard(bell, follows)
        await runtime.runs.run(bell, guard, deadline, [(item, arrival, stored)], rung=False)
        if not stored.done():
            stored.cancel()
            raise _not_stored(item)
        stored.result()

    async def complete_all(
        self, done: Sequence[Done], guard: Guard | None, deadline: float | None
    ) -> None:
        """Have the results of a batch stored: by the run that the instance has here, by a new one
        where its code is here, else through its inbox. Returns when they are."""
        runtime, item = self._runtime, done[0][0]
        if not runtime.options.direct or not (guard is None or guard.is_fresh):
            await runtime.hand_in(*done)
            return
        loop = asyncio.get_running_loop()
        offers: list[Offered] = [
            (item, Arrival(event, item.execution_id), loop.create_future()) for item, event in done
        ]
        stored = [future for *_, future in offers]
        if all(runtime.runs.offer(*offer) for offer in offers):
            await self._stored(stored)
        elif runtime.passing.is_foreign(item.instance_id):
            await runtime.passing.hand_in(*done)
        elif runtime.runs.is_warm(item.instance_id):
            bell = Doorbell(item.instance_id)
            own = await runtime.put_guard(bell)
            run = runtime.spawn(runtime.runs.run(bell, own, deadline, offers, rung=False))
            settled = asyncio.gather(*stored)
            either: set[asyncio.Future[Any]] = {run, settled}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if not settled.done():
                settled.cancel()
                raise _not_stored(item)
            settled.result()
        else:
            await runtime.hand_in(*done)

    async def _stored(self, futures: Sequence[asyncio.Future[None]]) -> None:
        self.unstored += len(futures)
        try:
            await asyncio.gather(*futures)
        finally:
            self.unstored -= len(futures)

    async def _is_awaited(self, item: WorkItem) -> bool:
        instances = self._hub.instances
        head = await repeat(self._hub, lambda: instances.head(item.instance_id))
        if (
            head is None
            or head.is_terminal
            or head.incarnation != item.incarnation
            or head.execution_id != item.execution_id
            or not has_id(head.open_tasks, item.task_id)
        ):
            return False
        message = f"{item.execution_id}|{item.task_id}"
        return not await repeat(
            self._hub,
            lambda: instances.has_message(item.instance_id, item.incarnation, message),
        )

    async def _bury(
        self, queue: str, item: WorkItem, guard: Guard | None, follows: tuple[Key, ...]
    ) -> None:
        """An activity that ends every process that runs it: show it, and let it be retried."""
        reason = (
            f"activity {item.activity!r} was begun {item.begun - 1} times and never ended: "
            "it seems to end its process"
        )
        logger.error("instance %s is Stuck: %s", item.instance_id, reason, extra=of_activity(item))
        body = replace(item, begun=0).encode()
        await repeat(self._hub, lambda: self._hub.bury(queue, body, reason))
        await self._let_go(item, guard, follows)
        failure = FailureDetails(reason, PROCESS_DIED)
        while True:
            try:
                head = await self._hub.instances.head(item.instance_id)
            except UnknownFormat as error:
                logger.warning("instance %s: %s; its status is not shown", item.instance_id, error)
                return
            if head is None or head.is_terminal or head.execution_id != item.execution_id:
                return
            stuck = replace(
                head,
                status=OrchestrationRuntimeStatus.STUCK,
                failure=failure,
                suspect=item.task_id,
            )
            with suppress(StorageError):
                await self._runtime.project(await self._hub.instances.update(stuck))
                return
            await self._hub.storage.clock.sleep(0.2)

    async def _later(self, queue: str, item: WorkItem, why: str) -> None:
        """Leave the item to a worker that can run it."""
        delay = backoff(item.lack)
        extra = of_activity(item)
        logger.warning("activity %s: %s; again in %.1f s", item.activity, why, delay, extra=extra)
        body = replace(item, lack=item.lack + 1, begun=item.begun - 1).encode()
        await repeat(self._hub, lambda: self._hub.storage.queues.send(queue, body, delay=delay))


def _not_stored(item: WorkItem) -> StorageError:
    return StorageError(f"a result of activity {item.activity!r} could not be stored")
