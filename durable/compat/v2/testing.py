"""`azure.durable_functions.testing`: one operation of an entity, without a hub."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from durable.codec import decode, encode
from durable.compat.faces import entity_face
from durable.compat.v2.entities import EntityInstanceId
from durable.compat.v2.task import get_entity_name
from durable.engine.entities import EntityExecution
from durable.model.events import (
    Arrival,
    EntityOperation,
    EntityOperationSignaled,
    SubOrchestrationInstanceCreated,
)
from durable.model.functions import user_function


@dataclass(frozen=True)
class EntitySignalAction:
    """A signal that the operation sends. `scheduled_time` is in UTC, None for now."""

    entity_id: EntityInstanceId
    operation: str
    serialized_input: str | None = field(repr=False, default=None)
    scheduled_time: datetime | None = None

    def get_input(self, expected_type: Any = None) -> Any:
        """The signal's input, as plain JSON or as `expected_type`."""
        return decode(self.serialized_input, expected_type)


@dataclass(frozen=True)
class OrchestrationStartAction:
    """An orchestration that the operation starts."""

    name: str
    instance_id: str
    serialized_input: str | None = field(repr=False, default=None)

    def get_input(self, expected_type: Any = None) -> Any:
        """The orchestration's input, as plain JSON or as `expected_type`."""
        return decode(self.serialized_input, expected_type)


EntityAction = EntitySignalAction | OrchestrationStartAction


@dataclass(frozen=True)
class EntityTestResult:
    """What came of an operation; `actions` are in the order in which it asked for them."""

    serialized_result: str | None = field(repr=False, default=None)
    serialized_state: str | None = field(repr=False, default=None)
    actions: tuple[EntityAction, ...] = ()

    def get_result(self, expected_type: Any = None) -> Any:
        """What the caller gets, as plain JSON or as `expected_type`."""
        return decode(self.serialized_result, expected_type)

    def get_state(self, expected_type: Any = None) -> Any:
        """The entity's state afterwards, None without one."""
        return decode(self.serialized_state, expected_type)


def execute_entity(
    entity: Any,
    operation: str,
    input: Any = None,
    state: Any = None,
    *,
    entity_name: str | None = None,
    entity_key: str = "test",
) -> EntityTestResult:
    """Perform one operation of an entity of any style, decorated or not, on a state.

    It is named `entity_name`, else as it was registered, else as its function or class. Raises
    what the entity raises, AttributeError for an operation that a class does not have, TypeError
    for what is no entity, and PayloadError for what has no JSON form.
    """
    function = user_function(entity)
    if function is None:
        raise TypeError(f"an entity is a function or a class, not {type(entity).__name__}")
    entity_id = EntityInstanceId(entity_name or get_entity_name(function), entity_key)
    execution = EntityExecution(
        str(entity_id), "test", 0, None if state is None else encode(state), None, ()
    )
    text = None if input is None else encode(input)
    request = EntityOperation("test", operation, text)
    execution.begin([("test", Arrival(request))], datetime.now(UTC))
    performed = execution.next()
    assert performed is not None
    context = execution.context(performed)
    result = _returned(entity_face(function) or function, context)
    encoded = None if result is None else encode(result)
    execution.settle(performed, context, encoded, None)
    decisions = execution.commit("test").turn.events
    return EntityTestResult(encoded, execution.state, tuple(map(_action, decisions)))


def _returned(function: Callable[..., Any], context: Any) -> Any:
    returned = function(context)
    if not inspect.iscoroutine(returned):
        return returned
    # the test may run on an event loop of its own
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, returned).result()


def _action(decision: Any) -> EntityAction:
    text: Any = decision.input
    match decision:
        case EntityOperationSignaled():
            return EntitySignalAction(
                EntityInstanceId.parse(decision.entity_id),
                decision.operation,
                text,
                decision.due,
            )
        case SubOrchestrationInstanceCreated():
            return OrchestrationStartAction(decision.name, decision.instance_id, text)
    raise TypeError(f"an entity does not decide on a {type(decision).__name__}")


__all__ = [
    "EntityAction",
    "EntitySignalAction",
    "EntityTestResult",
    "OrchestrationStartAction",
    "execute_entity",
]
