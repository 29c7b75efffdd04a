"""What a function that is called by reference may look like, to a type checker.

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
