"""Updates: events that are answered. A handler answers one as it arrives, or the code takes it
and answers when it likes; what nobody has taken is kept, as events are."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, TypeVar

from durable.codec import decode, encode
from durable.engine.handlers import Handler, answer, failure_of
from durable.engine.tasks import DurableTask
from durable.errors import InvalidRequestError, PayloadError
from durable.model.events import UpdateAnswered, UpdateRequested
from durable.model.failure import FailureDetails

if TYPE_CHECKING:
    from durable.engine.decider import Decider

T_co = TypeVar("T_co", covariant=True)

REJECTED = "durable.Rejected"
"""The type of a refusal that the code gave a reason for, and no exception."""

UNANSWERED = "durable.Unanswered"
"""The type of a refusal that nobody gave."""

_CHOSEN = "update:"
"""Begins the message ids of updates whose senders chose the rest."""

_UPDATE_ID = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff]{1,200}")

Answer = Callable[[str | None, FailureDetails | None], None]


def message_id_of(update_id: object) -> str:
    """The message id of an update whose id its sender chose: no other message has such a one.
    InvalidRequestError for what is none."""
    if not isinstance(update_id, str) or not _UPDATE_ID.fullmatch(update_id):
        raise InvalidRequestError(
            "an update's id has 1 to 200 characters, none of them a control character"
        )
    return f"{_CHOSEN}{update_id}"


class Update(Generic[T_co]):
    """An update that the code has taken, and owes an answer. Its sender waits for that."""

    def __init__(self, name: str, update_id: str, data: T_co, answer: Answer) -> None:
        self.name = name
        self.update_id = update_id
        """The sender's, the same in each repeat."""
        self.data = data
        self._answer = answer
        self._answered = False

    @property
    def is_answered(self) -> bool:
        """Whether it was answered or rejected."""
        return self._answered

    def answer(self, value: object = None) -> None:
        """Give its sender a JSON value. Raises PayloadError for one that has no JSON form, and
        InvalidRequestError the second time."""
        text = encode(value)
        self._check()
        self._answer(text, None)

    def reject(self, reason: str | BaseException) -> None:
        """Have its sender's call raise UpdateRejectedError, for a reason in words or an error.
        Raises InvalidRequestError if it is answered already."""
        self._check()
        if isinstance(reason, BaseException):
            self._answer(None, failure_of(reason, None))
        else:
            self._answer(None, FailureDetails(str(reason), REJECTED))

    def _check(self) -> None:
        if self._answered:
            raise InvalidRequestError(f"update {self.name!r} is answered already")
        self._answered = True


class UpdateTask(DurableTask[Update[T_co]]):
    """The next update of a name, its data as `expected`."""

    def __init__(self, expected: object) -> None:
        super().__init__()
        self.expected = expected


class Updates:
    """Those of one execution."""

    def __init__(self, decider: Decider) -> None:
        self._decider = decider
        self._handlers: dict[str, Handler] = {}
        self._waiters: dict[str, deque[UpdateTask[object]]] = {}
        self._buffer: dict[str, deque[UpdateRequested]] = {}
        self._open: dict[str, Update[object]] = {}

    @property
    def awaited(self) -> list[str]:
        """The names, in lower case, of the updates that the code awaits."""
        return [name for name, waiters in self._waiters.items() if waiters]

    def handle(self, name: str, handler: Handler) -> None:
        """Let `handler` answer the updates of a name, those that came before first."""
        key = name.casefold()
        if self._waiters.get(key):
            raise InvalidRequestError(f"update {name!r} is awaited: it gets no handler beside that")
        self._handlers[key] = handler
        for event in self._buffer.pop(key, ()):
            self.arrived(event)

    def wait(self, name: str, task: UpdateTask[object]) -> None:
        """Complete `task` with the next update of that name, a buffered one first."""
        key = name.casefold()
        if key in self._handlers:
            raise InvalidRequestError(f"update {name!r} has a handler: nothing is left to await")
        self._waiters.setdefault(key, deque()).append(task)
        for event in self._buffer.pop(key, ()):
            self.arrived(event)

    def stop_waiting(self, name: str, task: UpdateTask[object]) -> None:
        """Leave the next update of that name to others."""
        waiters = self._waiters.get(name.casefold())
        if waiters and task in waiters:
            waiters.remove(task)

    def arrived(self, event: UpdateRequested) -> None:
        """Have it answered, or taken, or keep it. Data that does not fit what is awaited is
        refused, and the waiter goes on waiting."""
        key, provider = event.name.casefold(), self._decider.definition.exceptions
        handler, waiters = self._handlers.get(key), self._waiters.get(key)
        if handler is not None:
            self._answer(event, *answer(handler, event.input, provider))
        elif waiters:
            text = event.input if isinstance(event.input, str) else None
            try:
                data = decode(text, waiters[0].expected)
            except PayloadError as error:
                self._answer(event, None, failure_of(error, provider))
                return
            update_id = event.message_id.removeprefix(_CHOSEN)
            update = Update(event.name, update_id, data, lambda *a: self._answer(event, *a))
            self._open[event.message_id] = update
            waiters.popleft().complete(update)
        else:
            self._buffer.setdefault(key, deque()).append(event)

    def unconsumed(self) -> list[UpdateRequested]:
        """What nobody has taken, oldest first for each name."""
        return [event for events in self._buffer.values() for event in events]

    def refuse_open(self) -> None:
        """Refuse what the code took and has not answered: the next generation knows nothing of
        it."""
        for update in list(self._open.values()):
            text = "the orchestration continued as new without answering"
            update._answer(None, FailureDetails(text, UNANSWERED))

    def _answer(
        self, event: UpdateRequested, result: str | None, failure: FailureDetails | None
    ) -> None:
        self._open.pop(event.message_id, None)
        self._decider.decide(UpdateAnswered(event.name, event.message_id, result, failure))
