"""What a test may give as its app: an app, a blueprint, a module, or `module:name`."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

from durable.errors import ConfigurationError
from durable.functions import Blueprint, DFApp
from durable.host import DurableApp
from durable.worker.app_loader import index, load_app, only_app

TestedApp = object
"""A DFApp or Blueprint of any style, a FunctionApp with durable functions, the module that has
one, or its place as `function_app:app`, which is imported as `durable start` does."""


def durable_of(app: TestedApp, folder: Path | None = None) -> DurableApp:
    """The durable functions of an app, each by its final name. `folder` is where a module is
    looked for first: the current one unless given.

    Raises ConfigurationError for what is no app, or cannot be indexed.
    """
    if isinstance(app, str):
        app = load_app(app, folder or Path.cwd())
    if isinstance(app, ModuleType):
        found = only_app(app)
        if found is None:
            raise ConfigurationError(
                f"module {app.__name__} has no function app: name what has one, or give a blueprint"
            )
        app = found
    if isinstance(app, Blueprint):
        whole = DFApp()
        whole.register_functions(app)
        app = whole
    if not hasattr(app, "get_functions"):
        raise ConfigurationError(
            f"a test hub runs a DFApp, a Blueprint, a module with one, or 'module:name', not "
            f"{type(app).__name__}"
        )
    index(app)
    durable = getattr(app, "durable", None)
    if not isinstance(durable, DurableApp):
        raise ConfigurationError(
            "the app has no durable functions; if its decorators are those of "
            "azure.durable_functions, import durable.compat.activate before the app, or name the "
            "app as 'function_app:app'"
        )
    return durable
