"""Takes an entity's turns: operations one at a time, and one commit for all that there was time
for."""

from __future__ import annotations

import asyncio
import contextvars
import functools
from contextlib import nullcontext
from dataclasses import replace
from inspect import isawaitable
from typing import Any

from durable.codec import encode
from durable.engine.entities import EntityContext, EntityExecution
from durable.errors import PayloadError, RowChanged, RowExists, RowMissing
from durable.hub.keys import ENTITY_INBOX
from durable.hub.locks import is_orphaned
from durable.hub.messages import Doorbell
from durable.hub.payloads import Spill
from durable.hub.reading import PayloadGone
from durable.hub.rows import Head
from durable.model.commit import Commit
from durable.model.entities import EntityId, Lock
from durable.model.events import Arrival, EntityOperation, PayloadRef
from durable.model.failure import FailureDetails
from durable.model.functions import EntityDefinition
from durable.runtime.activities import called
from durable.runtime.hold import TaskKey
from durable.runtime.taking import Lacking
from durable.runtime.telling import tell_of_turn
from durable.runtime.turns import Status, Turns, logger

BATCH_SECONDS = 1.0
"""Operations that begin later than this after the turn did are left to the next one: callers
are not to wait for what comes after theirs."""


class EntityTurns(Turns[EntityExecution]):
    """See the module."""

    _orphaned: Lock | None = None
    """A lock whose owner is gone; the head that showed it may have been an old one."""

    async def open(self) -> bool:
        """Write the head of an entity that something was sent to. The row that lists it first."""
        hub, instance_id = self._hub, self._hold.instance_id
        now = self._clock.now()
        head = Head(
            instance_id=instance_id,
            name=EntityId.parse(instance_id).name,
            incarnation=hub.new_id(8),
            execution_id=hub.new_id(16),
            status=Status.RUNNING,
            created=now,
        )
        if not (await self._instances.inbox(head)).rows:
            return False
        head = await hub.projection.announce(head)
        self._hold.check()
        try:
            spill = Spill(head.incarnation, hub.new_id(8))
            self._hold.head = await self._instances.create(head, spill)
        except (RowExists, RowChanged, RowMissing):
            logger.debug("%s came to be elsewhere", instance_id)
            self._hold.forget()
        return True

    async def audit(self, head: Head) -> None:
        """Whether the orchestration that has the entity locked is still there to release it."""
        if head.waits_for:
            # nothing is left that anybody would have to do
            head = await self._hold.store(replace(head, waits_for=""))
        lock = head.lock
        if lock is not None and await is_orphaned(self._hub, lock):
            logger.warning("%s was locked by %s, which is gone", head.instance_id, lock.owner)
            self._orphaned = lock
            self.look_again()

    async def take(self, head: Head, offers: dict[TaskKey, Arrival]) -> list[TaskKey] | None:
        """See `Turns.take`."""
        self._match(head)
        now = self._clock.now()
        due = head.next_timer is not None and head.next_timer <= now
        wanted = (due or head.status == Status.STUCK) and not self.is_over
        if self._inbox is None and (self.rung or wanted):
            await self._look(head)
        if self._inbox is None:
            return None
        if self._deadline is not None and self._clock.monotonic() >= self._deadline:
            # this invocation has to end: another goes on
            await self._runtime.dispatcher.doorbell(Doorbell(head.instance_id))
            self.is_over, self._inbox = True, None
            return None
        is_cold = self.execution is None and head.sequence > head.base
        self._telling = tell_of_turn(self._hub, head, replayed=is_cold)
        execution, self.execution = self.execution or await self._load(head), None
        # no operation is earlier than what was read
        now = self._clock.now()
        execution.begin([(row.key, row.arrival) for row in self._inbox.rows], now)
        is_gone = execution.lock is not None and execution.lock == self._orphaned
        if is_gone:
            execution.release()
        before, garbage = execution.state, await self._perform(head, execution)
        timer = execution.next_timer()
        if not (
            execution.consumed or is_gone or timer != head.next_timer or head.status == Status.STUCK
        ):
            self.execution, self._inbox = execution, None
            return None
        if execution.state != before and isinstance(head.input, PayloadRef):
            garbage.append(f"{head.incarnation}|{head.input.key}|{head.input.rows}")
        commit = execution.commit(
            self._hub.new_id(16),
            dropped=garbage,
            timer=timer if timer != head.next_timer else None,
        )
        self.known.clear()
        self._changed = execution.state != before
        if await self._commit(head, execution, commit, execution.consumed, set()):
            self.execution = execution
        return []

    def _after(
        self,
        head: Head,
        execution: EntityExecution | None,
        commit: Commit,
        run: tuple[int, ...],
        ended: set[TaskKey],
        spill: Spill,
    ) -> Head:
        assert execution is not None, "an entity never ends"
        after = super()._after(head, execution, commit, run, ended, spill)
        # its rows go when the state changes: nothing else may name them
        state = spill.payload(execution.state, shared=False) if self._changed else head.input
        return replace(after, input=state, lock=execution.lock, base=execution.base)

    async def _load(self, head: Head) -> EntityExecution:
        state = await self._instances.text(head.instance_id, head.incarnation, head.input)
        turns = await self._instances.history(head) if head.sequence > head.base else []
        execution = EntityExecution(
            head.instance_id,
            head.execution_id,
            head.sequence,
            state,
            head.lock,
            (stored.turn for stored in turns),
        )
        if turns and turns[-1].turn.sequence + 1 != head.sequence:
            raise RowChanged("history is not what the head says: it was read in between")
        return execution

    # ---- user code ----

    async def _perform(self, head: Head, execution: EntityExecution) -> list[str]:
        """Perform operations while there is time. Answers the payloads that came with them, for
        which nobody has a use any more."""
        definition = self._runtime.registry.entities.get(execution.entity_id.name)
        until = self._clock.monotonic() + BATCH_SECONDS
        payloads: list[str] = []
        telling = self._telling
        if telling is not None and self._inbox is not None:
            telling.took(self._inbox.rows)
        while (operation := execution.next()) is not None:
            if definition is None:
                raise Lacking(f"a worker that takes the entity {execution.entity_id.name!r}")
            if isinstance(operation.input, PayloadRef):
                payloads.append(f"{ENTITY_INBOX}|{operation.input.key}|{operation.input.rows}")
            told = None if telling is None else telling.operation(operation)
            try:
                resolved: Any = await self._instances.resolve(head, operation, {})
            except PayloadGone as error:
                failure = FailureDetails.from_exception(error)
                execution.settle(operation, execution.context(operation), None, failure)
                if told is not None:
                    told.ended(operation, None, failure)
                continue
            self._hold.check()
            context = execution.context(resolved)
            with nullcontext() if told is None else told.place:
                result, failed = await self._run(definition, context, resolved)
            if told is not None:
                told.ended(resolved, result, failed)
            execution.settle(resolved, context, result, failed)
            if self._clock.monotonic() >= until:
                break
        return payloads

    async def _run(
        self, definition: EntityDefinition, context: EntityContext, operation: EntityOperation
    ) -> tuple[str | None, FailureDetails | None]:
        runtime = self._runtime
        # user code takes no turn from others
        runtime.turns.give()
        try:
            await runtime.entities.take()
            try:
                return await self._call(definition, context), None
            finally:
                runtime.entities.give()
        except (KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as error:
            current = asyncio.current_task()
            if isinstance(error, asyncio.CancelledError) and current and current.cancelling():
                raise
            logger.warning(
                "operation %s of %s failed: %s: %s",
                operation.operation,
                context.entity_id,
                type(error).__name__,
                error,
            )
            return None, FailureDetails.from_exception(error, provider=definition.exceptions)
        finally:
            runtime.turns.used += 1

    async def _call(self, definition: EntityDefinition, context: EntityContext) -> str:
        face, function = definition.face, definition.function
        arguments = (context,) if face is None else face(context)
        if asyncio.iscoroutinefunction(function):
            value = await function(*arguments)
        else:
            call = functools.partial(contextvars.copy_context().run, called, function, *arguments)
            value = await asyncio.get_running_loop().run_in_executor(
                self._runtime.performing.executor, call
            )
            if isawaitable(value):
                value = await value
        text = encode(value)
        limit = self._runtime.options.max_payload
        for what, size in (("result", len(text)), ("state", len(context.state or ""))):
            if size > limit:
                raise PayloadError(
                    f"the {what} of {context.entity_id} has {size:,} bytes as JSON; at most "
                    f"{limit:,} are allowed"
                )
        return text
