"""What a test is told when a run does not end as it asked.

DurableError
├── StalledError                what is waited for cannot come any more, or did not come
└── OrchestrationFailedError    the orchestration failed or was terminated
"""

from __future__ import annotations

from durable.errors import DurableError
from durable.model.failure import FailureDetails


class StalledError(DurableError):
    """Nothing is under way and nothing is due, so that what is waited for cannot happen; or it
    took longer than the hub's patience. The message names the instance, its status, and what it
    waits for."""


class OrchestrationFailedError(DurableError):
    """The orchestration whose output was asked for has ended without one. `failure` says why it
    failed: type, message, stack and cause; None where it was terminated."""

    def __init__(self, message: str, instance_id: str, failure: FailureDetails | None) -> None:
        super().__init__(message)
        self.instance_id = instance_id
        self.failure = failure
