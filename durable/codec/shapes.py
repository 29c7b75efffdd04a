"""What an annotation asks of a JSON value, and the shapes of scalars."""

from __future__ import annotations

import json
import math
from base64 import b64decode
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal, DecimalException
from enum import Enum
from typing import Any, NoReturn
from uuid import UUID

from durable.codec.encoding import encode
from durable.codec.location import Step, render
from durable.errors import PayloadError


class Mismatch(Exception):
    """A JSON value is not of the expected shape. Steps are added on the way out."""

    def __init__(self, expected: str, value: object, *, because: str = "") -> None:
        super().__init__(expected)
        self.steps: list[Step] = []
        self._said = f"expected {expected}, got {describe(value)}" + (
            f": {because}" if because else ""
        )

    def under(self, step: Step) -> Mismatch:
        """The same fault, seen from the container that holds the value at `step`."""
        self.steps.insert(0, step)
        return self

    def __str__(self) -> str:
        return f"{render(self.steps)}: {self._said}"


@dataclass(frozen=True, slots=True)
class Shape:
    """`fits` looks at the outside only and serves unions; `read` converts or raises Mismatch.

    `read_text`, where given, reads JSON text faster than `read` its parsed form.
    """

    name: str
    fits: Callable[[Any], bool]
    read: Callable[[Any], Any]
    read_text: Callable[[str], Any] | None = None
    is_whole: Callable[[Any], bool] | None = None
    """For dataclasses: whether an object has all of the fields and no others, as what was written
    from one has."""


def describe(value: object) -> str:
    """A JSON value in a few words, for an error: kind, and the beginning of its text."""
    if value is None:
        return "null"
    if isinstance(value, dict | list):
        kind, unit = ("an object", "key") if isinstance(value, dict) else ("an array", "item")
        return f"{kind} of {len(value)} {unit}{'' if len(value) == 1 else 's'}"
    kind = {bool: "the boolean", str: "the string"}.get(type(value), "the number")
    text = json.dumps(value)
    return f"{kind} {text if len(text) <= 40 else text[:37] + '...'}"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _exactly(name: str, kind: type) -> Shape:
    def read(value: Any) -> Any:
        if type(value) is kind:
            return value
        raise Mismatch(name, value)

    return Shape(name, lambda value: type(value) is kind, read)


def _float() -> Shape:
    def read(value: Any) -> float:
        if not _is_number(value):
            raise Mismatch("float", value)
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if math.isfinite(number):
            return number
        raise Mismatch("float", value, because="too large")

    return Shape("float", _is_number, read)


def _from_text(name: str, parse: Callable[[str], Any], shortest: int = 0) -> Shape:
    def fits(value: Any) -> bool:
        return isinstance(value, str) and len(value) >= shortest

    def read(value: Any) -> Any:
        if not fits(value):
            raise Mismatch(name, value)
        try:
            return parse(value)
        except ValueError as error:
            raise Mismatch(name, value) from error

    return Shape(name, fits, read)


def _decimal() -> Shape:
    name = "Decimal (a number in a string)"

    def read(value: Any) -> Decimal:
        if isinstance(value, str) or _is_number(value):
            try:
                number = Decimal(str(value))
            except (DecimalException, ValueError) as error:
                raise Mismatch(name, value) from error
            if number.is_finite():
                return number
        raise Mismatch(name, value)

    return Shape("Decimal", lambda value: isinstance(value, str) or _is_number(value), read)


def _timedelta() -> Shape:
    def read(value: Any) -> timedelta:
        if not _is_number(value):
            raise Mismatch("timedelta (seconds)", value)
        try:
            return timedelta(seconds=value)
        except (OverflowError, ValueError) as error:
            raise Mismatch("timedelta (seconds)", value, because="out of range") from error

    return Shape("timedelta", _is_number, read)


ANYTHING = Shape("any JSON value", lambda value: True, lambda value: value)

NULL = _exactly("null", type(None))

SCALARS: dict[Any, Shape] = {
    Any: ANYTHING,
    object: ANYTHING,
    None: NULL,
    type(None): NULL,
    bool: _exactly("bool", bool),
    int: _exactly("int", int),
    str: _exactly("str", str),
    float: _float(),
    # a date alone is read by datetime.fromisoformat too, but belongs to `date`
    datetime: _from_text(
        "datetime (ISO 8601)", datetime.fromisoformat, shortest=len("2000-01-01T00")
    ),
    date: _from_text("date (ISO 8601)", date.fromisoformat),
    time: _from_text("time (ISO 8601)", time.fromisoformat),
    timedelta: _timedelta(),
    UUID: _from_text("UUID", UUID),
    Decimal: _decimal(),
    bytes: _from_text("bytes (base64)", lambda text: b64decode(text, validate=True)),
    bytearray: _from_text("bytes (base64)", lambda text: bytearray(b64decode(text, validate=True))),
}


def one_of(name: str, options: Iterable[tuple[object, Any]]) -> Shape:
    """The shape of some values, given as (what is encoded, what it stands for) pairs."""
    by_text = {}
    for encoded, option in options:
        try:
            by_text[encode(encoded)] = option
        except PayloadError:  # a member without a JSON form cannot have been written either
            continue
    choices = f"{name} (one of {', '.join(by_text)})"

    def read(value: Any) -> Any:
        try:
            return by_text[encode(value)]
        except (KeyError, PayloadError):
            raise Mismatch(choices, value) from None

    return Shape(name, lambda value: encode(value) in by_text, read)


def enumeration(kind: type[Enum]) -> Shape:
    """By value; what no member has goes to the class, for flags and `_missing_`."""
    members = one_of(kind.__name__, ((member.value, member) for member in kind))

    def read(value: Any) -> Any:
        try:
            return members.read(value)
        except Mismatch as mismatch:
            if isinstance(value, bool | dict | list):  # True equals 1
                raise
            return _by_class(kind, value, mismatch)

    return Shape(members.name, lambda value: not isinstance(value, dict | list), read)


def _by_class(kind: type[Enum], value: object, mismatch: Mismatch) -> Enum:
    try:
        return kind(value)
    except (ValueError, TypeError):
        raise mismatch from None


def unsupported(name: str) -> NoReturn:
    """The annotation, not the payload, is at fault."""
    raise PayloadError(
        f"cannot decode JSON into {name}: annotate with plain JSON types, a dataclass, a pydantic "
        "model, a TypedDict, or a class with to_json and from_json"
    )
