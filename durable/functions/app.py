"""`DFApp` and `Blueprint`: azure-functions' own, with durable functions."""

from __future__ import annotations

import logging

import azure.functions as func
from azure.functions.decorators.function_app import DecoratorApi, Function, FunctionBuilder

from durable.errors import DurableError
from durable.functions.advice import advice
from durable.functions.decorators import DurableApi, DurableBuilder
from durable.functions.folder import app_folder, under_functions_host
from durable.functions.indexing import check_bindings, check_durable, shown
from durable.functions.triggers import own_functions
from durable.settings import Settings, load_settings

_log = logging.getLogger("durable.functions")


class Blueprint(DurableApi, func.Blueprint):
    """Functions of any kind, durable ones included, to be registered in a DFApp or in another
    Blueprint."""

    def __init__(self) -> None:
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

    def get_functions(self) -> list[Function]:
        """What the Functions host loads: the user's functions, and those that durable needs there
        (`durable.builtin` has their names), made for the settings of this moment.

        May be called any number of times. Raises DefinitionError for functions that cannot work
        and ConfigurationError for host.json; both are logged too, since a Functions host shows
        them to nobody.
        """
        try:
            return self._indexed()
        except (DurableError, ValueError) as error:
            _log.error("the app has no functions, since it cannot be indexed: %s", error)
            raise

    def _indexed(self) -> list[Function]:
        settings = self._settings()
        visible: list[FunctionBuilder] = []
        has_clients = False
        for builder in self._function_builders:
            if isinstance(builder, DurableBuilder) and builder.definition is not None:
                check_durable(builder)
                continue
            has_clients = has_clients or isinstance(builder, DurableBuilder)
            visible.append(shown(builder, self.durable, settings))
        own = own_functions(self.durable, settings, has_clients=has_clients)
        index = _Index(self.auth_level, [*visible, *own])
        functions = index.get_functions()
        check_bindings(functions)
        self.durable.builtin = {
            function.get_function_name() or "" for function in functions[len(visible) :]
        }
        if under_functions_host() and not self._has_advised:
            self._has_advised = True
            for line in advice(settings, functions):
                _log.warning("%s", line)
        return functions

    def _settings(self) -> Settings:
        folder = self.durable.folder = self.durable.folder or app_folder(self)
        return load_settings(folder, local=not under_functions_host())


class _Index(func.FunctionApp):
    """One pass of azure-functions' own indexing, which keeps what it saw."""

    def __init__(self, auth_level: func.AuthLevel, builders: list[FunctionBuilder]) -> None:
        super().__init__(http_auth_level=auth_level)
        self._function_builders = builders
