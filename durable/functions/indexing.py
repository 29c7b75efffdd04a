"""The user's functions as the Functions host is shown them."""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Sequence
from typing import Any

from azure.functions.decorators.function_app import Function, FunctionBuilder

from durable.errors import DefinitionError
from durable.functions.decorators import DurableBuilder
from durable.functions.definitions import refuse
from durable.host import DurableApp
from durable.model.functions import UserFunction
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


def shown(builder: FunctionBuilder, durable: DurableApp, settings: Settings) -> FunctionBuilder:
    """A function of the user's with its own trigger: the durable client hidden from the host,
    which would look for a binding, and given at each call."""
    if not isinstance(builder, DurableBuilder):
        return builder
    clients = [client.parameter for client in builder.clients]
    for client in builder.clients:
        _check_hub(builder, client.task_hub, settings.hub, "task_hub", settings)
        _check_hub(
            builder, client.connection_name, settings.connection_name, "connection_name", settings
        )
    function = copy.copy(builder.function)
    function._func = _with_client(builder.user_function, clients, durable)
    return Shown(function)


def _with_client(
    function: UserFunction, parameters: Sequence[str], durable: DurableApp
) -> UserFunction:
    @functools.wraps(function)
    async def call(*args: Any, **kwargs: Any) -> Any:
        client = await durable.client()
        return await function(*args, **kwargs, **dict.fromkeys(parameters, client))

    signature = inspect.signature(function)
    kept = [each for name, each in signature.parameters.items() if name not in parameters]
    annotations = {
        name: each for name, each in function.__annotations__.items() if name not in parameters
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
    """An orchestrator or activity has no bindings of its own: it does not run under one."""
    for binding in builder.function.get_bindings():
        refuse(
            builder.user_function,
            f"is an orchestrator or activity, and has the binding {binding.type!r} too; only its "
            "input reaches it, so write another function for that binding",
        )
    if builder.function.get_setting("retry_policy") is not None:
        refuse(
            builder.user_function,
            "has a retry policy of the host, which does not hold for orchestrators and "
            "activities: give a durable.RetryPolicy to the call",
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
