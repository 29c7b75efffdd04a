"""The HTTP server: the app's routes and the management API, with azure.functions' own types."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import azure.functions as func
from aiohttp import web
from multidict import CIMultiDict

from durable.telemetry import NO_TELEMETRY, Telemetry, Trace
from durable.worker.access import Access
from durable.worker.cors import Cors
from durable.worker.inventory import HttpFunction
from durable.worker.invocation import Invoker, with_user_traceback
from durable.worker.routing import BadTarget, Route, Router, path_segments
from durable.worker.templates import Template

_log = logging.getLogger("durable.worker.http")

MAX_BODY_BYTES = 100 * 2**20
MAX_LINE_BYTES = 8 * 2**10
MAX_HEADER_BYTES = 32 * 2**10
_BACKLOG = 512
_OUR_HEADERS = ("content-length", "transfer-encoding", "connection")
_MANAGEMENT = "durabletask"
_WEBHOOKS = f"runtime/webhooks/{_MANAGEMENT}"

Management = Callable[[func.HttpRequest, str], Awaitable[func.HttpResponse]]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What answers a route; `handle` may raise, which is a 500."""

    name: str
    level: func.AuthLevel
    handle: Callable[[func.HttpRequest], Awaitable[object]]


def management_routes(
    prefix: str, handle: Management, handle_link: Management, level: func.AuthLevel
) -> list[Route[Endpoint]]:
    """The management API below `prefix` and below runtime/webhooks; signed links need no key."""

    def endpoint(answer: Management, level: func.AuthLevel) -> Endpoint:
        return Endpoint(
            _MANAGEMENT,
            level,
            lambda request: answer(request, request.route_params.get("path", "")),
        )

    links = endpoint(handle_link, func.AuthLevel.ANONYMOUS)
    others = endpoint(handle, level)
    routes = []
    for base in (_joined(prefix, _MANAGEMENT), _WEBHOOKS):
        routes.append(Route(Template(f"{base}/links/{{*path}}"), None, links))
        routes.append(Route(Template(f"{base}/{{*path}}"), None, others))
    return routes


def function_routes(
    prefix: str, functions: Iterable[HttpFunction], invoker: Invoker
) -> list[Route[Endpoint]]:
    """The app's own routes, in the order given."""

    def endpoint(function: HttpFunction) -> Endpoint:
        return Endpoint(
            function.call.name,
            function.level,
            lambda request: invoker.call(function.call, request),
        )

    return [
        Route(Template(_joined(prefix, each.route.text)), each.methods, endpoint(each))
        for each in functions
    ]


def _joined(prefix: str, path: str) -> str:
    return f"{prefix}/{path}".strip("/")


