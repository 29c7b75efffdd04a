"""The durable decorators, beside those of azure-functions."""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NoReturn, TypeVar, cast

from azure.functions import AuthLevel
from azure.functions.decorators.function_app import DecoratorApi, Function, FunctionBuilder

from durable.functions.definitions import (
    check_activity,
    check_client,
    check_host_name,
    check_orchestrator,
    refuse,
)
from durable.host import DurableApp
from durable.model.functions import (
    NAME_ATTRIBUTE,
    ActivityDefinition,
    OrchestratorDefinition,
    UserFunction,
)

F = TypeVar("F", bound=Callable[..., Any])
Definition = OrchestratorDefinition | ActivityDefinition


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
        """Refused: what indexes it is no DFApp."""
        refuse(
            self.user_function,
            "is a durable function in an app that is not durable: create the app with "
            "durable.DFApp() in the place of func.FunctionApp()",
        )


class DurableApi(DecoratorApi, ABC):
    """Registers durable functions in `durable.registry`; for apps and blueprints."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        initialise: Callable[..., None] = super().__init__
        initialise(*args, **kwargs)
        self.durable = DurableApp()

    def orchestration_trigger(
        self, context_name: str, orchestration: str | None = None
    ) -> Callable[[F], F]:
        """Register an orchestrator: `async def` with await, or `def` with yield.

        `context_name` is its only parameter. Its name is `orchestration`, else that of
        `function_name`, else the function's own. Raises DefinitionError.
        """

        def define(builder: DurableBuilder) -> None:
            check_orchestrator(builder.user_function, context_name)
            builder.has_own_name = orchestration is not None
            name = builder.host_name if orchestration is None else orchestration
            self._define(builder, OrchestratorDefinition(name, builder.user_function))

        return self._durable(define)

    def activity_trigger(
        self, input_name: str, activity: str | None = None, *, queued: bool = False
    ) -> Callable[[F], F]:
        """Register an activity, sync (it runs in a thread) or `async def` (on the event loop).

        `input_name` is the parameter that its input goes to. Its name is `activity`, else that
        of `function_name`, else the function's own. A `queued` activity always goes through its
        queue, even where it could run next to its orchestrator. Raises DefinitionError.
        """

        def define(builder: DurableBuilder) -> None:
            function = builder.user_function
            check_activity(function, input_name)
            builder.has_own_name = activity is not None
            name = builder.host_name if activity is None else activity
            check_host_name(function, name)
            self._define(builder, ActivityDefinition(name, function, input_name, queued))

        return self._durable(define)

    def durable_client_input(
        self,
        client_name: str,
        task_hub: str | None = None,
        connection_name: str | None = None,
    ) -> Callable[[F], F]:
        """Give the parameter `client_name` of an `async def` function a
        DurableOrchestrationClient of this app's hub.

        `task_hub` and `connection_name`, maybe as `%SETTING%`, are checked against the app's
        when it is indexed: an app has one hub. Raises DefinitionError.
        """

        def define(builder: DurableBuilder) -> None:
            check_client(builder.user_function, client_name)
            if builder.definition is not None:
                _refuse_client(builder)
            builder.clients += (ClientInput(client_name, task_hub, connection_name),)

        return self._durable(define)

    def entity_trigger(
        self, context_name: str, entity_name: str | None = None
    ) -> Callable[[UserFunction], NoReturn]:
        """Refused here, or azure-functions would ask for the package of the .NET extension."""

        def refused(function: UserFunction) -> NoReturn:
            refuse(function, "is an entity, which this version of durable does not run")

        return refused

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
                builder = DurableBuilder(builder)
                self._function_builders[-1] = builder
            define(builder)
            return builder

        def decorator(function: F) -> F:
            if isinstance(function, FunctionBuilder):
                if function not in self._function_builders[-1:]:
                    refuse(
                        function._function.get_user_function(),
                        "is decorated by two apps or blueprints: use one for all its decorators",
                    )
            elif not hasattr(function, "__name__"):
                refuse(function, f"only functions can be decorated, not {type(function).__name__}")
            return cast(F, durable(function))

        return decorator

    def _define(self, builder: DurableBuilder, definition: Definition) -> None:
        if builder.clients:
            _refuse_client(builder)
        if builder.definition is not None:
            refuse(builder.user_function, "is decorated as a durable function twice")
        self.durable.registry.add(definition)
        builder.definition = definition
        setattr(definition.function, NAME_ATTRIBUTE, definition.name)

    def _rename(self, builder: DurableBuilder, name: str) -> None:
        definition, builder.definition = builder.definition, None
        if isinstance(definition, ActivityDefinition):
            check_host_name(builder.user_function, name)
            del self.durable.registry.activities[definition.name]
        elif definition is not None:
            del self.durable.registry.orchestrators[definition.name]
        if definition is not None:
            self._define(builder, replace(definition, name=name))


def _refuse_client(builder: DurableBuilder) -> NoReturn:
    refuse(
        builder.user_function,
        "is an orchestrator or activity, which can have no durable client: start other "
        "orchestrations from an orchestrator with call_sub_orchestrator",
    )
