"""Shapes of classes with named fields: dataclasses, TypedDicts, NamedTuples."""

from __future__ import annotations

import dataclasses
import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from functools import cached_property, lru_cache
from typing import Any, NotRequired, Required, TypeVar, get_args, get_origin, get_type_hints

from durable.codec.shapes import Mismatch, Shape
from durable.errors import PayloadError

ShapeOf = Callable[[Any], Shape]


def is_typed_dict(kind: type) -> bool:
    """Also those of typing_extensions, which `typing.is_typeddict` may not know."""
    return issubclass(kind, dict) and hasattr(kind, "__required_keys__")


def is_named_tuple(kind: type) -> bool:
    return issubclass(kind, tuple) and hasattr(kind, "_fields")


def record(kind: Any, arguments: tuple[Any, ...], shape_of: ShapeOf) -> Shape:
    """The shape of a class with fields; `arguments` are those of a generic class."""
    if is_typed_dict(kind):
        return _TypedDict(kind, arguments, shape_of).shape()
    if is_named_tuple(kind):
        return _NamedTuple(kind, arguments, shape_of).shape()
    return _Dataclass(kind, arguments, shape_of).shape()


class _Record(ABC):
    """Fields are resolved when first read, so that a class may refer to itself."""

    def __init__(self, kind: Any, arguments: tuple[Any, ...], shape_of: ShapeOf) -> None:
        self.kind = kind
        self.arguments = arguments
        self.shape_of = shape_of

    def shape(self) -> Shape:
        return Shape(self.kind.__name__, self.fits, self.read)

    @property
    def expected(self) -> str:
        return f"{self.kind.__name__} (an object)"

    @abstractmethod
    def names(self) -> tuple[frozenset[str], frozenset[str]]:
        """All fields that JSON may give, and those that it must give."""

    @cached_property
    def known_names(self) -> tuple[frozenset[str], frozenset[str]]:
        return self.names()

    @cached_property
    def shapes(self) -> Mapping[str, Shape]:
        hints = field_hints(self.kind, self.arguments)
        return {name: self.shape_of(hints.get(name, Any)) for name in self.known_names[0]}

    def fits(self, value: Any) -> bool:
        names, required = self.known_names
        return isinstance(value, dict) and required <= value.keys() <= names

    def read(self, value: Any) -> Any:
        if not isinstance(value, dict):
            raise Mismatch(self.expected, value)
        return self.build(self.read_fields(value), value)

    def read_fields(self, value: dict[str, Any]) -> dict[str, Any]:
        if missing := self.known_names[1] - value.keys():
            named = ", ".join(sorted(missing))
            raise Mismatch(self.expected, value, because=f"without {named}")
        found = {}
        for name, shape in self.shapes.items():
            if name in value:
                try:
                    found[name] = shape.read(value[name])
                except Mismatch as mismatch:
                    raise mismatch.under(name) from mismatch.__cause__
        return found

    def build(self, found: dict[str, Any], value: Any) -> Any:
        try:
            return self.kind(**found)
        except Exception as error:  # the author's own checks, in __post_init__ for example
            because = f"{type(error).__name__}: {error}"
            raise Mismatch(self.kind.__name__, value, because=because) from error


class _Dataclass(_Record):
    def shape(self) -> Shape:
        return Shape(self.kind.__name__, self.fits, self.read, is_whole=self.is_whole)

    def is_whole(self, value: Any) -> bool:
        return isinstance(value, dict) and value.keys() == self.known_names[0]

    def names(self) -> tuple[frozenset[str], frozenset[str]]:
        given = [field for field in dataclasses.fields(self.kind) if field.init]
        absent = dataclasses.MISSING
        return frozenset(field.name for field in given), frozenset(
            field.name
            for field in given
            if field.default is absent and field.default_factory is absent
        )


class _TypedDict(_Record):
    def names(self) -> tuple[frozenset[str], frozenset[str]]:
        hints = field_hints(self.kind, self.arguments)
        # __required_keys__ is wrong where annotations are strings
        required = {
            name
            for name, hint in hints.items()
            if get_origin(hint) is Required
            or (name in self.kind.__required_keys__ and get_origin(hint) is not NotRequired)
        }
        return frozenset(hints), frozenset(required)

    def build(self, found: dict[str, Any], value: Any) -> Any:
        return {**value, **found}


class _NamedTuple(_Record):
    """Written as an array; an object is read too."""

    @property
    def expected(self) -> str:
        return f"{self.kind.__name__} (an array or object)"

    def names(self) -> tuple[frozenset[str], frozenset[str]]:
        names = frozenset(self.kind._fields)
        return names, names - self.kind._field_defaults.keys()

    def fits(self, value: Any) -> bool:
        if isinstance(value, list):
            return len(self.known_names[1]) <= len(value) <= len(self.kind._fields)
        return super().fits(value)

    def read(self, value: Any) -> Any:
        if not isinstance(value, list):
            return super().read(value)
        if not self.fits(value):
            raise Mismatch(f"{self.kind.__name__} ({len(self.kind._fields)} items)", value)
        found = {}
        for index, (name, item) in enumerate(zip(self.kind._fields, value, strict=False)):
            try:
                found[name] = self.shapes[name].read(item)
            except Mismatch as mismatch:
                raise mismatch.under(index) from mismatch.__cause__
        return self.build(found, value)


def field_hints(kind: Any, arguments: tuple[Any, ...]) -> dict[str, Any]:
    """Annotations of all fields, type variables of generic bases replaced."""
    given = dict(zip(getattr(kind, "__parameters__", ()), arguments, strict=False))
    hints = dict(_own_hints(kind))
    inherited: dict[str, Any] = {}
    for base in reversed(kind.__dict__.get("__orig_bases__", kind.__bases__)):
        origin = get_origin(base) or base
        if isinstance(origin, type) and origin is not object:
            passed = tuple(_substituted(argument, given) for argument in get_args(base))
            inherited |= field_hints(origin, passed)
    own = inspect.get_annotations(kind)
    return {
        name: _substituted(hint, given) if name in own or name not in inherited else inherited[name]
        for name, hint in hints.items()
    }


@lru_cache(maxsize=1024)
def _own_hints(kind: type) -> Mapping[str, Any]:
    try:
        return get_type_hints(kind, include_extras=True)
    except Exception as error:
        raise PayloadError(
            f"the fields of {kind.__module__}.{kind.__qualname__} cannot be resolved ({error}): "
            "define or import the types that they name at the top of its module"
        ) from error


def _substituted(hint: Any, given: Mapping[Any, Any]) -> Any:
    if isinstance(hint, TypeVar):
        return given.get(hint, hint)
    parameters = getattr(hint, "__parameters__", ())
    if not given or not parameters or isinstance(hint, type):
        return hint
    return hint[tuple(given.get(parameter, parameter) for parameter in parameters)]
