"""`DFApp` and `Blueprint`: azure-functions' own, with durable functions."""

from __future__ import annotations

import logging

import azure.functions as func
from azure.functions.decorators.function_app import DecoratorApi, Function, FunctionBuilder

from durable.errors import DefinitionError, DurableError
from durable.functions.advice import advice
from durable.functions.decorators import DurableApi, DurableBuilder
from durable.functions.folder import app_folder, under_functions_host
from durable.functions.indexing import check_bindings, distinct, settle, shown
from durable.functions.triggers import own_functions
from durable.host import DurableApp
from durable.model.failure import ExceptionPropertiesProvider
from durable.model.filters import WorkItemFilters
from durable.model.versioning import VersioningOptions
from durable.settings import Settings, load_settings

_log = logging.getLogger("durable.functions")


class Blueprint(DurableApi, func.Blueprint):
    """Functions of any kind, durable ones included, to be registered in a DFApp or in another
    Blueprint."""

    def __init__(self, http_auth_level: func.AuthLevel | str = func.AuthLevel.FUNCTION) -> None:
        """`http_auth_level` is taken as Durable Functions takes it: the app's counts."""
        super().__init__()

    def register_functions(self, function_container: DecoratorApi) -> None:
        """Take over all functions of a blueprint, a plain `func.Blueprint` or a durable one, as
        they are now. DefinitionError when a durable name is taken."""
        if isinstance(function_container, func.FunctionRegister):
            raise TypeError("an app cannot be registered, only a blueprint")
        if isinstance(function_container, DurableApi):
            self.durable.registry.update(function_container.durable.registry)
        self._function_builders.extend(function_container._function_builders)

    register_blueprint = register_functions


class DFApp(DurableApi, func.FunctionApp):
    """A function app with orchestrators, activities and durable clients.

    Every trigger and binding of azure-functions is there too. `http_auth_level` is the key that
    the app's own HTTP functions ask for, where a route says nothing else.
    """

    def __init__(self, http_auth_level: func.AuthLevel | str = func.AuthLevel.FUNCTION) -> None:
        super().__init__(http_auth_level=http_auth_level)
        self._has_advised = False

    def register_functions(self, function_container: DecoratorApi) -> None:
        """Take over all functions of a blueprint, a plain `func.Blueprint` or a durable one, as
        they are now. DefinitionError when a durable name is taken."""
        if isinstance(function_container, DurableApi):
            self.durable.registry.update(function_container.durable.registry)
        super().register_functions(function_container)

    register_blueprint = register_functions

    def configure_versioning(self, options: VersioningOptions) -> None:
        """Say which version this code is, what becomes of instances of others, and which version
        new ones get. What host.json says of versions goes before."""
        if not isinstance(options, VersioningOptions):
            raise DefinitionError(
                f"configure_versioning takes VersioningOptions, not {type(options).__name__}"
            )
        self.durable.versioning = options

    def configure_work_item_filters(self, filters: WorkItemFilters | None) -> None:
        """Say what of the app a worker takes, None for all of it. Filters of the settings go
        before."""
        if filters is not None and not isinstance(filters, WorkItemFilters):
            raise DefinitionError(
                f"configure_work_item_filters takes WorkItemFilters, not {type(filters).__name__}"
            )
        self.durable.filters = filters

    def configure_exception_properties(self, provider: ExceptionPropertiesProvider | None) -> None:
        """Have failures carry what the provider says of the exceptions behind them, in
        `FailureDetails.properties`; None for nothing."""
        if provider is not None and not callable(
            getattr(provider, "get_exception_properties", None)
        ):
            raise DefinitionError(
                "configure_exception_properties takes an object with get_exception_properties, "
                f"not {type(provider).__name__}"
            )
        self.durable.exceptions = provider

    def get_functions(self) -> list[Function]:
        """What the Functions host loads: the user's functions, and those that durable needs there
        (`durable.builtin` has their names), made for the settings of this moment.

        May be called any number of times. Raises DefinitionError for functions that cannot work
        and ConfigurationError for host.json; both are logged too, since a Functions host shows
        them to nobody.
        """
        functions, settings = index_app(self, self.durable)
        if under_functions_host() and not self._has_advised:
            self._has_advised = True
            for line in advice(settings, functions):
                _log.warning("%s", line)
        return functions


def index_app(app: func.FunctionApp, durable: DurableApp) -> tuple[list[Function], Settings]:
    """All functions of an app as the Functions host is shown them, and the settings that they
    are made for. Raises as `DFApp.get_functions`."""
    try:
        return _indexed(app, durable)
    except (DurableError, ValueError) as error:
        _log.error("the app has no functions, since it cannot be indexed: %s", error)
        raise


def _indexed(app: func.FunctionApp, durable: DurableApp) -> tuple[list[Function], Settings]:
    folder = durable.folder = durable.folder or app_folder(app)
    settings = load_settings(folder, local=not under_functions_host())
    visible: list[FunctionBuilder] = []
    has_clients = False
    for builder in distinct(app._function_builders):
        if isinstance(builder, DurableBuilder) and builder.definition is not None:
            settle(builder, durable)
            continue
        has_clients = has_clients or isinstance(builder, DurableBuilder)
        visible.append(shown(builder, durable, settings))
    own = own_functions(durable, settings, has_clients=has_clients)
    functions = Index(app.auth_level, [*visible, *own]).indexed()
    check_bindings(functions)
    durable.builtin = {function.get_function_name() or "" for function in functions[len(visible) :]}
    return functions, settings


class Index(func.FunctionApp):
    """One pass of azure-functions' own indexing, which keeps what it saw."""

    def __init__(self, auth_level: func.AuthLevel, builders: list[FunctionBuilder]) -> None:
        super().__init__(http_auth_level=auth_level)
        self._function_builders = builders

    def indexed(self) -> list[Function]:
        """What azure-functions makes of the builders."""
        return super().get_functions()
