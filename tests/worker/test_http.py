"""Requests and responses over a real server."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import azure.functions as func
import pytest
import yarl

from durable.worker.access import Access, KeyAccess, Keys, LocalAccess
from durable.worker.cors import Cors
from durable.worker.http import HttpServer, bind, function_routes, management_routes, query_params
from durable.worker.inventory import take_inventory
from durable.worker.invocation import Invoker

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)


@app.route(route="echo/{*path}")
def echo(req: func.HttpRequest) -> func.HttpResponse:
    shown = {
        "method": req.method,
        "url": req.url,
        "headers": dict(req.headers),
        "params": dict(req.params),
        "route": dict(req.route_params),
        "body": req.get_body().decode(),
        "thread": threading.current_thread() is threading.main_thread(),
    }
    return func.HttpResponse(json.dumps(shown), mimetype="application/json")


@app.route(route="text", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
async def text(req: func.HttpRequest) -> str:
    return "é"


@app.route(route="made", methods=["POST"])
async def made(req: func.HttpRequest) -> func.HttpResponse:
    response = func.HttpResponse(
        b"\x00\x01", status_code=201, headers={"X-One": "1", "Content-Type": "application/x-mine"}
    )
    response.headers.add("Set-Cookie", "a=1")
    response.headers.add("Set-Cookie", "b=2")
    return response


@app.route(route="nothing")
async def nothing(req: func.HttpRequest) -> None:
    return None


@app.route(route="fails")
def fails(req: func.HttpRequest) -> str:
    raise LookupError("the secret reason")


@app.route(route="about")
def about(req: func.HttpRequest, context: func.Context) -> str:
    return f"{context.function_name} {context.function_directory} {len(context.invocation_id)}"


@app.route(route="only-master", auth_level=func.AuthLevel.ADMIN)
async def only_master(req: func.HttpRequest) -> str:
    return "in"


Fetch = Callable[..., Awaitable[tuple[int, dict[str, str], bytes]]]


async def _manage(request: func.HttpRequest, path: str) -> func.HttpResponse:
    return func.HttpResponse(f"managed {path}")


async def _link(request: func.HttpRequest, path: str) -> func.HttpResponse:
    return func.HttpResponse(f"link {path}")


@asynccontextmanager
async def serving(access: Access, **options: Any) -> AsyncIterator[Fetch]:
    invoker = Invoker(Path("/srv/app"))
    inventory = take_inventory(app.get_functions(), resolve=lambda text, where: text)
    app.functions_bindings = {}
    server = HttpServer(
        [
            *management_routes("api", _manage, _link, func.AuthLevel.FUNCTION),
            *function_routes("api", inventory.http, invoker),
        ],
        access=access,
        cors=Cors(["https://front.example"]),
        greeting="hello\n",
        drain_seconds=5.0,
        **options,
    )
    sockets = bind("127.0.0.1", 0)
    port = sockets[0].getsockname()[1]
    await server.start(sockets)
    try:
        async with aiohttp.ClientSession() as session:

            async def fetch(
                method: str, target: str, **request: Any
            ) -> tuple[int, dict[str, str], bytes]:
                url = yarl.URL(f"http://127.0.0.1:{port}{target}", encoded=True)
                async with session.request(method, url, **request) as response:
                    headers = {name.lower(): "" for name in response.headers}
                    for name in headers:
                        headers[name] = "|".join(response.headers.getall(name))
                    return response.status, headers, await response.read()

            yield fetch
    finally:
        await server.close()
        invoker.close()


@pytest.fixture
async def fetch() -> AsyncIterator[Fetch]:
    async with serving(LocalAccess()) as fetch:
        yield fetch


async def test_what_a_function_sees(fetch: Fetch) -> None:
    status, headers, body = await fetch(
        "PUT",
        "/API/echo/a%20b/c%2Fd?x=1&y=&X=2&x=%26&code=k",
        data="hi é".encode(),
        headers=[("X-Many", "1"), ("X-Many", "2"), ("Content-Encoding", "odd")],
    )
    assert (status, headers["content-type"]) == (200, "application/json")
    seen = json.loads(body)
    assert seen["method"] == "PUT"
    assert seen["url"].endswith("/API/echo/a%20b/c%2Fd?x=1&y=&X=2&x=%26&code=k")
    assert seen["params"] == {"x": "1,2,&", "y": "", "code": "k"}
    assert seen["route"] == {"path": "a b/c%2Fd"}
    assert seen["headers"]["x-many"] == "1,2"
    assert seen["body"] == "hi é"
    assert seen["thread"] is False


async def test_a_chunked_body_arrives(fetch: Fetch) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b"abc"

    _, _, body = await fetch("POST", "/api/echo/x", data=chunks())
    assert json.loads(body)["body"] == "abcabcabc"


async def test_responses(fetch: Fetch) -> None:
    status, headers, body = await fetch("GET", "/api/text")
    assert (status, headers["content-type"], body.decode()) == (
        200,
        "text/plain; charset=utf-8",
        "é",
    )
    status, headers, body = await fetch("POST", "/api/made")
    assert (status, body) == (201, b"\x00\x01")
    assert headers["content-type"] == "application/x-mine"
    assert headers["set-cookie"] == "a=1|b=2"
    assert headers["x-one"] == "1"
    assert (await fetch("GET", "/api/about"))[2] == b"about /srv/app/about 36"


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("GET", "/api/nope", 404),
        ("GET", "/text", 404),
        ("POST", "/api/text", 404),
        ("HEAD", "/api/text", 404),
        ("GET", "/api//text", 404),
        ("GET", "/api/text%00", 400),
        ("GET", "/api/te%0Axt", 404),
        ("GET", "/api/nothing", 500),
        ("GET", "/api/fails", 500),
    ],
)
async def test_empty_refusals(fetch: Fetch, method: str, target: str, status: int) -> None:
    got, _, body = await fetch(method, target)
    assert (got, body) == (status, b"")


async def test_a_failure_is_logged_with_the_users_frames_only(
    fetch: Fetch, caplog: pytest.LogCaptureFixture
) -> None:
    await fetch("GET", "/api/fails")
    assert "HTTP function fails failed" in caplog.text
    assert "the secret reason" in caplog.text
    assert "invocation.py" not in caplog.text
    caplog.clear()
    await fetch("GET", "/api/nothing")
    assert "not NoneType" in caplog.text


async def test_a_body_over_the_limit() -> None:
    async with serving(LocalAccess(), max_body=1000) as fetch:
        assert (await fetch("POST", "/api/echo/x", data=b"x" * 1000))[0] == 200
        assert (await fetch("POST", "/api/echo/x", data=b"x" * 1001))[0] == 413
        assert (await fetch("GET", "/api/text"))[0] == 200


async def test_a_host_that_is_not_local_is_refused_everywhere(fetch: Fetch) -> None:
    for target in ("/", "/api/text", "/api/durabletask/links/t", "/nope"):
        status, _, body = await fetch("GET", target, headers={"Host": "evil.example"})
        assert status == 403
        assert b"--auth" in body
    assert (await fetch("GET", "/", headers={"Host": "localhost:1"}))[2] == b"hello\n"


async def test_management_in_both_places(fetch: Fetch) -> None:
    for base in ("/api/durabletask", "/runtime/webhooks/durabletask"):
        assert (await fetch("GET", f"{base}/instances/a%20b"))[2] == b"managed instances/a b"
        assert (await fetch("POST", f"{base}/links/t/instances/a"))[2] == b"link t/instances/a"


@pytest.mark.parametrize(
    ("target", "none", "function", "master"),
    [
        ("/api/text", 200, 200, 200),
        ("/api/about", 401, 200, 200),
        ("/api/only-master", 401, 401, 200),
        ("/api/durabletask/instances", 401, 200, 200),
        ("/runtime/webhooks/durabletask/instances", 401, 200, 200),
        ("/api/durabletask/links/t/instances/a", 200, 200, 200),
        ("/", 200, 200, 200),
        ("/api/nope", 404, 404, 404),
    ],
)
async def test_keys(target: str, none: int, function: int, master: int) -> None:
    async with serving(KeyAccess(Keys("kf", "km"))) as fetch:
        public = {"Host": "orders.example"}
        assert (await fetch("GET", target, headers=public))[0] == none
        assert (await fetch("GET", f"{target}?code=kf", headers=public))[0] == function
        key = {"x-functions-key": "km"}
        assert (await fetch("GET", target, headers={**public, **key}))[0] == master


async def test_cors(fetch: Fetch) -> None:
    origin = {"Origin": "https://front.example"}
    _, headers, _ = await fetch("GET", "/api/text", headers=origin)
    assert headers["access-control-allow-origin"] == "https://front.example"
    status, headers, _ = await fetch(
        "OPTIONS", "/api/made", headers={**origin, "Access-Control-Request-Method": "POST"}
    )
    assert (status, headers["access-control-allow-methods"]) == (204, "POST")
    _, headers, _ = await fetch("GET", "/api/text", headers={"Origin": "https://other.example"})
    assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (None, 201),
        ("http://localhost:3000", 201),
        ("http://127.0.0.1", 201),
        ("https://[::1]:8", 201),
        ("https://front.example", 201),
        ("https://other.example", 403),
        ("http://localhost.other.example", 403),
        ("http://other.example:7071", 403),
        ("null", 403),
        ("", 403),
    ],
)
async def test_changes_that_a_page_from_elsewhere_asks_for(
    fetch: Fetch, origin: str | None, status: int
) -> None:
    headers = {} if origin is None else {"Origin": origin}
    got, _, body = await fetch("POST", "/api/made", headers=headers)
    assert got == status
    assert status != 403 or b"Host.CORS" in body
    assert (await fetch("GET", "/api/text", headers=headers))[0] == 200
    path = "/api/durabletask/instances/a/terminate"
    assert (await fetch("POST", path, headers=headers))[0] == (200 if status == 201 else 403)


async def test_with_keys_any_origin_may_ask() -> None:
    async with serving(KeyAccess(Keys("kf", "km"))) as fetch:
        origin = {"Origin": "https://other.example"}
        assert (await fetch("POST", "/api/made?code=kf", headers=origin))[0] == 201
        assert (await fetch("POST", "/api/made", headers=origin))[0] == 401


async def test_who_connects_before_the_server_serves_is_refused() -> None:
    sockets = bind("127.0.0.1", 0)
    try:
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(*sockets[0].getsockname())
    finally:
        for each in sockets:
            each.close()


async def test_sync_functions_run_side_by_side() -> None:
    barrier = threading.Barrier(3)
    local = func.FunctionApp()

    @local.route(route="meet")
    def meet(req: func.HttpRequest) -> str:
        barrier.wait(5)
        return "met"

    inventory = take_inventory(local.get_functions(), resolve=lambda text, where: text)
    invoker = Invoker(Path("/srv/app"))
    request = func.HttpRequest("GET", "http://x/", body=b"")
    calls = [invoker.call(inventory.http[0].call, request) for _ in range(3)]
    assert await asyncio.gather(*calls) == ["met"] * 3
    invoker.close()


async def test_a_sync_function_that_raises_stop_iteration_ends() -> None:
    local = func.FunctionApp()

    @local.route(route="first")
    def first(req: func.HttpRequest) -> str:
        return next(iter(()))

    inventory = take_inventory(local.get_functions(), resolve=lambda text, where: text)
    invoker = Invoker(Path("/srv/app"))
    request = func.HttpRequest("GET", "http://x/", body=b"")
    with pytest.raises(RuntimeError, match="raised StopIteration"):
        await asyncio.wait_for(invoker.call(inventory.http[0].call, request), 5)
    invoker.close()


def test_query_params() -> None:
    assert query_params("/a") == {}
    assert query_params("/a?b&c=&=d&b=e") == {"b": ",e", "c": "", "": "d"}
    assert query_params("/a?x=%ff%26+1#f") == {"x": "�& 1"}
