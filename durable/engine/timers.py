"""The part of an orchestration's context that knows the time: timers, and retries after a wait."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from durable.engine.decider import Decider
from durable.engine.several import when_any
from durable.engine.tasks import DurableTask, MappedTask, TimerTask
from durable.errors import InvalidRequestError, TaskFailedError
from durable.model.events import TimerCanceled, TimerCreated
from durable.model.retry import RetryPolicy

T = TypeVar("T")


class Timers:
    """See the module."""

    def __init__(self, decider: Decider) -> None:
        self._decider = decider

    @property
    def current_utc_datetime(self) -> datetime:
        """The storage service's time when the running turn began; use it instead of
        `datetime.now`."""
        return self._decider.time

    def create_timer(self, fire_at: datetime | timedelta) -> TimerTask:
        """A timer that fires at a time (a naive one is taken as UTC) or after a duration, of
        any length. It survives restarts; `cancel()` stops it."""
        decider = self._decider
        due = _due(fire_at, decider.time)
        task_id = decider.new_id()

        def cancel() -> None:
            decider.forget(task_id)
            decider.decide(TimerCanceled(task_id))

        timer = TimerTask(cancel)
        decider.track(task_id, "timer", timer)
        decider.decide(TimerCreated(task_id, due))
        return timer

    def _within(
        self,
        task: DurableTask[T],
        timeout: timedelta | datetime | None,
        give_up: Callable[[], None],
        what: str,
    ) -> DurableTask[T]:
        """The task, which fails with TimeoutError once `timeout` has passed and `give_up` was
        called."""
        if timeout is None or task.is_completed:
            return task
        timer = self.create_timer(timeout)

        def settle(outer: MappedTask[T], first: DurableTask[Any]) -> None:
            if first.get_result() is timer:
                give_up()
                limit = f"until {timeout}" if isinstance(timeout, datetime) else f"within {timeout}"
                outer.fail(TimeoutError(f"no {what} came {limit}"))
                return
            timer.cancel()
            error = task.get_exception()
            if error is None:
                outer.complete(task.get_result())
            else:
                outer.fail(error)

        return MappedTask(when_any([task, timer]), settle)

    def _with_retry(
        self, attempt: Callable[[int], DurableTask[Any]], retry: RetryPolicy | None
    ) -> DurableTask[Any]:
        if retry is None:
            return attempt(1)
        if not isinstance(retry, RetryPolicy):
            raise InvalidRequestError(f"retry takes a RetryPolicy, not {type(retry).__name__}")
        started, number, waiting = self.current_utc_datetime, 1, False

        def step(outer: MappedTask[Any], done: DurableTask[Any]) -> DurableTask[Any] | None:
            nonlocal number, waiting
            if waiting:
                number, waiting = number + 1, False
                return attempt(number)
            error = done._error
            if error is None:
                outer.complete(done.get_result())
                return None
            delay = (
                retry.next_attempt(number, error.details, started, self.current_utc_datetime)
                if isinstance(error, TaskFailedError)
                else None
            )
            if delay is None:
                outer.fail(error)
                return None
            done.get_exception()
            waiting = True
            if delay > timedelta(0):
                return self.create_timer(delay)
            number, waiting = number + 1, False
            return attempt(number)

        return MappedTask(attempt(1), step)


def check_timeout(timeout: timedelta | datetime | None) -> None:
    """InvalidRequestError for what says no time; to be asked before anything waits."""
    if not isinstance(timeout, timedelta | datetime | None):
        raise InvalidRequestError(
            f"timeout is a timedelta or a datetime, not {type(timeout).__name__}"
        )


def _due(fire_at: datetime | timedelta, now: datetime) -> datetime:
    """The moment in UTC; InvalidRequestError for what is none."""
    try:
        if isinstance(fire_at, timedelta):
            return now + fire_at
        if isinstance(fire_at, datetime):
            return (fire_at if fire_at.tzinfo else fire_at.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError:
        raise InvalidRequestError(
            f"a timer of {fire_at} does not end between the years 1 and 9999"
        ) from None
    raise InvalidRequestError(
        f"create_timer takes a datetime or a timedelta, not {type(fire_at).__name__}"
    )
