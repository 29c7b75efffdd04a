"""The durable decorators, beside those of azure-functions."""

from __future__ import annotations

import copy
import inspect
from abc import ABC
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, NoReturn, TypeVar, cast

from azure.functions import AuthLevel
from azure.functions.decorators.function_app import DecoratorApi, Function, FunctionBuilder

from durable.functions import styles
from durable.functions.builtin import BuiltinApi
from durable.functions.definitions import (
    check_activity,
    check_called,
    check_client,
    check_entity,
    check_host_name,
    check_limits,
    check_orchestrator,
    check_process,
    refuse,
    refuse_unfilled,
    unfilled,
)
from durable.host import DurableApp
from durable.model.functions import (
    NAME_ATTRIBUTE,
    ActivityDefinition,
    Definition,
    EntityDefinition,
    OrchestratorDefinition,
    Registry,
    UserFunction,
)
from durable.model.limits import NO_LIMITS, Limits, RateLimit

F = TypeVar("F", bound=Callable[..., Any])
BUILDER = "__durable_builder__"
"""Set on azure-functions' Function to its DurableBuilder; other builders of it may come before."""

_TESTED = {
    OrchestratorDefinition: "orchestrator_function",
    EntityDefinition: "entity_function",
}
"""Where unit tests of Durable Functions apps find the plain function, on the built one."""


@dataclass(frozen=True, slots=True)
class ClientInput:
    """A parameter that gets the durable client, and the hub that the author expects."""

    parameter: str
    task_hub: str | None
    connection_name: str | None


class DurableBuilder(FunctionBuilder):
    """A decorated function with a durable part; called, it is the function that was decorated.

    Only a DFApp knows how to show it to the Functions host, when it is indexed.
    """

    def __init__(self, builder: FunctionBuilder) -> None:
        self._function: Function = builder._function
        vars(self._function)[BUILDER] = self
        self.definition: Definition | None = None
        self.has_own_name = False
        self.clients: tuple[ClientInput, ...] = ()

    @property
    def user_function(self) -> UserFunction:
        """What was decorated."""
        return self._function.get_user_function()

    @property
    def function(self) -> Function:
        """Name, trigger, bindings and settings so far."""
        return self._function

    @property
    def host_name(self) -> str:
        """What `function_name` said, else the name of the function."""
        return self._function.get_function_name() or self.user_function.__name__

    def build(self, auth_level: AuthLevel | None = None) -> Function:
        """Without a level, as unit tests call it: the function, which has its plain form as
        `orchestrator_function`, `entity_function` or `client_function`. With one it is refused:
        what indexes it is no DFApp."""
        plain = self.user_function
        if auth_level is not None:
            refuse(
                plain,
                "is a durable function in an app that is not durable: create the app with "
                "durable.DFApp() in the place of func.FunctionApp()",
            )
        if not isinstance(self.definition, ActivityDefinition):
            setattr(plain, _TESTED.get(type(self.definition), "client_function"), plain)
        return copy.copy(self._function)


