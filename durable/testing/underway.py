"""User code that runs: time must not pass while it works, and may while it waits for the hub."""

from __future__ import annotations

import asyncio
import functools
import inspect
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any, TypeVar

T = TypeVar("T")


class Working:
    """A call of user code; `waits` counts what it awaits of the hub."""

    def __init__(self, label: str) -> None:
        self.label = label
        self.waits = 0


_current: ContextVar[Working | None] = ContextVar("durable_testing_working", default=None)
_thread = threading.local()


def working() -> Working | None:
    """The call that asks."""
    return _current.get()


class Underway:
    """The calls of one hub."""

    def __init__(self) -> None:
        self._calls: dict[Working, None] = {}
        self._changed = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def begin(self) -> None:
        """Belong to the running event loop."""
        self._loop = asyncio.get_running_loop()

    @property
    def busy(self) -> list[str]:
        """The calls that work, and do not wait for the hub."""
        return [call.label for call in self._calls if not call.waits]

    async def progress(self, seconds: float) -> bool:
        """Wait until a call ends, or waits for the hub; False after so many real seconds."""
        self._changed.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            return False
        return True

    def changed(self) -> None:
        """A call of the loop's own has begun to wait, or ended."""
        self._changed.set()

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Around what the running call waits for: time may pass meanwhile."""
        call = working()
        if call is None:
            yield
            return
        call.waits += 1
        self.changed()
        try:
            yield
        finally:
            call.waits -= 1

    def add(self, call: Working) -> None:
        """It works from now on."""
        self._calls[call] = None

    def remove(self, call: Working) -> None:
        """It has ended."""
        self._calls.pop(call, None)
        self.changed()

    def remove_from_thread(self, call: Working) -> None:
        """As `remove`, from any thread."""
        with suppress(RuntimeError):  # the loop was closed: nobody asks any more
            assert self._loop is not None
            self._loop.call_soon_threadsafe(self.remove, call)

    def tracked(self, function: Callable[..., Any], label: str) -> Callable[..., Any]:
        """The same function, sync or async as it is, whose calls are known here."""
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def call(*arguments: Any) -> Any:
                return await self._awaited(function(*arguments), label)

            return call

        @functools.wraps(function)
        def call_in_thread(*arguments: Any) -> Any:
            with _as_current(_thread.call):
                _thread.call.label = label
                result = function(*arguments)
            return self._awaited(result, label) if inspect.isawaitable(result) else result

        return call_in_thread

    async def _awaited(self, result: Awaitable[T], label: str) -> T:
        call = Working(label)
        self.add(call)
        try:
            with _as_current(call):
                return await result
        finally:
            self.remove(call)


@contextmanager
def _as_current(call: Working) -> Iterator[None]:
    token = _current.set(call)
    try:
        yield
    finally:
        _current.reset(token)


class InTurn(Executor):
    """Runs sync functions in threads, each begun by `start_next` when no other call works: one
    after the other, so that runs are repeatable."""

    def __init__(self, underway: Underway) -> None:
        self._underway = underway
        self._queue: deque[tuple[Future[Any], Callable[[], Any]]] = deque()

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """See `Executor.submit`."""
        future: Future[T] = Future()
        self._queue.append((future, functools.partial(fn, *args, **kwargs)))
        return future

    def start_next(self) -> bool:
        """Begin the oldest that waits, if no call works; whether there was one."""
        if not self._queue or self._underway.busy:
            return False
        future, function = self._queue.popleft()
        if future.set_running_or_notify_cancel():
            call = Working("a function in a thread")
            self._underway.add(call)
            run = functools.partial(self._run, future, function, call)
            threading.Thread(target=run, name="durable-test-activity", daemon=True).start()
        return True

    def _run(self, future: Future[Any], function: Callable[[], Any], call: Working) -> None:
        _thread.call = call
        try:
            result = function()
        except BaseException as error:
            future.set_exception(error)
        else:
            future.set_result(result)
        finally:
            self._underway.remove_from_thread(call)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Begin no more; threads that run one are left to end."""
        self._queue.clear()
