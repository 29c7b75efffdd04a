"""What becomes of a start whose instance id is taken."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from durable.errors import InvalidRequestError
from durable.model.instance import OrchestrationRuntimeStatus

_ALL = frozenset(OrchestrationRuntimeStatus)
_ENDED = frozenset(status for status in _ALL if status.is_terminal)

IfExists = Literal["replace", "terminate", "skip", "error"]


@dataclass(frozen=True, slots=True)
class IdReusePolicy:
    """What a start does with an instance of its id that is in one of `statuses`: "replace" it,
    after terminating it and its sub-orchestrations where it has not ended, or "skip", which leaves
    it and starts nothing. One in any other status is left alone, and the start raises
    InstanceExistsError."""

    statuses: Collection[OrchestrationRuntimeStatus]
    action: Literal["replace", "skip"] = "replace"

    def __post_init__(self) -> None:
        if self.action not in ("replace", "skip"):
            raise InvalidRequestError(f"a policy replaces or skips; it does not {self.action!r}")
        try:
            statuses = frozenset(map(OrchestrationRuntimeStatus, self.statuses))
        except ValueError as error:
            raise InvalidRequestError(f"a policy is about runtime statuses: {error}") from error
        object.__setattr__(self, "statuses", statuses)

    @classmethod
    def of(cls, given: IfExists | IdReusePolicy) -> IdReusePolicy:
        """The policy that a word stands for. Raises InvalidRequestError for any other."""
        if isinstance(given, IdReusePolicy):
            return given
        if not isinstance(given, str) or given not in _WORDS:
            raise InvalidRequestError(
                f"if_exists is one of {', '.join(_WORDS)}, or an IdReusePolicy, not {given!r}"
            )
        return _WORDS[given]

    def replaces(self, status: OrchestrationRuntimeStatus) -> bool:
        """Whether an instance in that status makes room."""
        return self.action == "replace" and status in self.statuses

    def skips(self, status: OrchestrationRuntimeStatus) -> bool:
        """Whether the caller is content with an instance in that status."""
        return self.action == "skip" and status in self.statuses


_WORDS: dict[str, IdReusePolicy] = {
    "replace": IdReusePolicy(_ENDED),
    "terminate": IdReusePolicy(_ALL),
    "skip": IdReusePolicy(_ALL, "skip"),
    "error": IdReusePolicy(frozenset()),
}
