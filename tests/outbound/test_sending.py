"""One request: what goes out, what comes back, and what is too much."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from durable.errors import HttpResponseRefusedError
from durable.model.http import DurableHttpRequest, DurableHttpResponse
from durable.outbound.sending import HttpSender
from tests.azurite import free_ports
from tests.outbound.service import LOOPBACK, Names, Service, get, settings


@pytest.fixture
def sender() -> HttpSender:
    return HttpSender(settings(LOOPBACK))


async def test_a_request_arrives_as_it_was_made(service: Service, sender: HttpSender) -> None:
    service.on("/orders/a/b", 201, "made", X_Answer="yes")
    content = json.dumps({"a": [1, "ä"]})
    headers = {"Content-Type": "application/json", "X-Trace": "7", "Cookie": "a=1; b=2"}
    uri = service.uri("/orders/a%2Fb?sig=a%2Bb%3D&x=%20")
    answer = await sender.send(DurableHttpRequest("post", uri, content, headers))
    assert (answer.response.status_code, answer.response.content) == (201, "made")
    assert answer.response.header("x-answer") == "yes"
    assert (answer.uri, answer.poll_interval) == (uri, 30)
    [asked] = service.asked
    assert (asked.method, asked.path) == ("POST", "/orders/a%2Fb?sig=a%2Bb%3D&x=%20")
    assert asked.body == content.encode()
    assert asked.headers["content-type"] == "application/json"
    assert asked.headers["x-trace"] == "7"
    assert asked.headers["cookie"] == "a=1; b=2"


async def test_any_status_is_an_answer(service: Service, sender: HttpSender) -> None:
    for status in (200, 204, 400, 401, 404, 429, 500, 503):
        service.on("/", status)
        response = (await sender.send(get(service.uri()))).response
        assert (response.status_code, response.content) == (status, "")


async def test_framing_is_the_client_s_own(service: Service, sender: HttpSender) -> None:
    service.on("/")
    headers = {"Content-Length": "3", "Transfer-Encoding": "chunked", "Connection": "upgrade"}
    await sender.send(DurableHttpRequest("PUT", service.uri(), "whole body", headers))
    [asked] = service.asked
    assert asked.body == b"whole body"
    assert "transfer-encoding" not in asked.headers
    assert asked.headers.get("connection") != "upgrade"


async def test_headers_that_come_twice_are_joined(service: Service, sender: HttpSender) -> None:
    async def answer(request: web.BaseRequest) -> web.Response:
        response = web.Response(text="x")
        response.headers.add("X-Two", "a")
        response.headers.add("X-Two", "b")
        return response

    service.answers["/"] = answer
    response = (await sender.send(get(service.uri()))).response
    assert response.headers["X-Two"] == "a, b"


@pytest.mark.parametrize(
    ("body", "charset", "text"),
    [
        ("ä€".encode(), "utf-8", "ä€"),
        ("ä€".encode(), None, "ä€"),
        (b"\xef\xbb\xbfhi", None, "hi"),
        ("ä".encode("latin-1"), "iso-8859-1", "ä"),
        ("ä".encode("utf-16"), "utf-16", "ä"),
        (b"\xffok", None, "\ufffdok"),
        (b"ok", "no-such-charset", "ok"),
        (b"6f6b", "hex", "6f6b"),
        (b"ok", "undefined", "ok"),
        (rb"\u0041", "unicode_escape", r"\u0041"),
        (b"abc-", "punycode", "abc-"),
    ],
)
async def test_content_is_text(
    service: Service, sender: HttpSender, body: bytes, charset: str | None, text: str
) -> None:
    async def answer(request: web.BaseRequest) -> web.Response:
        kind = "text/plain" + (f"; charset={charset}" if charset else "")
        return web.Response(body=body, headers={"Content-Type": kind})

    service.answers["/"] = answer
    assert (await sender.send(get(service.uri()))).response.content == text


async def test_json_comes_out_of_content(service: Service, sender: HttpSender) -> None:
    service.on("/", text='{"a": [1]}')
    response = (await sender.send(get(service.uri()))).response
    assert response.json() == {"a": [1]}
    with pytest.raises(ValueError, match="Expecting value"):
        DurableHttpResponse(204).json()


async def test_a_body_up_to_the_limit_is_taken_and_no_byte_more(service: Service) -> None:
    sender = HttpSender(settings(LOOPBACK, limit=70_000))
    service.on("/", text="x" * 70_000)
    assert len((await sender.send(get(service.uri()))).response.content or "") == 70_000
    service.on("/", text="x" * 70_001)
    with pytest.raises(HttpResponseRefusedError, match=r"70,000 bytes .*maxResponseBytes"):
        await sender.send(get(service.uri()))


async def test_a_body_without_end_or_length_is_cut_off(service: Service) -> None:
    async def endless(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x" * 10_000)

    service.answers["/"] = endless
    with pytest.raises(HttpResponseRefusedError, match="maxResponseBytes"):
        await HttpSender(settings(LOOPBACK, limit=50_000)).send(get(service.uri()))


async def test_a_body_counts_as_it_is_unpacked(service: Service) -> None:
    async def packed(request: web.BaseRequest) -> web.Response:
        body = gzip.compress(b"x" * 5_000_000)
        return web.Response(body=body, headers={"Content-Encoding": "gzip"})

    service.answers["/"] = packed
    with pytest.raises(HttpResponseRefusedError, match="maxResponseBytes"):
        await HttpSender(settings(LOOPBACK, limit=100_000)).send(get(service.uri()))


async def test_too_many_bytes_of_headers_are_refused(service: Service, sender: HttpSender) -> None:
    async def answer(request: web.BaseRequest) -> web.Response:
        return web.Response(headers={f"X-{number}": "y" * 4000 for number in range(20)})

    service.answers["/"] = answer
    with pytest.raises(HttpResponseRefusedError, match="bytes of headers"):
        await sender.send(get(service.uri()))


async def test_one_header_that_is_too_long_is_refused(service: Service, sender: HttpSender) -> None:
    service.on("/", X_Long="y" * 10_000)
    with pytest.raises(HttpResponseRefusedError):
        await sender.send(get(service.uri()))


@asynccontextmanager
async def saying(said: bytes) -> AsyncIterator[str]:
    """The URI of a server that says these bytes, and hangs up."""

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(said)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(speak, LOOPBACK, 0)
    async with server:
        yield f"http://{LOOPBACK}:{server.sockets[0].getsockname()[1]}/"


async def test_what_is_not_http_is_refused(sender: HttpSender) -> None:
    async with saying(b"SSH-2.0-OpenSSH_9.6\r\n\r\n") as uri:
        with pytest.raises(HttpResponseRefusedError, match="not answered in HTTP"):
            await sender.send(get(uri))


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"])
async def test_a_response_that_breaks_off_is_a_connection_error(
    sender: HttpSender, said: bytes
) -> None:
    async with saying(said) as uri:
        with pytest.raises(ConnectionError, match=f"GET {uri} failed"):
            await sender.send(get(uri))


async def test_nobody_listening_is_a_connection_error(sender: HttpSender) -> None:
    [port] = free_ports(1)
    with pytest.raises(ConnectionError, match=f"GET http://127.0.0.1:{port}/x failed: "):
        await sender.send(get(f"http://127.0.0.1:{port}/x?code=hush"))


async def test_a_name_that_does_not_exist_is_a_connection_error() -> None:
    with pytest.raises(ConnectionError, match="no such name"):
        await HttpSender(settings(), resolver=Names()).send(get("http://nowhere.example/"))


async def test_a_response_that_takes_too_long_is_a_timeout(service: Service) -> None:
    gone = asyncio.Event()

    async def slow(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"a little")
        await gone.wait()
        return response

    service.answers["/"] = slow
    with pytest.raises(TimeoutError, match=r"GET http://.*/ took longer than 0\.2 s"):
        await HttpSender(settings(LOOPBACK, seconds=0.2)).send(get(service.uri()))
    gone.set()


async def test_a_cookie_that_was_set_is_not_sent_back(service: Service, sender: HttpSender) -> None:
    service.on("/", Set_Cookie="session=1")
    await sender.send(get(service.uri()))
    await sender.send(get(service.uri()))
    assert ["cookie" in asked.headers for asked in service.asked] == [False, False]
