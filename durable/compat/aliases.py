"""`import azure.durable_functions`, `from durabletask import task`…: modules of theirs by name,
made of ours.

`install` puts a finder before all others, so that it does not matter whether the originals are
there; a name that only they have is an ImportError that says so.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from durable.compat.names import MODULES

PACKAGES = ("azure.durable_functions", "durabletask")
VERSION = "1.7.0"
"""What `__version__` says."""


class AliasModule(ModuleType):
    """A module of theirs. Names are looked up in ours when they are asked for."""

    def __getattr__(self, name: str) -> Any:
        if name == "__version__":
            return VERSION
        source = _exports(self.__name__).get(name)
        if source is not None:
            value = getattr(importlib.import_module(source), name)
            super().__setattr__(name, value)
            return value
        if f"{self.__name__}.{name}" in MODULES:
            return importlib.import_module(f"{self.__name__}.{name}")
        if name.startswith("__"):
            raise AttributeError(name)
        raise AttributeError(
            f"{self.__name__} has no {name!r} in durable's compatibility layer, which stands "
            "for it (DURABLE_COMPAT=0 turns it off)"
        )

    def __setattr__(self, name: str, value: Any) -> None:
        # a submodule may have the name of a class: `models.RetryOptions` is the class
        if isinstance(value, AliasModule) and name in _exports(self.__name__):
            return
        super().__setattr__(name, value)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *_exports(self.__name__)})


class AliasFinder:
    """Finds the modules of `MODULES`, and below their packages nothing else."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec of a module of theirs; ModuleNotFoundError for one that is not here."""
        if not _is_theirs(fullname):
            return None
        if fullname not in MODULES:
            raise ModuleNotFoundError(
                f"{fullname} has no place in durable's compatibility layer, which stands for "
                f"{fullname.rpartition('.')[0]} (DURABLE_COMPAT=0 turns it off)",
                name=fullname,
            )
        return ModuleSpec(fullname, self, origin="durable.compat", is_package=True)  # type: ignore[arg-type]

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """An empty one, which knows its names."""
        return AliasModule(spec.name, f"durable's {spec.name}.")

    def exec_module(self, module: ModuleType) -> None:
        """Say what `import *` gives."""
        vars(module)["__all__"] = sorted(_exports(module.__name__))


_finder = AliasFinder()


def install() -> None:
    """From now on the names are ours. Originals that are loaded already stay with who has them.

    It also has `azure.functions.FunctionApp` index durable functions. Any number of times.
    """
    if _finder in sys.meta_path:
        return
    sys.meta_path.insert(0, _finder)
    for name in [name for name in sys.modules if _is_theirs(name)]:
        _forget(name)
    importlib.invalidate_caches()
    from durable.compat import function_apps

    function_apps.install()


def uninstall() -> None:
    """Undo `install`, for tests."""
    if _finder in sys.meta_path:
        sys.meta_path.remove(_finder)
        for name in [name for name in sys.modules if _is_theirs(name)]:
            _forget(name)
        from durable.compat import function_apps

        function_apps.uninstall()


def _forget(name: str) -> None:
    del sys.modules[name]
    parent, _, child = name.rpartition(".")
    if parent in sys.modules and isinstance(vars(sys.modules[parent]).get(child), ModuleType):
        delattr(sys.modules[parent], child)


def _is_theirs(name: str) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in PACKAGES)


def _exports(module: str) -> dict[str, str]:
    """The names of a module of theirs, with the module of ours that has each."""
    found: dict[str, str] = {}
    for line in MODULES.get(module, ()):
        source, _, names = line.partition(": ")
        for name in _all(source) if names == "*" else names.split():
            found[name] = source
    return found


def _all(source: str) -> list[str]:
    module = importlib.import_module(source)
    defined = getattr(module, "__all__", None)
    return list(defined) if defined is not None else [n for n in vars(module) if n[0] != "_"]
