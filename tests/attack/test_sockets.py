"""Bytes that are no requests, or nearly, on a worker's socket: answered or cut off, and soon."""

from __future__ import annotations

import asyncio
import random
import re
from collections import Counter
from urllib.parse import quote

from durable.worker.access import LocalAccess
from tests.attack.requests import BODIES, Sent, hostile_requests
from tests.attack.serving import listening
from tests.attack.test_http import KNOWN, new_world

REQUESTS = 600
SECONDS = 10.0
AT_ONCE = 100
PATIENCE = 0.4
TRUE = b"GET /api/durabletask/openapi.json HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
SPOILED: list[bytes] = [
    b"",
    b"\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00",
    b"GET\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET http://evil.example/api/durabletask/instances HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"CONNECT evil.example:443 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"A: b\r\n" * 5000 + b"\r\n",
    b"GET /api/%0d%0aSet-Cookie:%20a=b HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /api/durabletask/instances/\xff\xfe HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /../../etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\n folded: x\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost : localhost\r\n\r\n",
    b"POST /api/durabletask/orchestrators/work HTTP/1.1\r\nHost: localhost\r\n"
    b"Content-Length: -1\r\n\r\n",
    b"POST /api/durabletask/orchestrators/work HTTP/1.1\r\nHost: localhost\r\n"
    b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nnull",
    b"POST /api/durabletask/orchestrators/work HTTP/1.1\r\nHost: localhost\r\n"
    b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nnull",
    b"POST /api/durabletask/orchestrators/work HTTP/1.1\r\nHost: localhost\r\n"
    b"Transfer-Encoding: chunked\r\n\r\nZZ\r\nnull\r\n0\r\n\r\n",
    b"POST /api/durabletask/orchestrators/work HTTP/1.1\r\nHost: localhost\r\n"
    b"Transfer-Encoding: gzip, chunked\r\n\r\n4\r\nnull\r\n0\r\n\r\n",
    b"POST /api/durabletask/orchestrators/work HTTP/1.1\r\nHost: localhost\r\n"
    b"Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnull",
    b"POST /api/durabletask/orchestrators/work HTTP/1.1\r\nHost: localhost\r\n"
    b"Expect: 200-maybe\r\nContent-Length: 4\r\n\r\nnull",
    b"POST /api/durabletask/orchestrators/work HTTP/1.1\r\nHost: localhost\r\n"
    b"Content-Length: 99999999999999\r\n\r\nnull",
]


def bytes_of(sent: Sent, rnd: random.Random) -> bytes:
    """The request on the wire, with a byte changed now and then."""
    host = "" if "Host" in sent.headers else "Host: localhost\r\n"
    said = "".join(f"{name}: {value}\r\n" for name, value in sent.headers.items())
    length = "" if "Content-Length" in sent.headers else f"Content-Length: {len(sent.body)}\r\n"
    target = quote(sent.target, safe="/%?&=;")
    head = f"{sent.method} /api/durabletask/{target} HTTP/1.1\r\n{host}{said}{length}"
    head += "Connection: close\r\n\r\n"
    data = bytearray(head.encode() + sent.body)
    if rnd.random() < 0.3:
        data[rnd.randrange(len(head))] = rnd.randrange(256)
    return bytes(data)


async def ask(port: int, data: bytes) -> bytes:
    """What comes back until the connection ends. What is no whole request may be waited on: the
    end of what is sent ends that."""
    async with asyncio.timeout(SECONDS):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(data)
            answer = asyncio.ensure_future(reader.read())
            done, _ = await asyncio.wait({answer}, timeout=PATIENCE)
            if not done:
                writer.write_eof()
            return await answer
        except ConnectionError:
            return b""
        finally:
            writer.close()


async def test_nothing_hangs_breaks_or_gives_anything_away() -> None:
    rnd = random.Random(11)
    world = await new_world()
    requests = [bytes_of(sent, rnd) for sent in hostile_requests(11, REQUESTS, KNOWN)]
    requests += [start + body for start in SPOILED for body in (b"", rnd.choice(BODIES))]
    statuses: Counter[bytes] = Counter()
    async with listening(world, LocalAccess()) as port:
        for start in range(0, len(requests), AT_ONCE):
            batch = requests[start : start + AT_ONCE]
            for data, answer in zip(
                batch, await asyncio.gather(*(ask(port, each) for each in batch)), strict=True
            ):
                told = f"{data[:300]!r}: {answer[:500]!r}"
                found = re.findall(rb"^HTTP/1\.[01] (\d{3})", answer, re.MULTILINE)
                statuses.update(found or [b"cut off"])
                failed = b"returnInternalServerErrorOnFailure" in data
                assert not any(each >= b"500" for each in found) or failed, told
                assert b"Traceback" not in answer, told
                assert b'File "' not in answer, told
                assert b"Set-Cookie" not in answer, told
                assert b"root:" not in answer, told
        assert (await ask(port, TRUE)).startswith(b"HTTP/1.1 200 ")
    assert {b"200", b"202", b"400", b"403", b"404", b"405"} <= statuses.keys(), statuses
