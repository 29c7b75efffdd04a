"""Which style a function is written in, by its shape; asked through `durable.functions.styles`.

| function                                 | style                                  |
| ---------------------------------------- | -------------------------------------- |
| `async def`, one argument                | native                                 |
| an entity of one `durable.EntityContext` | native                                 |
| generator or plain function, one argument| 1.x                                    |
| two arguments, `(context, input)`        | 2.x                                    |
| two, the first a                         | native, with the input as its          |
| `durable.DurableOrchestrationContext`    | annotation says                        |
| a class, for entities                    | 2.x: operations are methods            |

A parameter for a client gets the class that it is annotated with; a plain function gets one
whose methods block. Without an annotation it is Durable Functions' client.

The styles are imported when the first function asks for them.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from durable.codec import annotation_of, decode
from durable.compat.reading import input_annotation, lenient, remember
from durable.engine.context import DurableOrchestrationContext as NativeContext
from durable.engine.entities import EntityContext as NativeEntityContext
from durable.model.functions import Face, UserFunction


def positional(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """The parameters that can be given by position; `*args` counts as two."""
    found: list[inspect.Parameter] = []
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return found
    for each in parameters:
        if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD):
            found.append(each)
        elif each.kind is each.VAR_POSITIONAL:
            found += [each, each]
    return found


def orchestrator_face(function: UserFunction, input_type: Any) -> Face | None:
    """1.x for one argument that is no `async def`, 2.x for two, unless the first is annotated as
    the native context."""
    remember(function)
    parameters = positional(function)
    if len(parameters) >= 2:
        if annotation_of(function, parameters[0].name) is NativeContext:
            return _native_orchestrator(function, parameters[1], input_type)
        return _two_argument_orchestrator(function, input_type)
    if inspect.iscoroutinefunction(function) and input_type is None:
        return None
    from durable.compat.v1.context import DurableOrchestrationContext

    return lambda decider: (DurableOrchestrationContext(decider, input_type),)


def _native_orchestrator(
    function: UserFunction, parameter: inspect.Parameter, input_type: Any
) -> Face:
    """A start without an input gives the parameter's default or, without one, null."""

    def face(decider: Any) -> tuple[object, ...]:
        context, text = NativeContext(decider), decider.input
        if text is None and parameter.default is not parameter.empty:
            return (context,)
        expected = input_type if input_type is not None else annotation_of(function, parameter.name)
        return context, decode("null" if text is None else text, expected)

    return face


def _two_argument_orchestrator(function: UserFunction, input_type: Any) -> Face:
    from durable.compat.v2.context import OrchestrationContext

    annotation = input_type if input_type is not None else input_annotation(function)

    def face(decider: Any) -> tuple[object, ...]:
        context = NativeContext(decider)
        read = functools.partial(decode, decider.input)
        return OrchestrationContext(context), lenient(read, annotation)

    return face


def activity_face(function: UserFunction, input_name: str) -> Face | None:
    """2.x for two required arguments of which the first is not the input; else native, with an
    invocation's context if the second is called so."""
    remember(function)
    required = [each for each in positional(function) if each.default is each.empty]
    if [each.name for each in required] == [input_name, "context"]:
        return _activity_with_invocation(function, input_name)
    if len(required) != 2 or required[0].name == input_name:
        return None
    from durable.compat.v2.task import ActivityContext

    annotation = annotation_of(function, required[1].name)

    def face(context: Any, text: str | None) -> tuple[object, ...]:
        value = lenient(functools.partial(decode, text), annotation)
        return ActivityContext(context.instance_id, context.task_id), value

    return face


def _activity_with_invocation(function: UserFunction, input_name: str) -> Face:
    """For the parameter `context`, which functions of any trigger may have."""
    from durable.worker.context import InvocationContext

    annotation = annotation_of(function, input_name)

    def face(context: Any, text: str | None) -> tuple[object, ...]:
        return decode(text, annotation), InvocationContext(context.activity, context.activity)

    return face


def entity_face(function: Any) -> UserFunction | None:
    """1.x for one argument that is no `async def`, 2.x for two and for classes."""
    if isinstance(function, type):
        return _class_entity(function)
    if len(positional(function)) >= 2:
        return _two_argument_entity(function)
    if inspect.iscoroutinefunction(function) or _wants_native_entity(function):
        return None
    from durable.compat.v1.entities import entity_of

    return entity_of(function)


def _wants_native_entity(function: UserFunction) -> bool:
    """Whether its parameter is annotated as the native context."""
    return any(
        annotation_of(function, each.name) is NativeEntityContext for each in positional(function)
    )


def _class_entity(kind: type[Any]) -> UserFunction:
    from durable.compat.v2.entities import DurableEntity, operation_of
    from durable.functions.definitions import refuse

    if not issubclass(kind, DurableEntity):
        refuse(kind, "is a class, and an entity as a class derives from DurableEntity")

    def run(context: Any) -> Any:
        method, arguments = operation_of(kind, context)
        return method(*arguments)

    run.__name__, run.__doc__ = kind.__name__, kind.__doc__
    vars(run)["__durable_entity__"] = kind
    return run


def _two_argument_entity(function: UserFunction) -> UserFunction:
    from durable.compat.v2.entities import EntityContext

    annotation = input_annotation(function)

    def arguments(context: Any) -> tuple[Any, Any]:
        return EntityContext(context), lenient(context.get_input, annotation)

    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def run_async(context: Any) -> Any:
            return await function(*arguments(context))

        return run_async

    @functools.wraps(function)
    def run(context: Any) -> Any:
        return function(*arguments(context))

    return run


def client_face(function: UserFunction, parameter: str) -> Callable[[Any], object] | None:
    """What makes a client of Durable Functions' from the native one; that has all that the
    native one has."""
    from durable.compat.client import DurableFunctionsClient
    from durable.compat.sync_client import SyncDurableFunctionsClient, TaskHubGrpcClient
    from durable.compat.task_hub_client import AsyncTaskHubGrpcClient

    wanted = annotation_of(function, parameter)
    if not inspect.iscoroutinefunction(function):
        return SyncDurableFunctionsClient
    if isinstance(wanted, type):
        if issubclass(wanted, TaskHubGrpcClient):
            return SyncDurableFunctionsClient
        if issubclass(wanted, AsyncTaskHubGrpcClient):
            return wanted if issubclass(wanted, DurableFunctionsClient) else DurableFunctionsClient
    return DurableFunctionsClient
