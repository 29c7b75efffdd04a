"""`azure.functions.FunctionApp` with durable functions, which it gets by importing
`azure.durable_functions` in its decorators.

Three methods of azure-functions are replaced while the aliases are installed: the one that hands
a function to a durable decorator (it would lose what was decorated before), the one that takes a
builder back (it takes the last one for any), and `get_functions`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from azure.functions.decorators import function_app as theirs

from durable.functions.app import Index, index_app
from durable.functions.decorators import DurableApi, DurableBuilder, durable_builder
from durable.host import DurableApp

_replaced: list[tuple[type, str, Any]] = []


def install() -> None:
    """Replace them."""
    if not _replaced:
        _replace(theirs.DecoratorApi, "_invoke_df_decorator", _invoke_df_decorator)
        _replace(theirs.DecoratorApi, "_validate_type", _validate_type)
        _replace(theirs.FunctionRegister, "get_functions", _get_functions)


def uninstall() -> None:
    """Put theirs back."""
    while _replaced:
        kind, name, method = _replaced.pop()
        setattr(kind, name, method)


def _replace(kind: type, name: str, method: Callable[..., Any]) -> None:
    _replaced.append((kind, name, vars(kind)[name]))
    setattr(kind, name, method)


def _original(name: str) -> Any:
    return next(method for _, known, method in _replaced if known == name)


def _invoke_df_decorator(self: Any, df_decorator: Callable[[Any], Any]) -> Any:
    @self._configure_function_builder  # type: ignore[untyped-decorator]
    def wrap(builder: Any) -> Any:
        decorated = df_decorator(builder)
        self._function_builders[-1] = decorated
        return decorated

    return wrap


def _validate_type(self: Any, func: Any) -> Any:
    if isinstance(func, theirs.FunctionBuilder):
        if func in self._function_builders:
            self._function_builders.remove(func)
        return func
    return _original("_validate_type")(self, func)


def _get_functions(self: Any) -> Any:
    builders = self._function_builders
    if isinstance(self, DurableApi | Index) or not any(
        isinstance(durable_builder(builder), DurableBuilder) for builder in builders
    ):
        return _original("get_functions")(self)
    durable: DurableApp = vars(self).setdefault("durable", DurableApp())
    functions, _ = index_app(self, durable)
    return functions
