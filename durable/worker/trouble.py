"""Failing storage calls: a log line when trouble begins, changes and ends, and how long to wait."""

from __future__ import annotations

import logging

from durable.errors import AccessDenied, AmbiguousAnswer, ContainerMissing, Throttled
from durable.worker.polling import Backoff

SLOW_SECONDS = 10.0
"""Between two looks at what only a person can mend."""


class Trouble:
    """The state of one thing that is called again and again, such as "queue orders"."""

    def __init__(self, log: logging.Logger, what: str) -> None:
        self._log = log
        self._what = what
        self._kind: type[BaseException] | None = None
        self._backoff = Backoff(0.5, SLOW_SECONDS)

    def met(self, error: Exception) -> float:
        """Log what is new about it; the seconds to wait before the next call."""
        new = type(error) is not self._kind
        if new:
            self._backoff.reset()
        self._kind = type(error)
        match error:
            case ContainerMissing():
                if new:
                    self._log.error(
                        "%s is not there: %s. It is looked for again every %g s; starting a "
                        "worker anew creates it",
                        self._what,
                        error,
                        SLOW_SECONDS,
                    )
                return SLOW_SECONDS
            case AccessDenied():
                if new:
                    self._log.error(
                        "%s: the storage account refuses this worker's credentials: %s",
                        self._what,
                        error,
                    )
                return SLOW_SECONDS
            case Throttled(retry_after=seconds):
                if new:
                    self._log.warning("%s: the storage account is busy", self._what)
                return max(seconds, self._backoff.delay())
            case AmbiguousAnswer():
                if new:
                    self._log.warning(
                        "%s: the storage account does not answer: %s", self._what, error
                    )
                return self._backoff.delay()
            case _:
                if new:
                    self._log.error("%s: an unexpected error", self._what, exc_info=error)
                return self._backoff.delay()

    def over(self) -> None:
        """A call succeeded."""
        if self._kind is not None:
            self._kind = None
            self._log.info("%s: works again", self._what)
