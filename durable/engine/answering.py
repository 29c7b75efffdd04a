"""What an orchestrator answers while it runs: queries of its state, and updates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar, overload

from durable.engine.decider import Decider
from durable.engine.handlers import Handler, answer, check_name, checked
from durable.engine.tasks import DurableTask
from durable.engine.timers import Timers, check_timeout
from durable.engine.updates import Update, UpdateTask
from durable.errors import PayloadError
from durable.model.failure import FailureDetails

T = TypeVar("T")
H = TypeVar("H", bound=Handler)

LONGEST_ANSWER = 200_000
"""Characters of JSON that a query may answer."""

UNKNOWN_QUERY = "durable.errors.UnknownQueryError"
"""The type of the failure that stands for a query which the orchestration does not have."""


@dataclass(frozen=True, slots=True)
class QueryAnswer:
    """What a query came to: the JSON text of its result, or why there is none."""

    result: str | None = None
    failure: FailureDetails | None = None


class Answering(Timers):
    """The part of an orchestration's context that answers who asks."""

    def set_query_handler(self, name: str, handler: Handler) -> None:
        """Let `handler` answer `client.query(id, name)`, from the state as it is then. Names are
        compared without regard to case.

        It is an ordinary function of nothing, or of the query's input as its annotation says,
        and returns a JSON value of at most 200,000 characters. It runs on a copy of the state
        that is dropped afterwards: what it changes is lost, and what it begins is refused.
        """
        self._decider.refuse_if_asked()
        handler = checked(handler, f"query {check_name(name, 'a query')!r}")
        self._decider.queries[name.casefold()] = name, handler

    def on_query(self, name: str) -> Callable[[H], H]:
        """`set_query_handler` as a decorator."""
        check_name(name, "a query")

        def decorate(handler: H) -> H:
            self.set_query_handler(name, handler)
            return handler

        return decorate

    def set_update_handler(self, name: str, handler: Handler) -> None:
        """Let `handler` answer each update of that name as it arrives, those that came before
        first. Names are compared without regard to case.

        It is an ordinary function of nothing, or of the update's data as its annotation says.
        What it returns is the answer, what it raises the refusal; it runs in the orchestration,
        so that what it changes stays, after a refusal too. Raises InvalidRequestError where the
        name is awaited.
        """
        self._decider.refuse_if_asked()
        handler = checked(handler, f"update {check_name(name, 'an update')!r}")
        self._decider.updates.handle(name, handler)

    def on_update(self, name: str) -> Callable[[H], H]:
        """`set_update_handler` as a decorator."""
        check_name(name, "an update")

        def decorate(handler: H) -> H:
            self.set_update_handler(name, handler)
            return handler

        return decorate

    @overload
    def wait_for_update(
        self, name: str, expected_type: type[T], *, timeout: timedelta | datetime | None = None
    ) -> DurableTask[Update[T]]: ...
    @overload
    def wait_for_update(
        self, name: str, expected_type: Any = None, *, timeout: timedelta | datetime | None = None
    ) -> DurableTask[Update[Any]]: ...
    def wait_for_update(
        self, name: str, expected_type: Any = None, *, timeout: timedelta | datetime | None = None
    ) -> DurableTask[Update[Any]]:
        """The next update of that name (in any case), buffered ones first. Whoever takes it owes
        it `answer` or `reject`, now or in a later step.

        One whose data does not fit `expected_type` is refused, and not seen. With `timeout` the
        task fails with TimeoutError when none came in time. Raises InvalidRequestError where the
        name has a handler.
        """
        decider, task = self._decider, UpdateTask[Any](expected_type)
        decider.refuse_if_asked()
        check_timeout(timeout)
        decider.updates.wait(check_name(name, "an update"), task)
        return self._within(
            task, timeout, lambda: decider.updates.stop_waiting(name, task), f"update {name!r}"
        )


def ask(decider: Decider, name: str, text: str | None) -> QueryAnswer:
    """What an orchestration answers to a query, as far as its code has come. Its state is spoilt
    by that: nothing may be done with it afterwards but dropping it."""
    found = decider.queries.get(name.casefold())
    if found is None:
        names = ", ".join(sorted(repr(known) for known, _ in decider.queries.values())) or "none"
        why = f"orchestrator {decider.definition.name!r} answers no query {name!r}; it has {names}"
        if not decider.execution_id:
            # terminated, or suspended, before its first turn
            when = "has not begun" if decider.ending is None else "ended before its code began"
            why = f"instance {decider.instance_id!r} {when}: nothing answers query {name!r}"
        return QueryAnswer(failure=FailureDetails(why, UNKNOWN_QUERY))
    decider.is_asked = True
    result, failure = answer(found[1], text, decider.definition.exceptions)
    if result is not None and len(result) > LONGEST_ANSWER:
        why = (
            f"query {name!r} answers {len(result):,} characters of JSON; "
            f"at most {LONGEST_ANSWER:,} are allowed"
        )
        return QueryAnswer(failure=FailureDetails.from_exception(PayloadError(why)))
    return QueryAnswer(result, failure)
