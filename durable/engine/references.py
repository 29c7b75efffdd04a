"""What a function that is called by reference may look like, to a type checker, and what it
returns.

| the function                                         | its input            |
| ---------------------------------------------------- | -------------------- |
| `activity(input)`                                    | its only parameter   |
| `activity(context: ActivityContext, input)`          | the second           |
| `activity(input, client, …)`                         | the first            |
| `orchestrator(context, input)`                       | the second           |
| `orchestrator(context)`                              | not said: any object |
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from typing import TYPE_CHECKING, Any, Concatenate, TypeVar

from durable.codec import return_annotation_of
from durable.model.functions import user_function

if TYPE_CHECKING:
    from durable.compat.v2.task import ActivityContext

In = TypeVar("In")
R = TypeVar("R")

AsyncActivity = Callable[[In], Awaitable[R]] | Callable[["ActivityContext", In], Awaitable[R]]
Activity = Callable[[In], R] | Callable[["ActivityContext", In], R]
AsyncActivityWithMore = Callable[Concatenate[In, Any, ...], Awaitable[R]]
ActivityWithMore = Callable[Concatenate[In, Any, ...], R]

Orchestrator = Callable[[Any, In], Awaitable[R]] | Callable[[Any, In], Generator[Any, Any, R]]
OrchestratorOfContext = Callable[[Any], Awaitable[R]] | Callable[[Any], Generator[Any, Any, R]]


def result_type(reference: object) -> Any:
    """What the function says that it returns; None for a name alone."""
    function = None if isinstance(reference, str) else user_function(reference)
    return None if function is None else return_annotation_of(function)
