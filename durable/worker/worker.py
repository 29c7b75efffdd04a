"""The worker: one function app, served until it is told to stop."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Coroutine, Iterable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import azure.functions as func

from durable.host import DurableApp, DurableHost
from durable.management.api import ManagementApi
from durable.ports import Storage
from durable.runtime.ending import end
from durable.settings import Settings
from durable.storage.azure import Connection, open_storage
from durable.worker.access import Access, KeyAccess, LocalAccess, is_loopback
from durable.worker.app_loader import App, inventory_of
from durable.worker.cors import Cors
from durable.worker.http import HttpServer, function_routes, management_routes
from durable.worker.invocation import Invoker
from durable.worker.keys import read_keys
from durable.worker.overview import start_lines
from durable.worker.polling import wait
from durable.worker.pumps import Pumps
from durable.worker.queue_triggers import QueueTrigger
from durable.worker.reaching import address_of, bound, cannot_listen, reached
from durable.worker.timers import TimerTrigger
from durable.worker.trouble import Trouble

_log = logging.getLogger("durable.worker")

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 7071
DRAIN_SECONDS = 30.0
SWEEP_SECONDS = 10.0
_LAST_RECEIVE_SECONDS = 5.0


class Worker:
    """Serves `app`: its HTTP, timer and queue functions, orchestrations and activities, and the
    management API. It asks for keys when `auth` says so or `host` is no loopback address."""

    def __init__(
        self,
        settings: Settings,
        app: App,
        *,
        folder: Path,
        host: str = DEFAULT_HOST,
        port: int = DEFAULT_PORT,
        auth: bool = False,
        drain_seconds: float = DRAIN_SECONDS,
    ) -> None:
        """Indexes the app; ConfigurationError when it cannot be. Port 0 takes a free one."""
        self._settings = settings
        self._host, self._port = host, port
        self._asks_for_keys = auth or not is_loopback(host)
        self._drain_seconds = drain_seconds
        self._folder = folder
        self._inventory = inventory_of(app, settings)
        durable = getattr(app, "durable", None)
        self._durable = durable if isinstance(durable, DurableApp) else DurableApp()
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Have `run` drain and return; to be called on its event loop."""
        self._stopping.set()

    async def run(self) -> None:
        """Serve until `stop`, then give what runs up to `drain_seconds` to end.

        Raises CannotStartError, ConfigurationError or StorageError, before anything is served.
        """
        async with AsyncExitStack() as stack:
            sockets = bound(self._host, self._port)
            for each in sockets:
                stack.callback(each.close)
            address = address_of(self._host, sockets[0].getsockname()[1])
            opening = self._durable.open(self._settings, base_url=address)
            host = await reached(opening, self._settings, self._settings.connection_name)
            stack.push_async_callback(host.close)
            self._durable.attach(host)
            stack.callback(self._durable.attach, None)
            await self._serve(host, sockets, address, stack)

    async def _serve(
        self,
        host: DurableHost,
        sockets: list[socket.socket],
        address: str,
        stack: AsyncExitStack,
    ) -> None:
        settings, inventory = self._settings, self._inventory
        invoker = Invoker(self._folder)
        stack.callback(invoker.close)
        access: Access = LocalAccess()
        if self._asks_for_keys:
            access = KeyAccess(await read_keys(settings, host.hub))
        api = ManagementApi(host.client, host.links)
        anonymous = settings.allow_anonymous_management
        server = HttpServer(
            [
                *management_routes(
                    settings.route_prefix,
                    api.handle,
                    api.handle_link,
                    func.AuthLevel.ANONYMOUS if anonymous else func.AuthLevel.FUNCTION,
                ),
                *function_routes(settings.route_prefix, inventory.http, invoker),
            ],
            access=access,
            cors=Cors(settings.cors),
            greeting=f"A durable worker of the app {settings.app_name}, hub {settings.hub}.\n",
            drain_seconds=self._drain_seconds,
            telemetry=host.hub.telemetry,
        )
        storage_of = await self._storages(host.storage, stack)
        queues = [
            QueueTrigger(storage_of[each.connection], each, invoker, settings.queues)
            for each in inventory.queues
        ]
        timers = [TimerTrigger(host.hub, each, invoker) for each in inventory.timers]
        pumps = Pumps(host.hub.storage, host.runtime, settings.polling)

        stack.push_async_callback(server.close)
        await self._listen(server, sockets)
        for level, line in start_lines(
            settings,
            inventory,
            self._durable.taken(settings),
            storage=host.hub.storage.describe,
            address=address,
            asks_for_keys=self._asks_for_keys,
        ):
            _log.log(level, "%s", line)
        receiving = _Loops(each.run() for each in queues)
        others = _Loops([*(each.run() for each in timers), self._sweep(host)])
        try:
            pumps.start()
            await self._stopping.wait()
        finally:
            _log.info("stopping: what runs gets up to %g s to end", self._drain_seconds)
            self._stopping.set()
            for queue in queues:
                queue.stop()
            for timer in timers:
                timer.stop()
            await asyncio.gather(
                server.stop_accepting(),
                pumps.stop(_LAST_RECEIVE_SECONDS),
                receiving.end(_LAST_RECEIVE_SECONDS),
            )
            await asyncio.gather(
                server.close(),
                host.drain(self._drain_seconds),
                others.end(self._drain_seconds),
                *(each.drain(self._drain_seconds) for each in queues),
            )
            _log.info("stopped")

    async def _listen(self, server: HttpServer, sockets: list[socket.socket]) -> None:
        """Only now: who reaches the port is answered."""
        try:
            await server.start(sockets)
        except OSError as error:
            raise cannot_listen(self._host, self._port, error) from error

    async def _storages(self, own: Storage, stack: AsyncExitStack) -> dict[str, Storage]:
        """The storage of each connection that a queue trigger names."""
        settings = self._settings
        opened = {settings.connection_name.casefold(): own}
        for name in {each.connection for each in self._inventory.queues}:
            if name.casefold() not in opened:
                connection = Connection.from_settings(settings.values, name)
                opening = open_storage(
                    connection,
                    message_encoding=settings.message_encoding,
                    client=settings.storage_client,
                )
                storage = await stack.enter_async_context(await reached(opening, settings, name))
                opened[name.casefold()] = storage.storage
        return {
            each.connection: opened[each.connection.casefold()] for each in self._inventory.queues
        }

    async def _sweep(self, host: DurableHost) -> None:
        clock, trouble = host.hub.storage.clock, Trouble(_log, "sweeping the hub")
        seconds = 0.0
        while not await wait(self._stopping, clock, seconds):
            try:
                await host.sweep()
            except Exception as error:
                seconds = max(trouble.met(error), SWEEP_SECONDS)
            else:
                trouble.over()
                seconds = SWEEP_SECONDS


class _Loops:
    """Tasks that end by themselves after they are told to."""

    def __init__(self, loops: Iterable[Coroutine[Any, Any, None]]) -> None:
        self._tasks = [asyncio.create_task(each) for each in loops]

    async def end(self, seconds: float) -> None:
        """Wait up to `seconds`, then cancel."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)
        if left := await end(self._tasks):
            _log.warning("%d timer functions do not end, and are left behind", len(left))
