"""What one call of an activity asks for beyond its input. It is recorded with the call, so that
whoever sends the work item again asks for the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Any, TypedDict

from durable.errors import InvalidRequestError
from durable.model.retry import RetryPolicy
from durable.model.unicode import is_unicode

LONGEST_KEY = 400
"""Characters of a concurrency key."""


class ActivityOptions(TypedDict, total=False):
    """The keywords of `call_activity`."""

    retry: RetryPolicy | None
    """When a failed attempt is followed by another."""
    timeout: timedelta | None
    """How long one attempt may run; the activity's own limit, if it has one, by default."""
    heartbeat_timeout: timedelta | None
    """How long an attempt may be silent between heartbeats; the activity's own by default."""
    priority: int
    """Calls of a higher one are begun first; 0 by default."""
    key: str | None
    """Of the calls with one key, as many run at once as the activity says."""


@dataclass(frozen=True, slots=True)
class CallOptions:
    """`ActivityOptions` as it is recorded, without the retries, which are the orchestrator's."""

    timeout: timedelta | None = None
    heartbeat_timeout: timedelta | None = None
    priority: int = 0
    key: str | None = None

    @classmethod
    def of(cls, given: ActivityOptions) -> CallOptions | None:
        """None where nothing is asked for. Raises InvalidRequestError."""
        wanted = {name: value for name, value in given.items() if name != "retry"}
        for name in ("timeout", "heartbeat_timeout"):
            limit = wanted.get(name)
            if limit is None:
                continue
            if not isinstance(limit, timedelta) or limit <= timedelta(0):
                raise InvalidRequestError(f"call_activity takes a positive timedelta as {name}")
        options = cls(**wanted)  # type: ignore[arg-type]
        if type(options.priority) is not int:
            raise InvalidRequestError("call_activity takes an int as priority")
        if options.key is not None and not (isinstance(options.key, str) and options.key):
            raise InvalidRequestError("call_activity takes a text that is not empty as key")
        if options.key is not None and len(options.key) > LONGEST_KEY:
            raise InvalidRequestError(f"a key has at most {LONGEST_KEY} characters")
        if options.key is not None and not is_unicode(options.key):
            raise InvalidRequestError(f"the key {options.key!a} is not valid Unicode")
        return None if options == _NONE else options

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON, times in seconds; what is not asked for is left out."""
        data: dict[str, Any] = {}
        for each in fields(self):
            value = getattr(self, each.name)
            if value != each.default:
                data[each.name] = value.total_seconds() if isinstance(value, timedelta) else value
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> CallOptions:
        """The inverse of `to_dict`. Raises TypeError or ValueError for anything else."""
        values = dict(data)
        for name in ("timeout", "heartbeat_timeout"):
            if name in values:
                try:
                    values[name] = timedelta(seconds=values[name])
                except OverflowError as error:
                    raise ValueError(f"{name} is too long") from error
        options = cls(**values)
        if type(options.priority) is not int or not isinstance(options.key, str | None):
            raise TypeError("options of a call are of another type")
        if options.key is not None and len(options.key) > LONGEST_KEY:
            raise ValueError("the key is too long")
        return options


_NONE = CallOptions()
