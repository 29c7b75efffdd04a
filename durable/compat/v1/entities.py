"""`DurableEntityContext` as 1.x has it: what one-argument entity functions are called with."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from durable.compat.reading import hint
from durable.engine.entities import EntityContext
from durable.model.functions import UserFunction

_UNSET = object()


class DurableEntityContext:
    """One operation on one entity. What is native and not here is reached through
    `native_context`."""

    def __init__(self, context: EntityContext) -> None:
        self.native_context = context
        self._result: Any = _UNSET

    @property
    def entity_name(self) -> str:
        """The entity's name, in lower case."""
        return self.native_context.entity_id.name

    @property
    def entity_key(self) -> str:
        """The entity's key."""
        return self.native_context.entity_id.key

    @property
    def operation_name(self) -> str:
        """What the entity is to do."""
        return self.native_context.operation_name

    @property
    def is_newly_constructed(self) -> bool:
        """Whether the entity had no state when the operation began."""
        return self.native_context.is_newly_constructed

    def get_input(self, expected_type: Any = None) -> Any:
        """The operation's input, as `expected_type` where it fits; else plain JSON."""
        return self.native_context.get_input(hint(expected_type))

    def get_state(
        self, initializer: Callable[[], Any] | None = None, expected_type: Any = None
    ) -> Any:
        """The state, as `expected_type` where it fits; without one what `initializer()` gives,
        else None."""
        context = self.native_context
        if context.has_state:
            return context.get_state(hint(expected_type))
        if initializer is None:
            return None
        if not callable(initializer):
            raise TypeError("get_state: the initializer has to be a function without arguments")
        return initializer()

    def set_state(self, state: Any) -> None:
        """Keep a JSON value as the state; None is no state."""
        if state is None:
            self.native_context.delete_state()
        else:
            self.native_context.set_state(state)

    def set_result(self, result: Any) -> None:
        """What the caller gets; without it, what the function returns."""
        self._result = result

    def destruct_on_exit(self) -> None:
        """Delete the entity's state. One that is set afterwards counts."""
        self.native_context.delete_state()

    def resolve_result(self, returned: Any) -> Any:
        """What `set_result` was given last, else `returned`."""
        return returned if self._result is _UNSET else self._result


def entity_of(function: UserFunction) -> UserFunction:
    """A native entity function that runs a 1.x one."""
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def run_async(context: EntityContext) -> Any:
            shown = DurableEntityContext(context)
            return shown.resolve_result(await function(shown))

        return run_async

    @functools.wraps(function)
    def run(context: EntityContext) -> Any:
        shown = DurableEntityContext(context)
        return shown.resolve_result(function(shown))

    return run
