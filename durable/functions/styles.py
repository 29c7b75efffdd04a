"""Which style a decorated function is written in, and what it is called with.

The lists hold a question each: given the decorated function, what are its arguments made with?
The first that answers wins; when none does, the function gets what native code gets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

from durable.model.functions import Face, UserFunction

if TYPE_CHECKING:
    from durable.exporting import HistoryWriter

A = TypeVar("A")

ORCHESTRATOR_FACES: list[Callable[[UserFunction, Any], Face | None]] = []
"""Asked with the function and the declared type of its input (None: not declared)."""

ACTIVITY_FACES: list[Callable[[UserFunction, str], Face | None]] = []
"""Asked with the function and the name of its input's parameter."""

ENTITY_FACES: list[Callable[[Any], UserFunction | None]] = []
"""Asked with the function or class; they answer a native entity function that runs it."""

CLIENT_FACES: list[Callable[[UserFunction, str], Callable[[Any], object] | None]] = []
"""Asked with the function and the client's parameter; they answer what makes the object to pass
from the native client."""

WRITER_FACES: list[Callable[[object], HistoryWriter | None]] = []
"""Asked with what history export is to write by; they answer a native writer around it."""


def first(answers: Iterable[A | None]) -> A | None:
    """The first answer that is one."""
    return next((answer for answer in answers if answer is not None), None)
