"""`decode`: JSON text to a value of an annotated type."""

from __future__ import annotations

import collections.abc as abc
import dataclasses
import json
import types
import typing
from enum import Enum
from functools import lru_cache
from typing import Any, Literal, NewType, NoReturn, TypeVar, Union, get_args, get_origin

from durable.codec.encoding import encode, has_json_pair
from durable.codec.records import is_named_tuple, is_typed_dict, record
from durable.codec.shapes import (
    ANYTHING,
    NULL,
    SCALARS,
    Mismatch,
    Shape,
    enumeration,
    one_of,
    unsupported,
)
from durable.errors import PayloadError


def decode(text: str | None, expected: Any = None) -> Any:
    """The value of a JSON text: plain JSON, or an instance of the annotation `expected`.

    `expected` may be what `durable.codec` encodes, generics of it (`list[Order]`, `Page[Order]`),
    unions, Literal, Annotated, NewType, TypedDict, Any, or a pydantic TypeAdapter. A number for
    `float | int` is the one that it is in JSON; otherwise a union takes the first of its members
    that fit exactly (an object without unknown or missing keys; of dataclasses rather the one
    that has each key as a field) or, when none does, of all. An object that two dataclasses with
    the same fields could be is refused.
    Keys that a dataclass does not have are ignored; a TypedDict keeps them.

    None as text means that no value was given, and is None whatever is expected.
    Raises PayloadError, naming path, expected and got; the payload never chooses what is called.
    """
    if text is None:
        return None
    if expected is None or expected is Any:
        return parse(text)
    try:
        shape = shape_of(expected)
        if shape.read_text is not None:
            return shape.read_text(text)
        return shape.read(parse(text))
    except Mismatch as mismatch:
        raise PayloadError(str(mismatch)) from mismatch.__cause__
    except RecursionError as error:
        raise PayloadError("$: is nested too deeply to be decoded") from error


def parse(text: str) -> Any:
    """Plain JSON values, without NaN and infinities, or PayloadError."""
    try:
        return _DECODER.decode(text)
    except ValueError as error:
        raise PayloadError(f"$: is not JSON: {error}") from error
    except RecursionError as error:
        raise PayloadError("$: is nested too deeply to be decoded") from error


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number in JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)


def shape_of(annotation: Any) -> Shape:
    """What `annotation` asks for. Raises PayloadError for one that JSON cannot meet."""
    try:
        if (scalar := SCALARS.get(annotation)) is not None:
            return scalar
    except TypeError:  # Annotated with metadata that has no hash
        pass
    if isinstance(annotation, TypeVar):
        constraints = annotation.__constraints__
        return _union(constraints) if constraints else shape_of(annotation.__bound__ or Any)
    if isinstance(annotation, NewType):
        return shape_of(annotation.__supertype__)
    origin = get_origin(annotation)
    if origin is not None:
        return _generic(annotation, origin, get_args(annotation))
    if isinstance(annotation, type):
        return _class(annotation)
    if type(annotation).__name__ == "TypeAliasType":
        return _alias(annotation)
    if callable(getattr(annotation, "validate_json", None)):
        return _pydantic(str(annotation), annotation.validate_json)
    return unsupported(_name(annotation))


_LISTS = (
    list,
    abc.Sequence,
    abc.MutableSequence,
    abc.Collection,
    abc.Iterable,
)
_SETS = (set, abc.Set, abc.MutableSet)
_MAPPINGS = (dict, abc.Mapping, abc.MutableMapping)
_WRAPPERS = ("Required", "NotRequired", "ReadOnly", "Final")


