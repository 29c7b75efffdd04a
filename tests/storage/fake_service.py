"""A server that answers what a test says, and counts what reaches it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.utils import formatdate

from durable.storage.azure.connection import Connection, SharedKey

KEY = "c2VjcmV0LWtleQ=="
CLOSE = b""
HANG = b"hang"


def answer(status: int, body: str = "", **headers: str) -> bytes:
    """A whole HTTP answer; underscores in header names become hyphens."""
    lines = [f"HTTP/1.1 {status} Said", f"Date: {formatdate(usegmt=True)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    lines += [f"Content-Length: {len(body.encode())}", "", body]
    return "\r\n".join(lines).encode()


def table_error(status: int, code: str, **headers: str) -> bytes:
    """An error as the table service words it."""
    body = f'{{"odata.error":{{"code":"{code}","message":{{"lang":"en","value":"Said {code}."}}}}}}'
    return answer(status, body, Content_Type="application/json;odata=minimalmetadata", **headers)


def queue_error(status: int, code: str, **headers: str) -> bytes:
    """An error as the queue service words it."""
    body = f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>Said {code}.</Message></Error>'
    return answer(status, body, Content_Type="application/xml", **headers)


@dataclass
class FakeService:
    """`reply` is given each request's first line; what it returns is sent as it is, CLOSE ends
    the connection instead, HANG says nothing more."""

    reply: Callable[[str], bytes] = lambda line: table_error(404, "TableNotFound")
    requests: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    connections: int = 0
    serving: int = 0
    left: asyncio.Event = field(default_factory=asyncio.Event)
    """Set while nobody is connected who was."""
    keep_open: bool = True
    port: int = 0

    @property
    def connection(self) -> Connection:
        endpoint = f"http://127.0.0.1:{self.port}/shop"
        return Connection(endpoint, endpoint, SharedKey("shop", KEY))

    def say(self, reply: bytes) -> None:
        """Answer everything with `reply` from now on, and count from zero."""
        self.reply = lambda line: reply
        self.requests.clear()
        self.bodies.clear()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.serving += 1
        self.left.clear()
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = re.search(rb"(?i)\ncontent-length: *(\d+)", head)
                self.bodies.append(await reader.readexactly(int(length[1]) if length else 0))
                self.requests.append(head.split(b"\r\n", 1)[0].decode())
                said = self.reply(self.requests[-1])
                if said == HANG:
                    await reader.read()
                if said in (CLOSE, HANG):
                    return
                writer.write(said)
                await writer.drain()
                if not self.keep_open:
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            self.serving -= 1
            if not self.serving:
                self.left.set()
            writer.close()


@asynccontextmanager
async def fake_service() -> AsyncIterator[FakeService]:
    """A FakeService that listens; it starts out as an account without tables."""
    service = FakeService()
    handlers: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(service.serve(reader, writer))
        handlers.add(task)
        task.add_done_callback(handlers.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    service.port = server.sockets[0].getsockname()[1]
    try:
        yield service
    finally:
        server.close()
        for task in handlers:
            task.cancel()
        await asyncio.gather(*handlers, return_exceptions=True)
        await server.wait_closed()
