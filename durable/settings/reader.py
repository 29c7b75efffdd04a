"""Values of host.json by path, with the environment's overrides, checked as they are read."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NoReturn

from durable.errors import ConfigurationError
from durable.settings.values import folded, resolved

_OVERRIDE = "azurefunctionsjobhost:"
_TIME_SPAN = re.compile(
    r"(?P<sign>-)?(?:(?P<days>\d{1,8})\.)?(?P<hours>\d{1,2}):(?P<minutes>\d{1,2})"
    r"(?::(?P<seconds>\d{1,2})(?:\.(?P<fraction>\d{1,7}))?)?"
)
_TRUTH = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


@dataclass(frozen=True, slots=True)
class Entry:
    """A value and the words for where it stands, for errors."""

    where: str
    raw: Any

    def refuse(self, must: str) -> NoReturn:
        """Raise ConfigurationError: "<where> is <raw>: <must>"."""
        raise ConfigurationError(f"{self.where} is {json.dumps(self.raw)}: {must}")

    def integer(self, low: int, high: int) -> int:
        """A whole number, also in a string, as the Functions host takes it."""
        number = self.raw
        if isinstance(number, str) and re.fullmatch(r"\s*[+-]?\d{1,18}\s*", number):
            number = int(number)
        if isinstance(number, bool) or not isinstance(number, int) or not low <= number <= high:
            self.refuse(f"write a whole number from {low} to {high}")
        return number

    def days(self) -> timedelta:
        """A number of days, not whole ones only, up to ten years."""
        try:
            days = math.nan if isinstance(self.raw, bool) else float(self.raw)
        except (TypeError, ValueError, OverflowError):
            days = math.nan
        if not 0 < days <= 3650:
            self.refuse("write a number of days above 0, up to 3650")
        return timedelta(days=days)

    def boolean(self) -> bool:
        """A truth value, also as one of the usual words in a string."""
        truth = _TRUTH.get(str(self.raw).strip().casefold())
        if truth is None:
            self.refuse("write true or false")
        return truth

    def text(self) -> str:
        if not isinstance(self.raw, str):
            self.refuse("write a string")
        return self.raw

    def texts(self) -> tuple[str, ...]:
        """A list of strings, also as one string with commas; empty ones left out."""
        parts = self.raw.split(",") if isinstance(self.raw, str) else self.raw
        if not isinstance(parts, list) or not all(isinstance(part, str) for part in parts):
            self.refuse("write a list of strings")
        return tuple(part.strip() for part in parts if part.strip())

    def time_span(self, low: timedelta, high: timedelta) -> timedelta:
        """.NET's `[d.]hh:mm[:ss[.fffffff]]`."""
        match = _TIME_SPAN.fullmatch(self.raw.strip()) if isinstance(self.raw, str) else None
        span = _span(match) if match else None
        if span is None or not low <= span <= high:
            self.refuse(f'write "hh:mm:ss" or "d.hh:mm:ss", from {low} to {high}')
        return span


def _span(match: re.Match[str]) -> timedelta | None:
    days, hours, minutes, seconds = (
        int(match[part] or 0) for part in ("days", "hours", "minutes", "seconds")
    )
    if hours > 23 or minutes > 59 or seconds > 59:
        return None
    microseconds = int((match["fraction"] or "0").ljust(7, "0")) / 10
    span = timedelta(days, seconds, microseconds, minutes=minutes, hours=hours)
    return -span if match["sign"] else span


class HostFile:
    """host.json, overridden by `AzureFunctionsJobHost__section__name` settings.

    Names are told apart without regard to case, as in .NET; what nobody reads is not checked.
    """

    def __init__(self, file: str, content: Mapping[str, Any], values: Mapping[str, str]) -> None:
        self._file = file
        self._values = values
        self._entries = dict(_flattened(file, content, ()))
        self._overrides: set[str] = set()
        for name, value in values.items():
            path = folded(name)
            if path.startswith(_OVERRIDE):
                path = path.removeprefix(_OVERRIDE)
                self._entries[path] = Entry(f"setting {name}", value)
                self._overrides.add(path)

    def raw(self, path: str) -> Entry | None:
        """The value at `extensions.http.routePrefix`, for example; None when absent or null.

        Raises ConfigurationError when a section on the way is not an object.
        """
        wanted = folded(path.replace(".", ":"))
        entry = self._entries.get(wanted)
        if wanted in self._overrides:
            return entry
        parts = wanted.split(":")
        for length in range(1, len(parts)):
            above = self._entries.get(":".join(parts[:length]))
            if above is not None and above.raw is not None and not isinstance(above.raw, dict):
                above.refuse("must be an object: write { … }")
        return None if entry is None or entry.raw is None else entry

    def entry(self, path: str) -> Entry | None:
        """As `raw`, with `%NAME%` in a string replaced."""
        entry = self.raw(path)
        if entry is None or not isinstance(entry.raw, str):
            return entry
        return Entry(entry.where, resolved(entry.raw, self._values, entry.where))


def _flattened(
    file: str, content: Mapping[str, Any], path: tuple[str, ...]
) -> Iterator[tuple[str, Entry]]:
    for name, value in content.items():
        here = (*path, name)
        yield folded(":".join(here)), Entry(f"{file}: {'.'.join(here)}", value)
        if isinstance(value, dict):
            yield from _flattened(file, value, here)
