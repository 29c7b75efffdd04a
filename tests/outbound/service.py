"""HTTP services on the loopback address, which keep what they were asked."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

from durable.model.http import DurableHttpRequest
from durable.settings import HttpSettings

LOOPBACK = "127.0.0.1"
Answer = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Asked:
    """A request as it came in; header names in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Service:
    """Answers by path; 404 without an answer."""

    port: int = 0
    asked: list[Asked] = field(default_factory=list)
    answers: dict[str, Answer] = field(default_factory=dict)

    def uri(self, path: str = "/", host: str = LOOPBACK) -> str:
        return f"http://{host}:{self.port}{path}"

    def on(self, path: str, status: int = 200, text: str = "", **headers: str) -> None:
        """Always answer so; `_` in a header's name stands for `-`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}

        async def answer(request: web.BaseRequest) -> web.StreamResponse:
            return web.Response(status=status, text=text, headers=named)

        self.answers[path] = answer

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.asked.append(Asked(request.method, request.path_qs, headers, await request.read()))
        answer = self.answers.get(request.path)
        return web.Response(status=404) if answer is None else await answer(request)


@asynccontextmanager
async def serving(host: str = LOOPBACK, port: int = 0) -> AsyncIterator[Service]:
    """A service on an address and a free port."""
    service = Service()
    server = web.Server(service.handle)
    runner = web.ServerRunner(server, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        await site.start()
        service.port = runner.addresses[0][1]
        yield service
    finally:
        await runner.cleanup()


class Names(AbstractResolver):
    """A resolver where each name has the addresses of the test, one list for each time it is
    asked; the last one stays. socket.gaierror for others."""

    def __init__(self, **names: list[list[str]]) -> None:
        self._names = {name.replace("_", "."): lists for name, lists in names.items()}
        self.count = 0

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.count += 1
        if host not in self._names:
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        lists = self._names[host]
        addresses = lists.pop(0) if len(lists) > 1 else lists[0]
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in addresses
        ]

    async def close(self) -> None:
        """Nothing is open."""


def settings(
    *allowed: str, limit: int = 100_000, seconds: float = 20, poll: float = 30
) -> HttpSettings:
    return HttpSettings(allowed, limit, timedelta(seconds=seconds), timedelta(seconds=poll))


def get(uri: str, **headers: str) -> DurableHttpRequest:
    """A GET; `_` in a header's name stands for `-`."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return DurableHttpRequest("GET", uri, None, named)
