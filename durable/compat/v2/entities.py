"""`durabletask.entities`: ids, contexts, and entities as classes."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from datetime import datetime
from typing import Any

from durable.codec import annotation_of
from durable.compat.reading import lenient, wish
from durable.compat.v1.models import EntityId
from durable.engine.entity_calls import EntityLock
from durable.errors import EntityOperationFailedError, InvalidRequestError
from durable.model import entities

EntityOperationFailedException = EntityOperationFailedError


class UnknownOperationError(InvalidRequestError, AttributeError):
    """An entity's class does not have the operation."""


class EntityInstanceId(EntityId):
    """An entity's name (`entity`, kept in lower case) and key."""

    __slots__ = ()

    def __init__(self, entity: str, key: str) -> None:
        super().__init__(entity, key)

    __eq__ = EntityId.__eq__
    __hash__ = EntityId.__hash__

    @classmethod
    def of(cls, entity_id: entities.EntityId) -> EntityInstanceId:
        """The same id, with 2.x's names."""
        return cls(entity_id.name, entity_id.key)

    @classmethod
    def parse(cls, entity_id: str) -> EntityInstanceId:
        """From `@entity@key`; ValueError for anything else."""
        return cls.of(entities.EntityId.parse(entity_id))

    @staticmethod
    def validate_entity_name(name: str) -> None:
        """ValueError for a name that no entity can have."""
        EntityInstanceId(name, "key")

    @staticmethod
    def validate_key(key: str) -> None:
        """ValueError for a key that no entity can have."""
        EntityInstanceId("name", key)


class EntityContext:
    """One operation on one entity. What is native and not here is reached through
    `native_context`."""

    def __init__(self, context: Any) -> None:
        self.native_context = context

    @property
    def orchestration_id(self) -> str:
        """The entity's id as an instance: `@entity@key`."""
        return str(self.native_context.entity_id)

    @property
    def operation(self) -> str:
        """What the entity is to do."""
        return str(self.native_context.operation_name)

    @property
    def entity_id(self) -> EntityInstanceId:
        """Which entity this is."""
        return EntityInstanceId.of(self.native_context.entity_id)

    def get_state(self, intended_type: Any = None, default: Any = None) -> Any:
        """The state, as `intended_type`; `default` without one. TypeError for a state that is
        none of that type."""
        context = self.native_context
        state = context.get_state(wish(intended_type)) if context.has_state else default
        is_asked_for = context.has_state and isinstance(intended_type, type)
        if is_asked_for and not isinstance(state, intended_type):
            raise TypeError(f"the state is no {intended_type.__name__}: {state!r}")
        return state

    def set_state(self, new_state: Any) -> None:
        """Keep a JSON value as the state; None deletes the entity."""
        if new_state is None:
            self.native_context.delete_state()
        else:
            self.native_context.set_state(new_state)

    def signal_entity(
        self,
        entity_instance_id: entities.EntityId,
        operation: str,
        input: Any = None,
        signal_time: datetime | None = None,
    ) -> None:
        """Have another entity perform an operation, at `signal_time` at the earliest."""
        self.native_context.signal_entity(
            entity_instance_id, operation, input, signal_time=signal_time
        )

    def schedule_new_orchestration(
        self, orchestration_name: Any, input: Any = None, instance_id: str | None = None
    ) -> str:
        """Start an orchestration once the operation is stored; its id."""
        return str(self.native_context.start_new(orchestration_name, input, instance_id))


class DurableEntity:
    """Base of entities as classes: each operation is a method, taking the input or nothing.

    An object is made for each operation; what is to last goes through `get_state` and
    `set_state`. Operations named `delete` delete the entity, unless a subclass says otherwise.
    """

    entity_context: EntityContext

    def _initialize_entity_context(self, context: EntityContext) -> None:
        self.entity_context = context

    def get_state(self, intended_type: Any = None, default: Any = None) -> Any:
        """The state, as `intended_type`; `default` without one."""
        return self.entity_context.get_state(intended_type, default)

    def set_state(self, state: Any) -> None:
        """Keep a JSON value as the state; None deletes the entity."""
        self.entity_context.set_state(state)

    def signal_entity(
        self,
        entity_instance_id: entities.EntityId,
        operation: str,
        input: Any = None,
        signal_time: datetime | None = None,
    ) -> None:
        """Have another entity perform an operation, at `signal_time` at the earliest."""
        self.entity_context.signal_entity(entity_instance_id, operation, input, signal_time)

    def schedule_new_orchestration(
        self, orchestration_name: Any, input: Any = None, instance_id: str | None = None
    ) -> str:
        """Start an orchestration once the operation is stored; its id."""
        return self.entity_context.schedule_new_orchestration(
            orchestration_name, input, instance_id
        )

    def delete(self, input: Any = None) -> None:
        """Delete the entity."""
        self.set_state(None)


def operation_of(kind: type[DurableEntity], context: Any) -> tuple[Callable[..., Any], list[Any]]:
    """The method that performs the context's operation, and its arguments.
    UnknownOperationError for an operation that the class does not have."""
    operation = context.operation_name
    instance = kind()
    method = getattr(instance, operation, None)
    inherited = operation != "delete" and hasattr(DurableEntity, operation)
    if operation.startswith("_") or inherited or not callable(method):
        raise UnknownOperationError(f"entity {context.entity_id} has no operation {operation!r}")
    instance._initialize_entity_context(EntityContext(context))
    parameters = [
        each
        for each in inspect.signature(method).parameters.values()
        if each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)
    ]
    annotation = annotation_of(method, parameters[0].name) if parameters else None
    given = lenient(context.get_input, annotation)
    required = any(each.default is each.empty for each in parameters)
    return method, [given] if required or given is not None else []


__all__ = [
    "DurableEntity",
    "EntityContext",
    "EntityInstanceId",
    "EntityLock",
    "EntityOperationFailedException",
]
