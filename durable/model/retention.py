"""How long instances are kept once they have ended."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from durable.model.instance import OrchestrationRuntimeStatus


@dataclass(frozen=True, slots=True)
class Retention:
    """For each way to end, the time until the instance is purged; None keeps it for good."""

    completed: timedelta | None = None
    failed: timedelta | None = None
    terminated: timedelta | None = None
    """Canceled ones count as terminated."""

    def after(self, status: OrchestrationRuntimeStatus) -> timedelta | None:
        """The time for an instance in that status; None also for one that has not ended."""
        match status:
            case OrchestrationRuntimeStatus.COMPLETED:
                return self.completed
            case OrchestrationRuntimeStatus.FAILED:
                return self.failed
            case OrchestrationRuntimeStatus.TERMINATED | OrchestrationRuntimeStatus.CANCELED:
                return self.terminated
            case _:
                return None

    @property
    def shortest(self) -> timedelta | None:
        """The shortest of these times; None when everything is kept."""
        times = (self.completed, self.failed, self.terminated)
        return min((time for time in times if time is not None), default=None)
