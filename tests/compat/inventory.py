"""The public names of the packages that `durable.compat` stands for, held against its modules."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any

NAMES = Path(__file__).resolve().parent / "names.txt"
_LINE = re.compile(r"  (?P<path>[\w.]+)(?P<again> \^)?(\((?P<parameters>.*)\))?")


@dataclass(frozen=True)
class Name:
    """`path` is `name` or `Class.member`; `parameters` is None for what is not called."""

    path: str
    parameters: tuple[str, ...] | None
    is_taken_over: bool = False
    """Whether a package has it from one of its modules."""

    @property
    def top(self) -> str:
        return self.path.partition(".")[0]


Module = dict[str, list[Name]]
"""The names of a module by their first part, a class with its members."""


def read() -> dict[str, dict[str, Module]]:
    """All of `names.txt`: packages, their modules, their names."""
    packages: dict[str, dict[str, Module]] = {}
    for line in NAMES.read_text().splitlines():
        if line.startswith("# "):
            modules = packages.setdefault(line.removeprefix("# "), {})
        elif not line.startswith(" "):
            module = modules.setdefault(line, {})
        else:
            found = _LINE.fullmatch(line)
            assert found, line
            given = found["parameters"]
            parameters = None if given is None else tuple(filter(None, given.split(", ")))
            name = Name(found["path"], parameters, found["again"] is not None)
            module.setdefault(name.top, []).append(name)
    return packages


def lookup(module: str, name: str) -> Any:
    """Theirs, as an app imports it. ImportError or AttributeError without it."""
    return getattr(importlib.import_module(module), name)


def differences(module: str, names: list[Name]) -> Iterator[str]:
    """What of a name is missing, by the member's name, or has other parameters."""
    ours = lookup(module, names[0].top)
    for name in names:
        member = name.path.partition(".")[2]
        surface = ours
        if member and not _has(ours, member):
            # a blocking client passes on to the one that it blocks for
            surface = getattr(ours, "_asynchronous", ours)
            if not _has(surface, member):
                yield member
                continue
        if name.parameters is not None and not (
            _accepts(getattr(surface, member, None) if member else ours, name.parameters)
        ):
            yield f"{member or name.top}()"


def _has(surface: Any, member: str) -> bool:
    if isinstance(surface, type) and issubclass(surface, Enum):
        return member in surface.__members__
    return hasattr(surface, member) or member in _attributes(surface)


@cache
def _attributes(kind: Any) -> frozenset[str]:
    """What a class's objects have that the class does not: fields, and what methods assign."""
    found: set[str] = set()
    for each in inspect.getmro(kind) if isinstance(kind, type) else ():
        found |= set(vars(each).get("__annotations__", ()))
        if each.__module__.startswith("durable"):
            for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(each)))):
                if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                    found.add(node.attr)
    return frozenset(found)


def _accepts(function: Any, parameters: tuple[str, ...]) -> bool:
    """Whether a call that theirs takes is one that ours takes: the same positions, the same
    keywords, nothing more that is required."""
    if isinstance(function, type) and issubclass(function, Enum):
        return True
    try:
        ours = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return False
    if not isinstance(function, type) and ours and ours[0].name == "self":
        ours = ours[1:]
    kinds = {each.kind for each in ours}
    positional = [each for each in ours if each.kind is each.POSITIONAL_OR_KEYWORD]
    named = {
        each.name for each in ours if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)
    }
    wanted: set[str] = set()
    by_keyword = False
    for at, text in enumerate(parameters):
        name = text.rstrip("=")
        if name.startswith("*"):
            by_keyword = True
            continue
        wanted.add(name)
        if name not in named and inspect.Parameter.VAR_KEYWORD not in kinds:
            return False
        if not by_keyword and (
            (at >= len(positional) or positional[at].name != name)
            and inspect.Parameter.VAR_POSITIONAL not in kinds
        ):
            return False
    optional = {text.rstrip("=") for text in parameters if text.endswith("=")}
    return all(
        each.default is not each.empty or each.kind in (each.VAR_POSITIONAL, each.VAR_KEYWORD)
        for each in ours
        if each.name not in wanted - optional
    )
