"""Importing a function app, with errors that a reader can act on."""

from __future__ import annotations

import importlib
import logging
import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

from durable.errors import ConfigurationError, DefinitionError
from durable.settings import Settings
from durable.worker.inventory import AppFunction, Inventory, take_inventory
from durable.worker.timers import time_zone

DEFAULT_APP = "function_app:app"


class App(Protocol):
    """A FunctionApp, or what behaves like one."""

    def get_functions(self) -> Sequence[AppFunction]: ...


COMPATIBILITY = "durable.compat.activate"
"""What lets apps import azure.durable_functions and durabletask; by name: it is a layer above."""


def load_app(target: str, folder: Path, environ: Mapping[str, str] = os.environ) -> App:
    """Import `module:name`, looking in `folder` first; the name may have dots. Where it is the
    default one, any name will do, as it does under the Functions host, if the module has one
    function app.

    With DURABLE_COMPAT=0 the app's imports of azure.durable_functions and durabletask mean the
    packages of these names; else this package answers them.

    Raises ConfigurationError that says what is missing, or shows where the app's own code failed.
    """
    module_name, separator, name = target.partition(":")
    if not separator or not module_name or not name:
        raise ConfigurationError(f"--app is {target!r}: write module:name, as in {DEFAULT_APP}")
    path = str(folder)
    if path not in sys.path:
        sys.path.insert(0, path)
    importlib.invalidate_caches()
    if environ.get("DURABLE_COMPAT", "1").strip() != "0":
        importlib.import_module(COMPATIBILITY)
    module = _imported(module_name, folder)
    app = module
    for part in name.split("."):
        app = getattr(app, part, None)
    if target == DEFAULT_APP and not hasattr(app, "get_functions"):
        app = only_app(module, app)
    if app is None:
        raise ConfigurationError(
            f"module {module_name} has no {name!r}: name the app with --app module:name"
        )
    if not hasattr(app, "get_functions"):
        raise ConfigurationError(
            f"{target} is a {type(app).__name__}, not a function app: it has no get_functions()"
        )
    return app  # type: ignore[no-any-return]


def only_app(module: ModuleType, default: object = None) -> object:
    """The one function app of a module, or else `default`. ConfigurationError for several."""
    apps = {
        name: value
        for name, value in vars(module).items()
        if hasattr(value, "get_functions") and not isinstance(value, type)
    }
    if len({id(value) for value in apps.values()}) > 1:
        raise ConfigurationError(
            f"module {module.__name__} has several function apps, {', '.join(sorted(apps))}: "
            "name one with --app module:name"
        )
    return next(iter(apps.values()), default)


def index(app: App) -> Sequence[AppFunction]:
    """The app's functions. ConfigurationError where the Functions host would load none."""
    # There, a DFApp has to log what is wrong; here, the error is shown.
    log = logging.getLogger("durable.functions")
    disabled, log.disabled = log.disabled, True
    try:
        return app.get_functions()
    except ConfigurationError:
        raise
    except Exception as error:
        raise ConfigurationError(f"the app cannot be indexed: {error}") from error
    finally:
        log.disabled = disabled


def inventory_of(app: App, settings: Settings) -> Inventory:
    """The functions that a worker serves; ConfigurationError when the app cannot be indexed."""
    functions = index(app)
    builtin = getattr(getattr(app, "durable", None), "builtin", ())
    return take_inventory(
        functions,
        skip=frozenset(builtin),
        resolve=settings.resolve,
        zone=time_zone(settings.setting("WEBSITE_TIME_ZONE")),
    )


def _imported(name: str, folder: Path) -> Any:
    try:
        return importlib.import_module(name)
    except DefinitionError:
        raise
    except ModuleNotFoundError as error:
        if error.name is not None and f"{name}.".startswith(f"{error.name}."):
            raise ConfigurationError(
                f"there is no module {name!r} in {folder}: run this in the folder of the app, "
                "or name it with --folder, or its module with --app module:name"
            ) from error
        raise _failed(name, error) from error
    except (Exception, SystemExit) as error:
        raise _failed(name, error) from error


def _failed(name: str, error: BaseException) -> ConfigurationError:
    """Keeps the frames of the app's files: what follows importlib's."""
    trace = error.__traceback__
    while trace is not None and _is_machinery(trace.tb_frame.f_code.co_filename):
        trace = trace.tb_next
    lines = traceback.format_exception(type(error), error, trace)
    return ConfigurationError(f"importing {name} failed:\n{''.join(lines).rstrip()}")


def _is_machinery(file: str) -> bool:
    return file.startswith("<frozen ") or file in (__file__, importlib.__file__)