def _generic(annotation: Any, origin: Any, arguments: tuple[Any, ...]) -> Shape:
    if origin is Union or origin is types.UnionType:
        return _union(arguments)
    if origin is Literal:
        return one_of(_name(annotation), ((option, option) for option in arguments))
    if origin is typing.Annotated:
        if any(_is_pydantic(metadata) for metadata in arguments[1:]):
            return _constrained(annotation)
        return shape_of(arguments[0])
    if getattr(origin, "_name", None) in _WRAPPERS:
        return shape_of(arguments[0])
    if origin is tuple:
        return _tuple(annotation, arguments)
    if origin in _MAPPINGS:
        return _mapping(annotation, arguments)
    if origin in _LISTS or origin in _SETS or origin is frozenset:
        return _items(annotation, origin, arguments[0])
    if type(origin).__name__ == "TypeAliasType":
        return shape_of(origin.__value__[arguments])
    if isinstance(origin, type) and _is_record(origin):
        return record(origin, arguments, shape_of)
    return unsupported(_name(annotation))


def _is_record(kind: type) -> bool:
    return dataclasses.is_dataclass(kind) or is_typed_dict(kind) or is_named_tuple(kind)


@lru_cache(maxsize=1024)
def _class(kind: Any) -> Shape:
    if has_json_pair(kind):
        return _from_json(kind)
    if hasattr(kind, "__pydantic_validator__") and hasattr(kind, "model_validate_json"):
        return _pydantic(kind.__name__, kind.model_validate_json)
    if _is_record(kind):
        return record(kind, (), shape_of)
    if issubclass(kind, Enum):
        return enumeration(kind)
    if kind is tuple:
        return _tuple(kind, (Any, ...))
    if kind in _MAPPINGS:
        return _mapping(kind, (str, Any))
    if kind in _LISTS or kind in _SETS or kind is frozenset:
        return _items(kind, kind, Any)
    for base in (str, int, float, list, dict):
        if issubclass(kind, base):
            return _converted(shape_of(base), kind, kind.__name__)
    return unsupported(kind.__qualname__)


def _converted(shape: Shape, convert: abc.Callable[[Any], Any], name: str) -> Shape:
    """`shape`, passed on to code of the user's."""

    def read(value: Any) -> Any:
        plain = shape.read(value)
        try:
            return convert(plain)
        except Exception as error:
            because = f"{type(error).__name__}: {error}"
            raise Mismatch(name, value, because=because) from error

    return Shape(name, shape.fits, read)


def _from_json(kind: Any) -> Shape:
    return _converted(ANYTHING, kind.from_json, kind.__name__)


def _alias(alias: Any) -> Shape:
    """Resolved when used: an alias may be recursive."""

    def inner() -> Shape:
        return shape_of(alias.__value__)

    return Shape(
        alias.__name__, lambda value: inner().fits(value), lambda value: inner().read(value)
    )


def _items(annotation: Any, origin: Any, item: Any) -> Shape:
    shape = shape_of(item)
    name = _name(annotation)
    collect: Any = list
    if origin is frozenset:
        collect = frozenset
    elif origin in _SETS:
        collect = set

    def read(value: Any) -> Any:
        if not isinstance(value, list):
            raise Mismatch(f"{name} (an array)", value)
        found = value if shape is ANYTHING else _each(value, [shape] * len(value))
        try:
            return found if collect is list else collect(found)
        except TypeError as error:
            raise Mismatch(name, value, because=str(error)) from error

    return Shape(name, lambda value: isinstance(value, list), read)


def _each(items: list[Any], shapes: list[Shape]) -> list[Any]:
    found = []
    for index, (item, shape) in enumerate(zip(items, shapes, strict=True)):
        try:
            found.append(shape.read(item))
        except Mismatch as mismatch:
            raise mismatch.under(index) from mismatch.__cause__
    return found


def _tuple(annotation: Any, arguments: tuple[Any, ...]) -> Shape:
    name = _name(annotation)
    open_ended = len(arguments) == 2 and arguments[1] is ...
    shapes = [shape_of(argument) for argument in (arguments[:1] if open_ended else arguments)]

    def fits(value: Any) -> bool:
        return isinstance(value, list) and (open_ended or len(value) == len(shapes))

    def read(value: Any) -> Any:
        if not fits(value):
            size = "" if open_ended else f" of {len(shapes)}"
            raise Mismatch(f"{name} (an array{size})", value)
        return tuple(_each(value, shapes * len(value) if open_ended else shapes))

    return Shape(name, fits, read)


