"""Inline constraints of route templates, as ASP.NET Core's routing knows them."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from uuid import UUID

Constraint = Callable[[str], bool]

_INTEGER = re.compile(r"\s*[+-]?[0-9]+\s*", re.ASCII)
_DECIMAL = re.compile(r"\s*[+-]?([0-9][0-9,]*(\.[0-9]*)?|\.[0-9]+)\s*", re.ASCII)
_FLOAT = re.compile(r"\s*[+-]?([0-9][0-9,]*(\.[0-9]*)?|\.[0-9]+)(e[+-]?[0-9]+)?\s*", re.I)
_GUID = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.I)
_INT32 = 2**31
_INT64 = 2**63
_DATE_FORMATS = ("%m/%d/%Y", "%m/%d/%Y %H:%M", "%m/%d/%Y %H:%M:%S", "%d %b %Y", "%d %B %Y")


def constraint(name: str, arguments: str | None) -> Constraint:
    """The check of `:name(arguments)`; ValueError, in words for the user, when there is none."""
    if arguments is None and name in _PLAIN:
        return _PLAIN[name]
    if arguments is not None and name in _WITH_ARGUMENTS:
        return _WITH_ARGUMENTS[name](arguments)
    if name in _PLAIN or name in _WITH_ARGUMENTS:
        needed = "no arguments" if name in _PLAIN else "arguments in parentheses"
        raise ValueError(f"the constraint :{name} takes {needed}")
    known = ", ".join(sorted({*_PLAIN, *_WITH_ARGUMENTS}))
    raise ValueError(f"there is no constraint :{name}; there are {known}")


def _whole(text: str, beyond: int) -> int | None:
    if not _INTEGER.fullmatch(text) or len(text) > 40:
        return None
    number = int(text)
    return number if -beyond <= number < beyond else None


def _is_int(text: str) -> bool:
    return _whole(text, _INT32) is not None


def _is_long(text: str) -> bool:
    return _whole(text, _INT64) is not None


def _is_guid(text: str) -> bool:
    inner = text.strip()
    if inner[:1] + inner[-1:] in ("{}", "()"):
        inner = inner[1:-1]
    return _GUID.fullmatch(inner) is not None and UUID(inner) is not None


def _is_datetime(text: str) -> bool:
    for parse in (datetime.fromisoformat, *map(_strptime, _DATE_FORMATS)):
        try:
            parse(text.strip())
        except ValueError:
            continue
        return True
    return False


def _strptime(form: str) -> Callable[[str], datetime]:
    return lambda text: datetime.strptime(text, form)


def _integers(arguments: str, count: tuple[int, ...]) -> list[int]:
    parts = [_whole(part, _INT64) for part in arguments.split(",")]
    numbers = [part for part in parts if part is not None]
    if len(numbers) != len(parts) or len(numbers) not in count:
        raise ValueError(f"({arguments}) must be {' or '.join(map(str, count))} whole numbers")
    return numbers


def _length(arguments: str) -> Constraint:
    numbers = _integers(arguments, (1, 2))
    low, high = numbers[0], numbers[-1]
    return lambda text: low <= len(text) <= high


def _min_length(arguments: str) -> Constraint:
    (low,) = _integers(arguments, (1,))
    return lambda text: len(text) >= low


def _max_length(arguments: str) -> Constraint:
    (high,) = _integers(arguments, (1,))
    return lambda text: len(text) <= high


def _between(low: int, high: int) -> Constraint:
    def check(text: str) -> bool:
        number = _whole(text, _INT64)
        return number is not None and low <= number <= high

    return check


def _min(arguments: str) -> Constraint:
    return _between(_integers(arguments, (1,))[0], _INT64)


def _max(arguments: str) -> Constraint:
    return _between(-_INT64, _integers(arguments, (1,))[0])


def _range(arguments: str) -> Constraint:
    low, high = _integers(arguments, (2,))
    return _between(low, high)


def _regex(arguments: str) -> Constraint:
    try:
        pattern = re.compile(arguments, re.IGNORECASE)
    except re.error as error:
        raise ValueError(f"regex({arguments}) is no regular expression: {error}") from error
    return lambda text: pattern.search(text) is not None


_PLAIN: dict[str, Constraint] = {
    "int": _is_int,
    "long": _is_long,
    "bool": lambda text: text.strip().lower() in ("true", "false"),
    "datetime": _is_datetime,
    "decimal": lambda text: _DECIMAL.fullmatch(text) is not None,
    "double": lambda text: _FLOAT.fullmatch(text) is not None,
    "float": lambda text: _FLOAT.fullmatch(text) is not None,
    "guid": _is_guid,
    "alpha": lambda text: text == "" or (text.isascii() and text.isalpha()),
    "required": lambda text: text != "",
}
_WITH_ARGUMENTS: dict[str, Callable[[str], Constraint]] = {
    "length": _length,
    "minlength": _min_length,
    "maxlength": _max_length,
    "min": _min,
    "max": _max,
    "range": _range,
    "regex": _regex,
}