class HttpServer:
    """Serves `routes` on sockets that are bound, and do not listen yet."""

    def __init__(
        self,
        routes: Sequence[Route[Endpoint]],
        *,
        access: Access,
        cors: Cors,
        greeting: str,
        drain_seconds: float,
        max_body: int = MAX_BODY_BYTES,
        telemetry: Telemetry = NO_TELEMETRY,
    ) -> None:
        self._router = Router(routes)
        self._access = access
        self._cors = cors
        self._greeting = greeting
        self._telemetry = telemetry
        application = web.Application(client_max_size=max_body)
        # every path, line breaks included
        application.router.add_route("*", r"/{path:[\s\S]*}", self._answer)
        self._runner = web.AppRunner(
            application,
            access_log=None,
            shutdown_timeout=drain_seconds,
            auto_decompress=False,
            max_line_size=MAX_LINE_BYTES,
            max_field_size=MAX_HEADER_BYTES,
            max_headers=100,
        )
        self._sites: list[web.SockSite] = []

    async def start(self, sockets: Iterable[socket.socket]) -> None:
        """Begin to accept requests. OSError when another process listens there by now."""
        await self._runner.setup()
        self._sites = [web.SockSite(self._runner, each, backlog=_BACKLOG) for each in sockets]
        for site in self._sites:
            await site.start()

    async def stop_accepting(self) -> None:
        """Close the sockets; requests that were accepted go on."""
        for site in self._sites:
            await site.stop()
        self._sites = []

    async def close(self) -> None:
        """Give requests up to `drain_seconds` to end, then cut them off."""
        await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        headers = {name.lower(): "" for name in request.headers}
        for name in headers:
            headers[name] = ",".join(request.headers.getall(name))
        response = await self._respond(request, headers)
        for name, value in self._cors.headers(headers).items():
            response.headers[name] = value
        return response

    async def _respond(self, request: web.Request, headers: dict[str, str]) -> web.Response:
        if not self._access.allows_host(headers.get("host")):
            return web.Response(
                status=403,
                text="This worker asks for no keys, so it answers local host names only; start it "
                "with --auth to serve others.\n",
            )
        origin = headers.get("origin")
        allowed = self._access.allows_origin(request.method, origin)
        if not allowed and not self._cors.allows(origin or ""):
            return web.Response(
                status=403,
                text="This worker asks for no keys, so it takes changes from pages of local "
                "origins only; allow others with Host.CORS in local.settings.json.\n",
            )
        preflight = self._cors.preflight(request.method, headers)
        if preflight is not None:
            return web.Response(status=204, headers=preflight)
        try:
            path = path_segments(request.raw_path)
        except BadTarget:
            return web.Response(status=400)
        found = self._router.find(request.method, path)
        if found is None:
            if not path and request.method in ("GET", "HEAD"):
                return web.Response(text=self._greeting)
            return web.Response(status=404)
        endpoint, values = found
        params = query_params(request.raw_path)
        if not self._access.allows(endpoint.level, headers, params):
            return web.Response(status=401)
        body = await request.read()
        target = f"{request.scheme}://{headers.get('host', '')}{request.raw_path}"
        given = func.HttpRequest(
            request.method,
            target,
            headers=headers,
            params=params,
            route_params=values,
            body=body,
        )
        caller = Trace.parse((headers.get("traceparent", ""), headers.get("tracestate", "")))
        if caller is None or not self._telemetry.traces:
            return await _call(endpoint, given)
        with self._telemetry.within(caller, by_default=True):
            return await _call(endpoint, given)


async def _call(endpoint: Endpoint, request: func.HttpRequest) -> web.Response:
    try:
        return _response(await endpoint.handle(request))
    except Exception as error:
        _log.error("HTTP function %s failed", endpoint.name, exc_info=with_user_traceback(error))
        return web.Response(status=500)


def _response(result: object) -> web.Response:
    """Raises TypeError for what the Functions host takes for no response either."""
    if isinstance(result, str):
        return web.Response(text=result)
    if not isinstance(result, func.HttpResponse):
        raise TypeError(
            f"an HTTP function returns func.HttpResponse or str, not {type(result).__name__}"
        )
    headers = CIMultiDict(
        (name, value) for name, value in result.headers.items() if name.lower() not in _OUR_HEADERS
    )
    if "Content-Type" not in headers:
        charset = f"; charset={result.charset}" if result.mimetype.startswith("text/") else ""
        headers["Content-Type"] = f"{result.mimetype}{charset}"
    return web.Response(status=result.status_code, headers=headers, body=result.get_body())


def query_params(target: str) -> Mapping[str, str]:
    """Parameters of a request target; repeated ones (case aside) are joined by commas."""
    params: dict[str, str] = {}
    names: dict[str, str] = {}
    query = target.partition("?")[2].partition("#")[0]
    for name, value in parse_qsl(query, keep_blank_values=True):
        known = names.setdefault(name.casefold(), name)
        params[known] = f"{params[known]},{value}" if known in params else value
    return params


def bind(host: str, port: int) -> list[socket.socket]:
    """Sockets on every address of `host`, on one port; 0 takes a free one. OSError if taken.

    They do not listen: who connects is refused until there is someone to answer.
    """
    family = socket.AF_UNSPEC
    found: list[Any] = socket.getaddrinfo(
        host, port, family, socket.SOCK_STREAM, 0, socket.AI_PASSIVE
    )
    sockets: list[socket.socket] = []
    try:
        for kind, address in dict.fromkeys((each[0], each[4]) for each in found):
            sockets.append(socket.socket(kind, socket.SOCK_STREAM))
            _bind(sockets[-1], (address[0], port, *address[2:]))
            port = sockets[0].getsockname()[1]
    except OSError:
        for each in sockets:
            each.close()
        raise
    return sockets


def _bind(place: socket.socket, address: tuple[Any, ...]) -> None:
    """As `socket.create_server` does it, which would listen at once."""
    if os.name == "posix":
        # connections that a killed worker left behind keep nobody from its port
        place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if place.family == socket.AF_INET6:
        place.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    place.bind(address)