def _mapping(annotation: Any, arguments: tuple[Any, ...]) -> Shape:
    name = _name(annotation)
    keys, items = map(shape_of, arguments)

    def read(value: Any) -> Any:
        if not isinstance(value, dict):
            raise Mismatch(f"{name} (an object)", value)
        if items is ANYTHING and keys is SCALARS[str]:
            return value
        found = {}
        for key, item in value.items():
            try:
                found[_key(keys, key)] = items.read(item)
            except Mismatch as mismatch:
                raise mismatch.under(key) from mismatch.__cause__
        return found

    return Shape(name, lambda value: isinstance(value, dict), read)


def _key(shape: Shape, text: str) -> Any:
    """A key as its annotation has it: those that are no text were written as their JSON."""
    try:
        return shape.read(text)
    except Mismatch:
        try:
            value = json.loads(text)
        except ValueError:
            value = text
        if not isinstance(value, int | float | None):
            raise
    return shape.read(value)


def _union(members: tuple[Any, ...]) -> Shape:
    shapes = [shape_of(member) for member in members]
    numbers = {int: SCALARS[int], float: SCALARS[float]}
    name = " | ".join(shape.name for shape in shapes)

    def read(value: Any) -> Any:
        exact = numbers.get(type(value))
        if exact is not None and exact in shapes:
            return exact.read(value)
        candidates = [shape for shape in shapes if shape.fits(value)]
        if not candidates:
            candidates = [shape for shape in shapes if shape is not NULL]
        elif len(candidates) > 1:
            whole = [shape for shape in candidates if shape.is_whole and shape.is_whole(value)]
            if len(whole) > 1:
                return _only(name, whole, value)
            candidates = [*whole, *candidates]
        for shape in candidates:
            try:
                return shape.read(value)
            except Mismatch:
                if len(candidates) == 1:
                    raise
        raise Mismatch(name, value)

    return Shape(name, lambda value: any(shape.fits(value) for shape in shapes), read)


def _only(name: str, shapes: list[Shape], value: Any) -> Any:
    """Of dataclasses with the same fields: the one that reads the object."""
    found = {}
    for shape in shapes:
        try:
            found[shape.name] = shape.read(value)
        except Mismatch:
            continue
    if len(found) != 1:
        alike = " and ".join(found)
        because = f"it could be {alike}: tell them apart by a field of a Literal" if found else ""
        raise Mismatch(name, value, because=because)
    return next(iter(found.values()))


def _is_pydantic(metadata: object) -> bool:
    return type(metadata).__module__.partition(".")[0] in ("pydantic", "annotated_types")


def _constrained(annotation: Any) -> Shape:
    """Annotated with pydantic's constraints, which only pydantic can hold values to."""
    from pydantic import TypeAdapter

    return _pydantic(_name(annotation), TypeAdapter(annotation).validate_json)


def _pydantic(name: str, validate_json: abc.Callable[[str], Any]) -> Shape:
    """Given text rather than values: that is what pydantic's strict types distinguish."""

    def read_text(text: str) -> Any:
        try:
            return validate_json(text)
        except ValueError as error:
            raise _invalid(name, text, error) from error

    return Shape(
        name,
        lambda value: isinstance(value, dict),
        lambda value: read_text(encode(value)),
        read_text,
    )


def _invalid(name: str, text: str, error: Any) -> Mismatch:
    """The first complaint of a pydantic ValidationError."""
    details = error.errors(include_url=False) if hasattr(error, "errors") else []
    if not details:
        return Mismatch(name, parse(text), because=str(error))
    mismatch = Mismatch(name, details[0]["input"], because=details[0]["msg"])
    for step in reversed(details[0]["loc"]):
        mismatch.under(step)
    return mismatch


def _name(annotation: Any) -> str:
    if isinstance(annotation, type) and get_origin(annotation) is None:
        return annotation.__qualname__
    return str(annotation).replace("typing.", "")
