"""What a function must look like to be decorated; refused while the app is imported."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Collection
from datetime import timedelta
from typing import Any, NoReturn

from durable.errors import DefinitionError

_HOST_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,127}")


def check_orchestrator(function: Callable[..., Any], context_name: str) -> None:
    """A generator function or `async def` of one parameter, the context, or of two, the context
    and the input."""
    _check_plain(function, "an orchestrator")
    if inspect.isasyncgenfunction(function):
        refuse(
            function,
            "is an async generator, and an orchestrator is either `async def` with await or "
            "`def` with yield",
        )
    _check_context(function, context_name)
    if len(inspect.signature(function).parameters) > 2:
        refuse(
            function,
            f"an orchestrator takes one parameter, the context ({context_name!r}), or two, the "
            "context and the input; what it works on comes from context.get_input()",
        )


def check_entity(function: Callable[..., Any], context_name: str) -> None:
    """A function, sync or async, of one parameter, the context, or of two, the context and the
    input; or a class."""
    if inspect.isclass(function):
        return
    _check_plain(function, "an entity")
    if inspect.isasyncgenfunction(function) or inspect.isgeneratorfunction(function):
        refuse(function, "an entity performs one operation and returns; it cannot yield")
    _check_context(function, context_name)
    if len(inspect.signature(function).parameters) > 2:
        refuse(
            function,
            f"an entity takes one parameter, the context ({context_name!r}), or two, the context "
            "and the input of the operation",
        )


def check_activity(function: Callable[..., Any], input_name: str) -> None:
    """A function, sync or async, with a parameter for its input."""
    _check_plain(function, "an activity")
    if inspect.isasyncgenfunction(function) or inspect.isgeneratorfunction(function):
        refuse(function, "an activity returns its result; it cannot yield")
    _check_named(function, "input_name", input_name)


def check_limits(function: Callable[..., Any], **limits: timedelta | None) -> None:
    """Positive times, or none."""
    for name, limit in limits.items():
        if limit is not None and not (isinstance(limit, timedelta) and limit > timedelta(0)):
            refuse(function, f"has a {name} of {limit!r}: it takes a positive timedelta")


def check_process(function: Callable[..., Any], *, has_face: bool) -> None:
    """A sync function that another process finds by its module and name, and gives its input
    alone."""
    if inspect.iscoroutinefunction(function):
        refuse(function, "cannot have process=True: only a `def` runs in a process of its own")
    if "<" in function.__qualname__:
        refuse(
            function,
            "cannot have process=True: another process imports its module and looks for the name "
            f"{function.__qualname__!r}, so it has to be a function of the module itself",
        )
    if function.__module__ == "__main__":
        refuse(
            function,
            "cannot have process=True: it is in the script that was started, which another "
            "process cannot import; write it in a module of its own",
        )
    if has_face or unfilled(function, set(list(inspect.signature(function).parameters)[:1])):
        refuse(function, "cannot have process=True: it takes one parameter then, its input")


def unfilled(function: Callable[..., Any], filled: Collection[str]) -> list[str]:
    """The parameters without a default that are not `filled`."""
    return [
        name
        for name, parameter in inspect.signature(function).parameters.items()
        if name not in filled
        and parameter.default is parameter.empty
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ]


def check_called(given: object, decorator: str, example: str) -> None:
    """DefinitionError for a decorator without its parentheses, which gets the function where a
    name belongs and would register nothing."""
    if callable(given):
        refuse(given, f"is decorated with {decorator} alone: write @{decorator}({example})")


def refuse_unfilled(function: Callable[..., Any], input_name: str, others: list[str]) -> NoReturn:
    """For an activity with parameters that nothing fills."""
    refuse(
        function,
        f"an activity gets one value, its {input_name!r}, so {_listed(others)} can have none: "
        "give it a default, or pass a dataclass or dict",
    )


def check_client(function: Callable[..., Any], client_name: str) -> None:
    """A function, sync or async, with the parameter that the client goes to."""
    _check_plain(function, "a function with a durable client")
    _check_named(function, "client_name", client_name)


def check_host_name(function: Callable[..., Any], name: str) -> None:
    """The Functions host refuses other names, and the function with it."""
    if not _HOST_NAME.fullmatch(name):
        refuse(
            function,
            f"cannot be named {name!r}: a name has up to 128 letters (A to Z), digits, - and _, "
            "the first a letter",
        )


def refuse(function: Callable[..., Any], problem: str) -> NoReturn:
    """Raise DefinitionError: "<file>:<line>: <function> <problem>"."""
    plain = inspect.unwrap(function)
    code = getattr(plain, "__code__", None)
    place = f"{code.co_filename}:{code.co_firstlineno}: " if code else ""
    raise DefinitionError(f"{place}{getattr(plain, '__name__', repr(plain))}: {problem}")


def _check_plain(function: Callable[..., Any], what: str) -> None:
    if not inspect.isfunction(function):
        refuse(function, f"{what} must be a function, and this is {type(function).__name__}")


def _check_context(function: Callable[..., Any], context_name: str) -> None:
    parameters = list(inspect.signature(function).parameters)
    # the context is given by position, and Durable Functions knows it as "context" whatever the
    # author's own name for it is
    if context_name != "context" or not parameters:
        _check_named(function, "context_name", context_name)


def _check_named(function: Callable[..., Any], argument: str, name: str) -> None:
    parameters = list(inspect.signature(function).parameters)
    if name not in parameters:
        has = f"its parameters are {_listed(parameters)}" if parameters else "it has no parameters"
        refuse(function, f"{argument} is {name!r}, and {has}")


def _listed(names: list[str]) -> str:
    return ", ".join(map(repr, names))
