"""When a failed activity or sub-orchestration is tried again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from durable.errors import InvalidRequestError
from durable.model.failure import FailureDetails


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """Waits between attempts grow from `first_retry_interval` by `backoff_coefficient` up to
    `max_retry_interval`; no attempt starts later than `retry_timeout` after the first one.

    `retry_if` sees each failure and says whether to go on. It is orchestrator code: it runs
    again in replay and must depend on the failure alone.
    """

    first_retry_interval: timedelta
    max_number_of_attempts: int
    """Attempts in all, the first one included; at least 1."""
    backoff_coefficient: float = 1.0
    max_retry_interval: timedelta | None = None
    retry_timeout: timedelta | None = None
    retry_if: Callable[[FailureDetails], bool] | None = None

    def __post_init__(self) -> None:
        for name in ("first_retry_interval", "max_retry_interval", "retry_timeout"):
            given: Any = getattr(self, name)
            is_optional = name != "first_retry_interval"
            if not isinstance(given, timedelta) and not (is_optional and given is None):
                raise InvalidRequestError(f"RetryPolicy.{name} is a timedelta, not {given!r}")
        if self.first_retry_interval < timedelta(0):
            raise InvalidRequestError("RetryPolicy.first_retry_interval must not be negative")
        if self.max_number_of_attempts < 1:
            raise InvalidRequestError("RetryPolicy.max_number_of_attempts must be at least 1")
        coefficient: Any = self.backoff_coefficient
        if coefficient is None:
            # durabletask's users may say so
            object.__setattr__(self, "backoff_coefficient", 1.0)
        elif coefficient < 1:
            raise InvalidRequestError("RetryPolicy.backoff_coefficient must be at least 1")
        for name in ("max_retry_interval", "retry_timeout"):
            limit: timedelta | None = getattr(self, name)
            if limit is not None and limit <= timedelta(0):
                raise InvalidRequestError(f"RetryPolicy.{name} must be positive, or None")

    def next_attempt(
        self, attempt: int, failure: FailureDetails, started: datetime, now: datetime
    ) -> timedelta | None:
        """How long to wait after attempt number `attempt` (from 1) failed; None to give up."""
        if attempt >= self.max_number_of_attempts:
            return None
        if self.retry_if is not None and not self.retry_if(failure):
            return None
        limit = self.max_retry_interval or timedelta.max
        try:
            delay = min(
                self.first_retry_interval * self.backoff_coefficient ** (attempt - 1), limit
            )
        except OverflowError:
            delay = limit if self.max_retry_interval else timedelta(days=36_500)
        if self.retry_timeout is not None and now + delay - started > self.retry_timeout:
            return None
        return delay
