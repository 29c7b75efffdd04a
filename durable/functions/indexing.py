"""The user's functions as the Functions host is shown them."""

from __future__ import annotations

import asyncio
import copy
import functools
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from azure.functions.decorators.function_app import Function, FunctionBuilder

from durable.errors import DefinitionError
from durable.functions import styles
from durable.functions.decorators import (
    DurableBuilder,
    durable_builder,
    forget,
    register,
    renamed,
)
from durable.functions.definitions import refuse, refuse_unfilled, unfilled
from durable.host import DurableApp
from durable.model.functions import ActivityDefinition, UserFunction
from durable.runtime.activities import called
from durable.settings import Settings

_DURABLE_TYPES = {
    "orchestrationtrigger",
    "activitytrigger",
    "entitytrigger",
    "durableclient",
    "orchestrationclient",
}


class Shown(FunctionBuilder):
    """A function as it is shown to the host."""

    def __init__(self, function: Function) -> None:
        self._function = function


def distinct(builders: Iterable[FunctionBuilder]) -> list[FunctionBuilder]:
    """Each function once, by its durable builder if it has one: blueprints and apps may have
    decorated it in turn."""
    found: dict[int, FunctionBuilder] = {}
    for builder in builders:
        found.setdefault(id(builder._function), durable_builder(builder) or builder)
    return list(found.values())


def settle(builder: DurableBuilder, durable: DurableApp) -> None:
    """Have the app's registry know an orchestrator, activity or entity by the name that it ended
    up with, and give an activity the clients that it asks for. DefinitionError for what cannot
    be."""
    definition, registry = builder.definition, durable.registry
    assert definition is not None
    check_durable(builder)
    name = definition.name if builder.has_own_name else builder.host_name
    settled = renamed(definition, name)
    if isinstance(settled, ActivityDefinition):
        settled = _with_clients(settled, builder, durable)
    if settled != definition:
        forget(registry, definition)
    register(registry, builder, settled)


def _with_clients(
    definition: ActivityDefinition, builder: DurableBuilder, durable: DurableApp
) -> ActivityDefinition:
    function, name = builder.user_function, definition.input_name
    parameters = [client.parameter for client in builder.clients]
    if definition.face is None and (others := unfilled(function, {name, *parameters})):
        refuse_unfilled(function, name, others)
    if not parameters or definition.function is not function:
        return definition
    return replace(definition, function=_with_client(function, _givers(builder), durable))


def shown(builder: FunctionBuilder, durable: DurableApp, settings: Settings) -> FunctionBuilder:
    """A function of the user's with its own trigger: the durable client hidden from the host,
    which would look for a binding, and given at each call."""
    if not isinstance(builder, DurableBuilder):
        return builder
    for client in builder.clients:
        _check_hub(builder, client.task_hub, settings.hub, "task_hub", settings)
        _check_hub(
            builder, client.connection_name, settings.connection_name, "connection_name", settings
        )
    function = copy.copy(builder.function)
    function._func = _with_client(builder.user_function, _givers(builder), durable)
    return Shown(function)


Giver = Callable[[Any], object]


def _givers(builder: DurableBuilder) -> dict[str, Giver | None]:
    """What makes the object for each parameter that a client goes to; None: the native client."""
    function = builder.user_function
    return {
        client.parameter: styles.first(
            ask(function, client.parameter) for ask in styles.CLIENT_FACES
        )
        for client in builder.clients
    }


def _with_client(
    function: UserFunction, givers: Mapping[str, Giver | None], durable: DurableApp
) -> UserFunction:
    is_async = inspect.iscoroutinefunction(function)

    @functools.wraps(function)
    async def call(*args: Any, **kwargs: Any) -> Any:
        client = await durable.client()
        given = {name: make(client) if make else client for name, make in givers.items()}
        if is_async:
            return await function(*args, **kwargs, **given)
        return await asyncio.to_thread(lambda: called(function, *args, **kwargs, **given))

    signature = inspect.signature(function)
    kept = [each for name, each in signature.parameters.items() if name not in givers]
    annotations = {
        name: each for name, each in function.__annotations__.items() if name not in givers
    }
    call.__annotations__ = annotations
    vars(call)["__signature__"] = signature.replace(parameters=kept)
    return call


def _check_hub(
    builder: DurableBuilder, wanted: str | None, actual: str, argument: str, settings: Settings
) -> None:
    if wanted and settings.resolve(wanted, argument).casefold() != actual.casefold():
        refuse(
            builder.user_function,
            f"asks for {argument}={wanted!r}, and this app has {actual!r}; an app has one hub",
        )


def check_durable(builder: DurableBuilder) -> None:
    """An orchestrator, activity or entity has no bindings of its own: it does not run under
    one."""
    for binding in builder.function.get_bindings():
        refuse(
            builder.user_function,
            f"is an orchestrator, activity or entity, and has the binding {binding.type!r} too; "
            "only its input reaches it, so write another function for that binding",
        )
    if builder.function.get_setting("retry_policy") is not None:
        refuse(
            builder.user_function,
            "has a retry policy of the host, which does not hold for orchestrators, activities "
            "and entities: give a durable.RetryPolicy to the call",
        )


def check_bindings(functions: Sequence[Function]) -> None:
    """DefinitionError for a binding that would load the .NET extension into the host."""
    for function in functions:
        for binding in function.get_bindings():
            if str(binding.type).casefold() in _DURABLE_TYPES:
                raise DefinitionError(
                    f"function {function.get_function_name()!r} has a binding of the type "
                    f"{binding.type!r}, which would start the Durable Functions extension; use "
                    "the decorators of durable.DFApp"
                )
