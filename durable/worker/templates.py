"""Route templates of HTTP triggers: `orders/{id:int}/{part?}`, `files/{*path}`, `v{n}-{name=x}`."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeGuard

from durable.worker.constraints import Constraint, constraint

_NAME = re.compile(r"\*{0,2}([^{}/:=?*()]+)")
_CONSTRAINT = re.compile(r":([A-Za-z]+)(?:\((.*?)\)(?=[:=?]|$))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Parameter:
    """A part in braces."""

    name: str
    constraints: tuple[Constraint, ...] = ()
    optional: bool = False
    default: str | None = None
    catch_all: bool = False

    @property
    def may_be_absent(self) -> bool:
        """Whether a path may end before it."""
        return self.optional or self.catch_all or self.default is not None

    def accepts(self, value: str) -> bool:
        """Whether the constraints hold."""
        return all(check(value) for check in self.constraints)


Segment = tuple[str | Parameter, ...]


class Template:
    """A parsed template. ValueError, in words for the user, when it cannot be parsed."""

    def __init__(self, text: str) -> None:
        self.text = text.strip("/")
        self._segments = list(_segments(self.text)) if self.text else []
        self._patterns = [tuple(_patterns(segment)) for segment in self._segments]
        self._parameters = [part for each in self._segments for part in each if _is_parameter(part)]
        names = [parameter.name.lower() for parameter in self._parameters]
        if len(set(names)) != len(names):
            raise ValueError("a parameter's name appears twice")
        for segment in self._segments[:-1]:
            if any(parameter.catch_all for parameter in segment if _is_parameter(parameter)):
                raise ValueError("a catch-all {*…} must be the last segment")

    @property
    def first_literal(self) -> str:
        """The text that every path of this template begins with, in lower case."""
        first = self._segments[0][0] if self._segments else ""
        return first.lower() if isinstance(first, str) else ""

    def match(self, path: Sequence[str]) -> dict[str, str] | None:
        """Values by parameter name, None when `path` (decoded segments) is not of this template.

        A parameter that is absent and has no default is missing from the result.
        """
        values: dict[str, str] = {}
        for index, (segment, patterns) in enumerate(
            zip(self._segments, self._patterns, strict=True)
        ):
            whole = segment[0]
            if index >= len(path):
                if len(segment) > 1 or isinstance(whole, str) or not whole.may_be_absent:
                    return None
                if whole.default is not None:
                    values[whole.name] = whole.default
                continue
            if not path[index]:
                return None
            if isinstance(whole, Parameter) and whole.catch_all:
                values[whole.name] = "/".join(path[index:])
                break
            matches = (pattern.fullmatch(path[index]) for pattern in patterns)
            found = next((match for match in matches if match is not None), None)
            if found is None:
                return None
            names = (part.name for part in segment if _is_parameter(part))
            # An optional last parameter may have no group.
            values.update(zip(names, found.groups(), strict=False))
        else:
            if len(path) > len(self._segments):
                return None
        checks = ((p, values.get(p.name)) for p in self._parameters)
        return values if all(v is None or p.accepts(v) for p, v in checks) else None


def _is_parameter(part: str | Parameter) -> TypeGuard[Parameter]:
    return isinstance(part, Parameter)


def _patterns(segment: Segment) -> Iterator[re.Pattern[str]]:
    """To be tried in turn. Groups are greedy: of several parameters the last takes the least."""
    text = ""
    for part in segment:
        text += "(.+)" if isinstance(part, Parameter) else re.escape(part)
    yield re.compile(text, re.IGNORECASE | re.DOTALL)
    *before, dot, last = ("", *segment)
    if isinstance(last, Parameter) and last.optional and isinstance(dot, str) and dot[-1:] == ".":
        yield from _patterns((*(part for part in before if part != ""), dot[:-1]))


def _segments(text: str) -> Iterator[Segment]:
    parts: list[str | Parameter] = []
    for part in _parts(text):
        if part == "/":
            yield _checked(parts)
            parts = []
        else:
            parts.append(part)
    yield _checked(parts)


def _checked(parts: list[str | Parameter]) -> Segment:
    if not parts:
        raise ValueError("there is an empty segment (//)")
    for before, after in itertools.pairwise(parts):
        if isinstance(before, Parameter) and isinstance(after, Parameter):
            raise ValueError("two parameters need text between them")
    if len(parts) > 1 and any(part.catch_all for part in parts if _is_parameter(part)):
        raise ValueError("a catch-all {*…} must be a segment of its own")
    return tuple(parts)


def _parts(text: str) -> Iterator[str | Parameter]:
    """Literals, parameters, and "/" between segments."""
    literal = ""
    index = 0
    while index < len(text):
        char = text[index]
        if text[index : index + 2] in ("{{", "}}"):
            literal += char
            index += 2
        elif char == "}":
            raise ValueError("a } has no partner; write }} for the character")
        elif char in "{/":
            if literal:
                yield literal
                literal = ""
            if char == "/":
                yield "/"
                index += 1
            else:
                inner, index = _braced(text, index + 1)
                yield _parameter(inner)
        else:
            literal += char
            index += 1
    if literal:
        yield literal


def _braced(text: str, start: int) -> tuple[str, int]:
    inner, index = "", start
    while index < len(text):
        if text[index : index + 2] in ("{{", "}}"):
            inner += text[index]
            index += 2
        elif text[index] == "}":
            return inner, index + 1
        elif text[index] == "{":
            break
        else:
            inner += text[index]
            index += 1
    raise ValueError("a { has no partner; write {{ for the character")


def _parameter(inner: str) -> Parameter:
    name = _NAME.match(inner)
    if name is None:
        raise ValueError(f"{{{inner}}} has no name")
    constraints = []
    index = name.end()
    while found := _CONSTRAINT.match(inner, index):
        constraints.append(constraint(found[1].lower(), found[2]))
        index = found.end()
    rest = inner[index:]
    default = rest[1:] if rest.startswith("=") else None
    optional = default is None and rest == "?"
    if rest and default is None and not optional:
        raise ValueError(f"{{{inner}}} cannot be understood from {rest!r} on")
    if default is not None and default.endswith("?"):
        raise ValueError(f"{{{inner}}} has a default, so it cannot be optional too")
    return Parameter(name[1], tuple(constraints), optional, default, inner.startswith("*"))
