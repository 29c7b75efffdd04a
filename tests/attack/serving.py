"""The management API of a hub in memory, behind the worker's HTTP server, on a socket."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import azure.functions as func

from durable.worker.access import Access
from durable.worker.cors import Cors
from durable.worker.http import HttpServer, bind, management_routes
from tests.management.conftest import World


def unanswered(world: World) -> World:
    """The world, in which no worker answers: who waits for one has waited long enough at once."""

    async def at_once(seconds: float) -> None:
        world.clock.advance(seconds)

    world.clock.sleep = at_once  # type: ignore[method-assign]
    return world


@asynccontextmanager
async def listening(world: World, access: Access) -> AsyncIterator[int]:
    """The port, on 127.0.0.1."""
    api = world.api
    server = HttpServer(
        management_routes("api", api.handle, api.handle_link, func.AuthLevel.FUNCTION),
        access=access,
        cors=Cors([]),
        greeting="",
        drain_seconds=5.0,
    )
    sockets = bind("127.0.0.1", 0)
    await server.start(sockets)
    try:
        yield sockets[0].getsockname()[1]
    finally:
        await server.close()
