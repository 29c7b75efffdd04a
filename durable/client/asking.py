"""Asks instances: queries, which change nothing, and updates, which they answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Protocol, TypeVar, overload

from durable.client.access import Access, seconds_of
from durable.client.telling import raising
from durable.codec import decode
from durable.engine.answering import UNKNOWN_QUERY, QueryAnswer
from durable.engine.handlers import check_name
from durable.engine.updates import REJECTED, UNANSWERED, message_id_of
from durable.errors import (
    InstanceFinishedError,
    InstanceNotFoundError,
    InvalidRequestError,
    PayloadTooLargeError,
    QueryFailedError,
    UnknownQueryError,
    UpdateRejectedError,
)
from durable.hub.answers import StoredAnswer
from durable.hub.messages import Query
from durable.hub.reading import PayloadGone
from durable.hub.ringing import repeat
from durable.hub.rows import PURGING, Head
from durable.model.events import UpdateRequested

LONGEST_QUESTION = 16_000
"""Characters of JSON that a query's input may have: it has to fit a message."""

QUERY_SECONDS, UPDATE_SECONDS = 10.0, 30.0
"""Timeouts where none is given."""

_SHORTEST, _LONGEST = 0.02, 1.0
"""Seconds between two looks for an answer."""

_LONGEST_NAME = 1000

T = TypeVar("T")
Timeout = timedelta | float | None


class Answerer(Protocol):
    """Answers queries where the app's code is."""

    async def answer(self, head: Head, name: str, text: str | None) -> QueryAnswer | None:
        """What the instance answers; None where its code is not here."""
        ...


