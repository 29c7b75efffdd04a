"""How a failure travels between processes: as data, never as a pickled exception."""

from __future__ import annotations

import builtins
import traceback
from dataclasses import dataclass
from typing import Any

from durable.errors import TaskFailedError

PROCESS_DIED = "durable.ProcessDied"
"""The type of the failure of an instance that ends the processes which run it."""

MAX_MESSAGE = 8_000
MAX_STACK = 16_000
MAX_CAUSES = 8


def _clip(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    half = limit // 2
    return f"{text[:half]}\n… {len(text) - limit} characters left out …\n{text[-half:]}"


@dataclass(frozen=True, slots=True)
class FailureDetails:
    """Type, message, stack and cause of an exception.

    Messages are clipped to 8,000 characters and stacks to 16,000, middle first, so that
    no failure outgrows a row. A chain of causes is followed eight deep.
    """

    message: str
    error_type: str
    stack_trace: str | None = None
    inner_failure: FailureDetails | None = None

    @classmethod
    def from_exception(cls, error: BaseException, *, skip_frames: int = 0) -> FailureDetails:
        """Describe `error`, without the first `skip_frames` frames of its stack."""
        return cls._describe(error, skip_frames, MAX_CAUSES)

    @classmethod
    def _describe(cls, error: BaseException, skip: int, depth: int) -> FailureDetails:
        if isinstance(error, TaskFailedError):
            # what failed is the task's own failure, one level further in
            inner: FailureDetails | None = error.details
        else:
            cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
            inner = cls._describe(cause, 0, depth - 1) if cause is not None and depth else None
        frames = traceback.extract_tb(error.__traceback__)[skip:]
        stack = "".join(traceback.format_list(frames)) or None
        return cls(
            message=_clip(_text(error), MAX_MESSAGE),
            error_type=_type_name(error),
            stack_trace=stack and _clip(stack, MAX_STACK),
            inner_failure=inner,
        )

    def is_caused_by(self, *types: type[BaseException] | str) -> bool:
        """Whether this failure or one of its causes has one of these types, by name.

        Subclasses of a built-in exception are recognised (`OSError` matches a
        `FileNotFoundError`); other types match by their own name only, since nothing is
        imported to find out.
        """
        return any(self._is(t) for t in types) or (
            self.inner_failure is not None and self.inner_failure.is_caused_by(*types)
        )

    def _is(self, expected: type[BaseException] | str) -> bool:
        if isinstance(expected, str):
            return expected in (self.error_type, self.error_type.rpartition(".")[2])
        actual = getattr(builtins, self.error_type, None)
        if isinstance(actual, type) and issubclass(actual, expected):
            return True
        return self.error_type == _type_name_of(expected)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON: `message`, `type`, and `stack` and `inner` where there are any."""
        data: dict[str, Any] = {"message": self.message, "type": self.error_type}
        if self.stack_trace:
            data["stack"] = self.stack_trace
        if self.inner_failure:
            data["inner"] = self.inner_failure.to_dict()
        return data

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> FailureDetails:
        """The inverse of `to_dict`."""
        inner = data.get("inner")
        return cls(data["message"], data["type"], data.get("stack"), inner and cls.from_dict(inner))

    def __str__(self) -> str:
        return f"{self.error_type}: {self.message}"


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as broken:
        return f"<its message cannot be read: {type(broken).__name__}>"


def _type_name_of(kind: type[BaseException]) -> str:
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"


def _type_name(error: BaseException) -> str:
    return _type_name_of(type(error))
