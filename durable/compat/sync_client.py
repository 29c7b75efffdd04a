"""Clients whose methods block: for plain functions, which run in a thread of their own."""

from __future__ import annotations

import asyncio
import functools
import inspect
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any, Self

from durable.compat.addresses import Place, place_at, place_of
from durable.compat.client import DurableFunctionsClient
from durable.compat.task_hub_client import ADDRESSED, AsyncTaskHubGrpcClient
from durable.compat.warnings import ADVICE, warn
from durable.errors import InvalidRequestError


class TaskHubGrpcClient:
    """As `AsyncTaskHubGrpcClient`, its methods blocking: they run on the app's event loop while
    the calling thread waits. InvalidRequestError on that loop's own thread, which would wait for
    itself."""

    _asynchronous: type[AsyncTaskHubGrpcClient] = AsyncTaskHubGrpcClient

    def __init__(
        self,
        *,
        host_address: str | None = None,
        default_version: str | None = None,
        **_: Any,
    ) -> None:
        """Of the hub at an address of this process (`rpcBaseUrl` of an injected client). What
        concerns gRPC is taken and not used."""
        warn(ADDRESSED, sys._getframe(1))
        self._become(place_at(host_address))
        self._client.default_version = default_version

    def _become(self, place: Place) -> None:
        self._place = place
        self._client = self._asynchronous(place.native)

    @property
    def native_client(self) -> Any:
        """The native client, whose methods are awaited."""
        return self._client.native_client

    def close(self) -> None:
        """Nothing to close: connections are the app's."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        found = getattr(self._client, name)
        if inspect.iscoroutinefunction(found):
            return _blocking(found, self._run)
        if inspect.isasyncgenfunction(found):
            return _blocking_iterator(found, self._run)
        return found

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *dir(self._client)})

    def _run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        loop = self._place.loop
        try:
            here: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        except RuntimeError:
            here = None
        if loop is None or loop.is_closed() or loop is here:
            coroutine.close()
            raise InvalidRequestError(
                "this client blocks, and would block the event loop that it needs: use it in a "
                "plain function (`def`), and in an `async def` the client whose methods are awaited"
            )
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result()


class SyncDurableFunctionsClient(TaskHubGrpcClient):
    """As `DurableFunctionsClient`, its methods blocking."""

    _asynchronous = DurableFunctionsClient

    def __init__(self, client: Any) -> None:
        """Around a native client, or one of these."""
        self._become(place_of(getattr(client, "native_client", client)))

    @classmethod
    def get_cached(cls, client: Any) -> Self:
        """As the constructor: there is no connection to share."""
        return cls(client)


def _blocking(
    method: Callable[..., Coroutine[Any, Any, Any]], run: Callable[[Any], Any]
) -> Callable[..., Any]:
    advice = getattr(method, ADVICE, None)

    @functools.wraps(method)
    def call(*args: Any, **kwargs: Any) -> Any:
        if advice is not None:
            warn(advice, sys._getframe(1))
        return run(method(*args, **kwargs))

    return call


def _blocking_iterator(
    method: Callable[..., AsyncIterator[Any]], run: Callable[[Any], Any]
) -> Callable[..., Iterator[Any]]:
    @functools.wraps(method)
    def call(*args: Any, **kwargs: Any) -> Iterator[Any]:
        items = method(*args, **kwargs)
        while True:
            try:
                yield run(_next(items))
            except StopAsyncIteration:
                return

    return call


async def _next(items: AsyncIterator[Any]) -> Any:
    return await anext(items)