class Asking(Access):
    """See the module. `_answerer` is None where the app's code is not."""

    _answerer: Answerer | None = None

    @overload
    async def query(
        self,
        instance_id: str,
        name: str,
        query_input: object = None,
        *,
        expected_type: type[T],
        timeout: Timeout = QUERY_SECONDS,
    ) -> T: ...
    @overload
    async def query(
        self,
        instance_id: str,
        name: str,
        query_input: object = None,
        *,
        expected_type: Any = None,
        timeout: Timeout = QUERY_SECONDS,
    ) -> Any: ...
    async def query(
        self,
        instance_id: str,
        name: str,
        query_input: object = None,
        *,
        expected_type: Any = None,
        timeout: Timeout = QUERY_SECONDS,
    ) -> Any:
        """What an instance answers from its own state, which stays as it is: plain JSON, or as
        `expected_type`. It may be running, suspended, or have ended.

        Where the app's code is here, its history is replayed here; else a worker is asked. The
        input has at most 16,000 characters as JSON.

        Raises InstanceNotFoundError, UnknownQueryError, which names the queries that there are,
        QueryFailedError for what the handler raised, and TimeoutError when the instance has not
        begun, or no worker has answered, within `timeout` (seconds or a timedelta; None waits).
        """
        _checked_name(name, "a query")
        text = self._payload(query_input, "the query's input")
        if text is not None and len(text) > LONGEST_QUESTION:
            raise PayloadTooLargeError(
                f"the query's input has {len(text):,} characters as JSON; at most "
                f"{LONGEST_QUESTION:,} are allowed"
            )
        seconds = seconds_of(timeout)
        until = None if seconds is None else self._hub.storage.clock.monotonic() + seconds

        async def begun() -> Head | None:
            head = await self._head(instance_id)
            if head.status == PURGING:
                raise InstanceNotFoundError(f"instance {instance_id!r} is being purged")
            return head if head.sequence or head.is_terminal else None

        head = await self._until(instance_id, instance_id, begun, seconds)
        if head is None:
            raise TimeoutError(f"instance {instance_id!r} has not begun within {seconds:g} s")
        answer = None
        if self._answerer is not None:
            answer = await self._answerer.answer(head, name, text)
        if answer is None:
            left = None if until is None else max(0.0, until - self._hub.storage.clock.monotonic())
            answer = await self._asked(head, name, text, left)
        if answer is None:
            raise TimeoutError(
                f"query {name!r} of instance {instance_id!r}: no worker that has the code of "
                f"{head.name!r} has answered within {seconds:g} s"
            )
        if answer.failure is None:
            return decode(answer.result, expected_type)
        if answer.failure.error_type == UNKNOWN_QUERY:
            raise UnknownQueryError(answer.failure.message)
        raise QueryFailedError(
            f"query {name!r} of instance {instance_id!r} failed: {answer.failure}", answer.failure
        )

    async def _asked(
        self, head: Head, name: str, text: str | None, seconds: float | None
    ) -> QueryAnswer | None:
        """What a worker answers; None if none does in time."""
        ask_id, instance_id, hub = self._hub.new_id(16), head.instance_id, self._hub
        lasts = timedelta(days=1) if seconds is None else timedelta(seconds=seconds)
        until = hub.storage.clock.now() + lasts
        body = Query(instance_id, head.incarnation, name, ask_id, until, text).encode()
        queue = hub.names.control_queue(instance_id)
        await repeat(hub, lambda: hub.storage.queues.send(queue, body))

        async def answered() -> QueryAnswer | None:
            take = hub.instances.take_query_answer
            answer = await repeat(hub, lambda: take(head, ask_id))
            if answer is None:
                latest = await self._existing(instance_id)
                if latest.incarnation != head.incarnation or latest.status == PURGING:
                    raise InstanceNotFoundError(f"instance {instance_id!r} was replaced, or purged")
            return answer

        return await self._until(instance_id, ask_id, answered, seconds)

    @overload
    async def update(
        self,
        instance_id: str,
        name: str,
        data: object = None,
        *,
        expected_type: type[T],
        timeout: Timeout = UPDATE_SECONDS,
        update_id: str | None = None,
    ) -> T: ...
    @overload
    async def update(
        self,
        instance_id: str,
        name: str,
        data: object = None,
        *,
        expected_type: Any = None,
        timeout: Timeout = UPDATE_SECONDS,
        update_id: str | None = None,
    ) -> Any: ...
    async def update(
        self,
        instance_id: str,
        name: str,
        data: object = None,
        *,
        expected_type: Any = None,
        timeout: Timeout = UPDATE_SECONDS,
        update_id: str | None = None,
    ) -> Any:
        """Give an instance an event that it answers, and return the answer: plain JSON, or as
        `expected_type`. An update is taken once; repeated under the same `update_id`, within an
        hour at least, it gets the same answer.

        Raises UpdateRejectedError with the orchestration's refusal, InstanceNotFoundError,
        InstanceFinishedError where it has ended, or ends without an answer, and TimeoutError
        after `timeout` (seconds or a timedelta; None waits): then the update is stored, and will
        be taken all the same.
        """
        _checked_name(name, "an update")
        seconds = seconds_of(timeout)
        text = self._payload(data, "the update's data")
        head = await self._head(instance_id)
        message = self._hub.new_id(16) if update_id is None else message_id_of(update_id)
        answer = await self._answer_to(head, message) if update_id is not None else None
        if answer is None:
            answer = await self._update(head, name, message, text, seconds)
        if answer.failure is not None:
            in_words = answer.failure.error_type in (REJECTED, UNANSWERED)
            why = answer.failure.message if in_words else str(answer.failure)
            raise UpdateRejectedError(
                f"update {name!r} of instance {instance_id!r} was refused: {why}",
                answer.failure,
            )
        try:
            result = await self._hub.instances.text(instance_id, head.incarnation, answer.result)
        except PayloadGone as error:
            raise InstanceNotFoundError(f"instance {instance_id!r} was purged") from error
        return decode(result, expected_type)

    async def _update(
        self, head: Head, name: str, message: str, text: str | None, seconds: float | None
    ) -> StoredAnswer:
        """Deliver an update, and wait for its answer."""
        instance_id = head.instance_id
        if not head.is_terminal:
            request = UpdateRequested(name, message, text)
            with raising(self._hub, name, instance_id) as trace:
                await self._deliver(instance_id, head.incarnation, request, trace)

        async def answered() -> StoredAnswer | None:
            answer = await self._answer_to(head, message)
            if answer is not None:
                return answer
            latest = await self._existing(instance_id)
            if latest.status == PURGING:
                raise InstanceNotFoundError(f"instance {instance_id!r} is being purged")
            if latest.incarnation != head.incarnation:
                raise InstanceFinishedError(f"instance {instance_id!r} has ended: it is replaced")
            if not latest.is_terminal or latest.holdings:
                return None
            # it may have come with the end
            answer = await self._answer_to(head, message)
            if answer is None:
                raise InstanceFinishedError(
                    f"instance {instance_id!r} has ended: it is {latest.runtime_status}, and has "
                    f"not answered update {name!r}"
                )
            return answer

        answer = await self._until(instance_id, message, answered, seconds)
        if answer is None:
            raise TimeoutError(
                f"instance {instance_id!r} has not answered update {name!r} within {seconds:g} s; "
                "it is stored, and will be taken"
            )
        return answer

    async def _answer_to(self, head: Head, message: str) -> StoredAnswer | None:
        find = self._hub.instances.update_answer
        return await repeat(self._hub, lambda: find(head.instance_id, head.incarnation, message))

    async def _until(
        self,
        instance_id: str,
        ask_id: str,
        look: Callable[[], Awaitable[T | None]],
        seconds: float | None,
    ) -> T | None:
        """What `look` answers once it is not None; None after so many seconds."""
        clock = self._hub.storage.clock
        until = None if seconds is None else clock.monotonic() + seconds
        pause = _SHORTEST
        while (found := await look()) is None:
            left = pause if until is None else until - clock.monotonic()
            if left <= 0:
                return None
            await self._ringer.wait_for_answer(ask_id, min(pause, left))
            pause = min(pause * 1.5, _LONGEST)
        return found


def _checked_name(name: object, what: str) -> None:
    if len(check_name(name, what)) > _LONGEST_NAME:
        raise InvalidRequestError(f"{what}'s name has at most {_LONGEST_NAME} characters")