class DurableApi(BuiltinApi, DecoratorApi, ABC):
    """Registers durable functions in `durable.registry`; for apps and blueprints."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        initialise: Callable[..., None] = super().__init__
        initialise(*args, **kwargs)
        self.durable = DurableApp()

    def orchestration_trigger(
        self, context_name: str, orchestration: str | None = None, input_type: Any = None
    ) -> Callable[[F], F]:
        """Register an orchestrator: `async def` with await, or `def` with yield.

        `context_name` is its only parameter, unless it takes `(context, input)`. Its name is
        `orchestration`, else that of `function_name`, else the function's own. `input_type` is
        what its input is given as. Raises DefinitionError.
        """

        check_called(context_name, "orchestration_trigger", 'context_name="context"')

        def define(builder: DurableBuilder) -> None:
            function = builder.user_function
            check_orchestrator(function, context_name)
            builder.has_own_name = orchestration is not None
            name = builder.host_name if orchestration is None else orchestration
            face = styles.first(ask(function, input_type) for ask in styles.ORCHESTRATOR_FACES)
            self._define(builder, OrchestratorDefinition(name, function, face))

        return self._durable(define)

    def activity_trigger(
        self,
        input_name: str,
        activity: str | None = None,
        *,
        queued: bool = False,
        timeout: timedelta | None = None,
        heartbeat_timeout: timedelta | None = None,
        process: bool = False,
        concurrency: int | None = None,
        rate: RateLimit | None = None,
        key_concurrency: int | None = None,
        priority_enabled: bool = False,
    ) -> Callable[[F], F]:
        """Register an activity, sync (it runs in a thread) or `async def` (on the event loop).

        `input_name` is the parameter that its input goes to, unless it takes `(context, input)`.
        Its name is `activity`, else that of `function_name`, else the function's own. A `queued`
        activity always goes through its queue, even where it could run next to its orchestrator.

        An attempt fails that runs for longer than `timeout`, or gives no
        `activity_context().heartbeat()` for longer than `heartbeat_timeout`; a call's own go
        before these. A sync activity with `process` runs in a process of the worker's pool, which
        imports its module: for work that keeps a processor busy.

        Over all workers of the hub, `concurrency` says how many of its calls run at once, `rate`
        how often they begin, and `key_concurrency` how many run at once that were called with the
        same `key`. With `priority_enabled`, calls may have a `priority`. Each of them makes it
        `queued`. Raises DefinitionError.
        """
        check_called(input_name, "activity_trigger", 'input_name="…"')
        stated = Limits(concurrency, rate, key_concurrency, priority_enabled)
        limits = None if stated == NO_LIMITS else stated

        def define(builder: DurableBuilder) -> None:
            function = builder.user_function
            face = styles.first(ask(function, input_name) for ask in styles.ACTIVITY_FACES)
            if face is None:
                check_activity(function, input_name)
                others = unfilled(function, {input_name})
                # a client that a decorator above asks for may fill what follows the input
                if others and next(iter(inspect.signature(function).parameters)) != input_name:
                    refuse_unfilled(function, input_name, others)
            else:
                check_activity(function, list(inspect.signature(function).parameters)[1])
            builder.has_own_name = activity is not None
            name = builder.host_name if activity is None else activity
            check_host_name(function, name)
            check_limits(function, timeout=timeout, heartbeat_timeout=heartbeat_timeout)
            if process:
                check_process(function, has_face=face is not None)
            if stated.problem is not None:
                refuse(function, stated.problem)
            definition = ActivityDefinition(
                name,
                function,
                input_name,
                queued or limits is not None,
                face,
                timeout=timeout,
                heartbeat_timeout=heartbeat_timeout,
                process=process,
                limits=limits,
            )
            self._define(builder, definition)

        return self._durable(define)

    def entity_trigger(self, context_name: str, entity_name: str | None = None) -> Callable[[F], F]:
        """Register an entity: a function of the context, or of `(context, input)`, or a class
        whose methods are the operations.

        Its name is `entity_name`, else that of `function_name`, else the function's own; case
        does not matter. Raises DefinitionError.
        """

        check_called(context_name, "entity_trigger", 'context_name="context"')

        def define(builder: DurableBuilder) -> None:
            function = builder.user_function
            check_entity(function, context_name)
            builder.has_own_name = entity_name is not None
            name = builder.host_name if entity_name is None else entity_name
            run = styles.first(ask(function) for ask in styles.ENTITY_FACES)
            self._define(builder, EntityDefinition(name.lower(), run or function))

        return self._durable(define)

    def durable_client_input(
        self,
        client_name: str,
        task_hub: str | None = None,
        connection_name: str | None = None,
    ) -> Callable[[F], F]:
        """Give the parameter `client_name` a client of this app's hub.

        A coroutine function that names DurableOrchestrationClient there gets it; any other gets
        the client of Durable Functions' names, a plain function the one whose methods block.
        `task_hub` and `connection_name`, maybe as `%SETTING%`, are checked against the app's
        when it is indexed: an app has one hub. Raises DefinitionError.
        """

        check_called(client_name, "durable_client_input", 'client_name="client"')

        def define(builder: DurableBuilder) -> None:
            check_client(builder.user_function, client_name)
            if isinstance(builder.definition, OrchestratorDefinition | EntityDefinition):
                _refuse_client(builder)
            builder.clients += (ClientInput(client_name, task_hub, connection_name),)

        return self._durable(define)

    def function_name(
        self, name: str, setting_extra_fields: dict[str, Any] | None = None
    ) -> Callable[..., Any]:
        """As in azure-functions; also the name of an orchestrator or activity that has no
        explicit one."""
        decorate = super().function_name(name, setting_extra_fields)

        def decorator(function: Any) -> Any:
            builder = decorate(function)
            if isinstance(builder, DurableBuilder) and not builder.has_own_name:
                self._rename(builder, name)
            return builder

        return decorator

    def _durable(self, define: Callable[[DurableBuilder], None]) -> Callable[[F], F]:
        @self._configure_function_builder
        def durable(builder: FunctionBuilder) -> FunctionBuilder:
            if not isinstance(builder, DurableBuilder):
                builder = durable_builder(builder) or DurableBuilder(builder)
                self._function_builders[-1] = builder
            define(builder)
            return builder

        def decorator(function: F) -> F:
            if not isinstance(function, FunctionBuilder) and not hasattr(function, "__name__"):
                refuse(function, f"only functions can be decorated, not {type(function).__name__}")
            return cast(F, durable(function))

        return decorator

    def _validate_type(self, func: Any) -> FunctionBuilder:
        """azure-functions takes the last builder of its own for any that it is given."""
        if isinstance(func, FunctionBuilder):
            if func in self._function_builders:
                self._function_builders.remove(func)
            return func
        return super()._validate_type(func)

    def _define(self, builder: DurableBuilder, definition: Definition) -> None:
        if builder.clients and not isinstance(definition, ActivityDefinition):
            _refuse_client(builder)
        if builder.definition is not None:
            refuse(builder.user_function, "is decorated as a durable function twice")
        register(self.durable.registry, builder, definition)

    def _rename(self, builder: DurableBuilder, name: str) -> None:
        definition = builder.definition
        if definition is not None:
            if isinstance(definition, ActivityDefinition):
                check_host_name(builder.user_function, name)
            forget(self.durable.registry, definition)
            register(self.durable.registry, builder, renamed(definition, name))


def durable_builder(builder: FunctionBuilder) -> DurableBuilder | None:
    """The durable builder of the same function, whichever was decorated first."""
    found: DurableBuilder | None = vars(builder._function).get(BUILDER)
    return found


def register(registry: Registry, builder: DurableBuilder, definition: Definition) -> None:
    """Make it the builder's, and known by its name. DefinitionError when the name is taken."""
    registry.add(definition)
    builder.definition = definition
    for function in {definition.function, builder.user_function}:
        setattr(function, NAME_ATTRIBUTE, definition.name)


def forget(registry: Registry, definition: Definition) -> None:
    """Take a definition out again."""
    for known in (registry.orchestrators, registry.activities, registry.entities):
        if known.get(definition.name) is definition:
            del known[definition.name]


def renamed(definition: Definition, name: str) -> Definition:
    """The same function under another name."""
    lower = isinstance(definition, EntityDefinition)
    return replace(definition, name=name.lower() if lower else name)


def _refuse_client(builder: DurableBuilder) -> NoReturn:
    refuse(
        builder.user_function,
        "is an orchestrator or entity, which can have no durable client: start other "
        "orchestrations from an orchestrator with call_sub_orchestrator, from an entity with "
        "start_new",
    )
