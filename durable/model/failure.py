"""How a failure travels between processes: as data, never as a pickled exception."""

from __future__ import annotations

import json
import logging
import math
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Protocol

from durable.errors import TaskFailedError

PROCESS_DIED = "durable.ProcessDied"
"""The type of the failure of an instance that ends the processes which run it."""

MAX_MESSAGE = 8_000
MAX_STACK = 16_000
MAX_PROPERTIES = 4_000
MAX_CAUSES = 8
MAX_LEVELS = 16
MAX_JSON = 30_000
"""Characters of a failure's JSON: it has to fit a column of a row."""

_log = logging.getLogger("durable.failures")


class ExceptionPropertiesProvider(Protocol):
    """What an app tells of its exceptions beyond type, message and stack."""

    def get_exception_properties(self, exception: Exception) -> Mapping[str, Any] | None:
        """What `FailureDetails.properties` is to hold, in JSON's types; None for nothing. Called
        for each exception of a chain, with what failed an activity, an entity's operation or an
        orchestrator; so it has to answer the same each time, as an orchestrator does. What it
        raises is logged, and the failure goes without."""
        ...


@dataclass(frozen=True, slots=True)
class FailureDetails:
    """Type, message, stack and cause of an exception, and what the app's
    ExceptionPropertiesProvider says of it.

    Messages are clipped to 8,000 characters and stacks to 16,000, middle first. A chain of causes
    is followed eight deep. Properties of more than 4,000 characters as JSON are left out. Where
    all of it would outgrow a row (30,000 characters as JSON), messages and stacks are shorter.
    """

    message: str
    error_type: str
    stack_trace: str | None = None
    inner_failure: FailureDetails | None = None
    properties: dict[str, Any] | None = field(default=None, hash=False)

    @classmethod
    def from_exception(
        cls,
        error: BaseException,
        *,
        skip_frames: int = 0,
        provider: ExceptionPropertiesProvider | None = None,
    ) -> FailureDetails:
        """Describe `error`, without the first `skip_frames` frames of its stack."""
        return cls._describe(error, skip_frames, MAX_CAUSES, provider)._fitted()

    @classmethod
    def _describe(
        cls,
        error: BaseException,
        skip: int,
        depth: int,
        provider: ExceptionPropertiesProvider | None,
    ) -> FailureDetails:
        inner: FailureDetails | None = None
        if isinstance(error, TaskFailedError):
            # what failed is the task's own failure, one level further in
            inner = error.details
        elif depth and (cause := _cause(error)) is not None:
            inner = cls._describe(cause, 0, depth - 1, provider)
        frames = traceback.extract_tb(error.__traceback__)[skip:]
        stack = "".join(traceback.format_list(frames)) or None
        return cls(
            message=_clip(_text(error), MAX_MESSAGE),
            error_type=_type_name(type(error)),
            stack_trace=stack and _clip(stack, MAX_STACK),
            inner_failure=inner,
            properties=_properties(error, provider),
        )

    def _fitted(self) -> FailureDetails:
        found, share = self, 1
        while len(json.dumps(found.to_dict())) > MAX_JSON and share <= MAX_STACK:
            share *= 2
            found = self._clipped(share)
        return found

    def _clipped(self, share: int) -> FailureDetails:
        """With that part of what texts may have, and without the middle of a long chain."""
        levels = list(self._levels())
        if len(levels) > MAX_LEVELS:
            half = MAX_LEVELS // 2
            levels = levels[:half] + levels[-half:]
        found: FailureDetails | None = None
        for each in reversed(levels):
            found = replace(
                each,
                message=_clip(each.message, MAX_MESSAGE // share),
                stack_trace=each.stack_trace and _clip(each.stack_trace, MAX_STACK // share),
                inner_failure=found,
                properties=_within(each.properties, MAX_PROPERTIES // share),
            )
        return found or self

    def _levels(self) -> Iterator[FailureDetails]:
        level: FailureDetails | None = self
        while level is not None:
            yield level
            level = level.inner_failure

    def is_caused_by(self, *types: type[BaseException] | str) -> bool:
        """Whether this failure or one of its causes has one of these types.

        An exception class stands for its subclasses too (`OSError` matches a `FileNotFoundError`),
        as far as they are imported in this process; nothing is imported to find out. A name, with
        its module or without, stands for itself alone. TypeError for anything else.
        """
        names = set[str]()
        for each in types:
            names |= {each} if isinstance(each, str) else _names_of(each)
        return any(
            level.error_type in names
            # a name without a module is written by the app, and means any module's
            or any(level.error_type.rpartition(".")[2] == t for t in types if isinstance(t, str))
            for level in self._levels()
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON: `message`, `type`, and `stack`, `properties` and `inner` where there are
        any."""
        data: dict[str, Any] = {"message": self.message, "type": self.error_type}
        if self.stack_trace:
            data["stack"] = self.stack_trace
        if self.properties:
            data["properties"] = self.properties
        if self.inner_failure:
            data["inner"] = self.inner_failure.to_dict()
        return data

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> FailureDetails:
        """The inverse of `to_dict`."""
        inner = data.get("inner")
        return cls(
            data["message"],
            data["type"],
            data.get("stack"),
            inner and cls.from_dict(inner),
            data.get("properties"),
        )

    def __str__(self) -> str:
        return f"{self.error_type}: {self.message}"


def _clip(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    half = limit // 2
    return f"{text[:half]}\n… {len(text) - limit} characters left out …\n{text[len(text) - half :]}"


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as broken:
        return f"<its message cannot be read: {type(broken).__name__}>"


def _cause(error: BaseException) -> BaseException | None:
    return error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _type_name(kind: type[BaseException]) -> str:
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"


def _names_of(kind: type[BaseException]) -> set[str]:
    """Of an exception class, and of those that derive from it."""
    if not (isinstance(kind, type) and issubclass(kind, BaseException)):
        raise TypeError(f"is_caused_by takes exception classes and names, not {kind!r}")
    found, left = set[type[BaseException]](), [kind]
    while left:
        each = left.pop()
        if each not in found:
            found.add(each)
            left += each.__subclasses__()
    return {_type_name(each) for each in found}


def _properties(
    error: BaseException, provider: ExceptionPropertiesProvider | None
) -> dict[str, Any] | None:
    if provider is None or not isinstance(error, Exception):
        return None
    try:
        given: object = provider.get_exception_properties(error)
        if given is None:
            return None
        if not isinstance(given, Mapping):
            raise TypeError(f"the properties are a mapping or None, not {type(given).__name__}")
        found: dict[str, Any] = _portable(given)
        if _within(found, MAX_PROPERTIES) is None:
            raise ValueError(f"the properties have over {MAX_PROPERTIES:,} characters as JSON")
    except Exception:
        _log.warning("the properties of a %s are left out", _type_name(type(error)), exc_info=True)
        return None
    return found or None


def _within(properties: dict[str, Any] | None, limit: int) -> dict[str, Any] | None:
    return properties if properties and len(json.dumps(properties)) <= limit else None


def _portable(value: object) -> Any:
    """In JSON's types: what has none goes as its text."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, float | Decimal):
        return float(value) if math.isfinite(value) else str(value)
    # a subclass, an enum's member say, may write itself differently
    if isinstance(value, int):
        return int(value)
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, Mapping):
        return {str(key): _portable(each) for key, each in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return [_portable(each) for each in value]
    return str(value)
