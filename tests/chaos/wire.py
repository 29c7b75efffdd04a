"""HTTP/1.1 messages as they travel: read whole, kept as bytes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

LONGEST_HEAD = 2**18
_END_OF_HEAD = b"\r\n\r\n"
_WITHOUT_BODY = (204, 304)


class Ended(Exception):
    """The connection was closed before, or in the middle of, a message."""


@dataclass(frozen=True, slots=True)
class Message:
    """A request or an answer. `head` ends with the empty line, `body` is as it was framed."""

    first: str
    headers: Mapping[str, str]
    head: bytes
    body: bytes

    @property
    def raw(self) -> bytes:
        return self.head + self.body

    @property
    def status(self) -> int:
        """Of an answer."""
        return int(self.first.split(" ", 2)[1])

    @property
    def closes(self) -> bool:
        """Whether nothing follows it on its connection."""
        return self.headers.get("connection", "").lower() == "close"


async def read_request(reader: asyncio.StreamReader) -> Message:
    """The next request; Ended when there is none."""
    return await _read(reader, is_answer=False)


async def read_answer(reader: asyncio.StreamReader) -> Message:
    """The next answer; Ended when there is none."""
    return await _read(reader, is_answer=True)


async def _read(reader: asyncio.StreamReader, *, is_answer: bool) -> Message:
    try:
        head = await reader.readuntil(_END_OF_HEAD)
        first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
        headers = {
            name.strip().lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines)
        }
        bodiless = is_answer and int(first.split(" ", 2)[1]) in _WITHOUT_BODY
        body = b"" if bodiless else await _body(reader, headers)
    except (asyncio.IncompleteReadError, ConnectionError) as error:
        raise Ended from error
    return Message(first, headers, head, body)


async def _body(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> bytes:
    if headers.get("transfer-encoding", "").lower() != "chunked":
        return await reader.readexactly(int(headers.get("content-length", "0")))
    parts = []
    while True:
        size = await reader.readuntil(b"\r\n")
        chunk = await reader.readexactly(int(size.partition(b";")[0], 16) + 2)
        parts += [size, chunk]
        if chunk == b"\r\n":
            return b"".join(parts)
