"""Calling the app's functions: sync ones in threads, async ones on the loop."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import functools
import inspect
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from durable.model.functions import UserFunction
from durable.runtime.activities import called
from durable.worker.context import InvocationContext

CONTEXT = "context"
"""A parameter of this name gets a `func.Context`, unless it is the trigger's."""

_THREADS = 1000
_MACHINERY = tuple(
    str(Path(file).resolve().parent) + os.sep
    for file in (Path(__file__).parent, asyncio.__file__, concurrent.futures.__file__)
)


@dataclass(frozen=True, slots=True)
class Invocable:
    """A function of the app, and the parameter that its trigger fills."""

    name: str
    function: UserFunction
    argument: str


class Invoker:
    """Runs functions of one app. Close it when nothing runs any more."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        # Threads are made as they are needed, and kept.
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="function")

    async def call(self, function: Invocable, value: object) -> Any:
        """Call with the trigger's value; returns and raises what the function does."""
        arguments: dict[str, Any] = {function.argument: value}
        if takes_context(function):
            arguments[CONTEXT] = InvocationContext(function.name, str(self._folder / function.name))
        if inspect.iscoroutinefunction(function.function):
            return await function.function(**arguments)
        call = functools.partial(called, function.function, **arguments)
        run = contextvars.copy_context().run
        result = await asyncio.get_running_loop().run_in_executor(self._threads, run, call)
        return await result if inspect.isawaitable(result) else result

    def close(self) -> None:
        """Take no more calls; threads that still run are left alone."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def takes_context(function: Invocable) -> bool:
    """Whether it asks for a `func.Context`."""
    return function.argument != CONTEXT and CONTEXT in signature(function.function).parameters


@functools.lru_cache(maxsize=4096)
def signature(function: UserFunction) -> inspect.Signature:
    """As the Functions worker reads it."""
    return inspect.signature(function)


def user_traceback(error: BaseException) -> TracebackType | None:
    """The traceback from the first frame that is not this package's or the event loop's."""
    whole = trace = error.__traceback__
    while trace is not None:
        file = str(Path(trace.tb_frame.f_code.co_filename).resolve())
        if not file.startswith(_MACHINERY) and not file.startswith("<frozen "):
            return trace
        trace = trace.tb_next
    return whole


def with_user_traceback(error: BaseException) -> BaseException:
    """The same error, with the frames above the user's code taken away; for logging."""
    return error.with_traceback(user_traceback(error))
