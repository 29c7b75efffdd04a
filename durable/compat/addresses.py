"""Where the hubs of this process can be reached, as text: what stands for a gRPC address.

Durable Functions' clients say `rpcBaseUrl`, and a `TaskHubGrpcClient` is made from it. Here the
text names a native client and its event loop, in this process alone.
"""

from __future__ import annotations

import asyncio
import itertools
from typing import Any
from weakref import WeakKeyDictionary, WeakValueDictionary, ref

from durable.errors import ConfigurationError

_numbers = itertools.count(1)


class Place:
    """A native client, as long as the app has it, and the loop that it works on."""

    def __init__(self, native: Any, loop: asyncio.AbstractEventLoop | None, address: str) -> None:
        self._native = ref(native)
        self.loop = loop
        self.address = address

    @property
    def native(self) -> Any:
        """The client. ConfigurationError once the app has closed it."""
        native = self._native()
        if native is None:
            raise ConfigurationError(f"the task hub at {self.address!r} has been closed")
        return native


_by_client: WeakKeyDictionary[Any, Place] = WeakKeyDictionary()
_by_address: WeakValueDictionary[str, Place] = WeakValueDictionary()


def place_of(native: Any) -> Place:
    """The place of a native client; the loop is the one that runs now, or the one before."""
    try:
        loop: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
    except RuntimeError:
        loop = None
    place = _by_client.get(native)
    if place is None:
        place = Place(native, loop, f"durable://{hub_of(native)}/{next(_numbers)}")
        _by_client[native] = place
        _by_address[place.address] = place
    elif loop is not None and (place.loop is None or place.loop.is_closed()):
        place.loop = loop
    return place


def place_at(address: str | None) -> Place:
    """The place of that address; without one the only place that there is. ConfigurationError
    otherwise: no server is called."""
    if address is not None and (place := _by_address.get(address)) is not None:
        return place
    places = list(_by_address.values())
    if address is None and len(places) == 1:
        return places[0]
    raise ConfigurationError(
        f"{address!r} is not the address of a task hub in this process: give host_address the "
        "rpcBaseUrl of the client that durable_client_input gives to a function. durable needs "
        "no gRPC server, and calls none"
    )


def hub_of(native: Any) -> str:
    """The name of a client's hub."""
    return str(native._hub.names.hub)
