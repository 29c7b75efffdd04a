"""Answers queries: the instance's history is folded, its handler called, and all of it dropped."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial

from durable.engine.answering import QueryAnswer, ask
from durable.engine.execution import Execution
from durable.errors import NonDeterminismError, StorageError, UnknownFormat
from durable.hub.hub import Hub
from durable.hub.messages import Query
from durable.hub.reading import PayloadGone
from durable.hub.ringing import repeat
from durable.hub.rows import PURGING, Head
from durable.model.failure import FailureDetails
from durable.runtime.forking import not_taken_over
from durable.runtime.loading import stored_history
from durable.runtime.loopless import without_event_loop
from durable.runtime.passing import GLANCE, LOOK_AWAY, backoff
from durable.runtime.taking import Taking

logger = logging.getLogger("durable.runtime")

LONGEST = timedelta(days=2)
"""For so long nobody waits: a message that says so is none of a client's."""

ATTEMPTS = 20
"""Times that an instance is read again which changes while it is read."""


class Queries:
    """Those that one process answers: of the instances that it takes."""

    def __init__(
        self, hub: Hub, taking: Taking, look_away: Callable[[str, float], bool] | None = None
    ) -> None:
        """`look_away` leaves an instance's queue to others for so many seconds, if it can."""
        self._hub = hub
        self._taking = taking
        self._look_away = look_away

    async def answer(self, head: Head, name: str, text: str | None) -> QueryAnswer | None:
        """What the instance answers as its history is now; None where its code is not here, or
        it is gone. Nothing is written."""
        for _ in range(ATTEMPTS):
            if head.status == PURGING or self._taking.lacks(head) is not None:
                return None
            try:
                return await self._answer(head, name, text)
            except PayloadGone as error:
                # a new generation has trimmed it, or it was purged
                read = partial(self._hub.instances.head, head.instance_id)
                latest = await repeat(self._hub, read)
                if latest is None or latest.incarnation != head.incarnation:
                    return None
                if latest.etag == head.etag:
                    raise StorageError(f"the history of {head.instance_id!r}: {error}") from error
                head = latest
        raise StorageError(f"instance {head.instance_id!r} changes faster than it can be read")

    async def _answer(self, head: Head, name: str, text: str | None) -> QueryAnswer:
        refusal = self._taking.refusal(head)
        if refusal is not None:
            return QueryAnswer(failure=refusal)
        start, turns = await repeat(
            self._hub, lambda: stored_history(self._hub.instances, head, {})
        )
        if len(turns) != head.sequence - head.base:
            raise PayloadGone("it was trimmed meanwhile")
        refusal = not_taken_over(head, turns)
        if refusal is not None:
            return QueryAnswer(failure=refusal)
        definition = self._taking.registry.orchestrators[head.name]
        with without_event_loop():
            try:
                execution = Execution.replay(
                    definition, head.instance_id, start, head.parent, turns
                )
            except NonDeterminismError as error:
                return QueryAnswer(failure=FailureDetails.from_exception(error))
            try:
                return ask(execution.decider, name, text)
            finally:
                execution.close()

    async def handle(self, queue: str, query: Query) -> None:
        """Answer a query that came as a message, or leave it to a worker that can. One that
        nobody waits for any more is dropped."""
        read = partial(self._hub.instances.head, query.instance_id)
        while (now := self._hub.storage.clock.now()) < query.until < now + LONGEST:
            try:
                head = await repeat(self._hub, read)
                if head is None or head.incarnation != query.incarnation:
                    return
                answer = await self.answer(head, query.name, query.input)
            except UnknownFormat as error:
                logger.warning("query %r of %s: %s", query.name, query.instance_id, error)
                await self._pass_on(queue, query)
                return
            if answer is None:
                await self._pass_on(queue, query)
                return
            leave = partial(self._hub.instances.answer_query, head, query.ask_id, answer)
            if await repeat(self._hub, leave):
                return

    async def _pass_on(self, queue: str, query: Query) -> None:
        body = replace(query, lack=query.lack + 1).encode()
        seconds = LOOK_AWAY if query.lack else GLANCE
        at_once = self._look_away is not None and self._look_away(query.instance_id, seconds)
        send = partial(self._hub.storage.queues.send, queue, body)
        await repeat(self._hub, partial(send, delay=0.0 if at_once else backoff(query.lack)))
