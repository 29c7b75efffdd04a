"""One HTTP/1.1 connection: a request at a time, its answer read whole.

An answer must say how long it is. One that does not, or breaks another rule, counts as none: what
is cut short could not be told from what is complete. Such a connection, and one whose caller was
cancelled, is closed and never used again.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from durable.storage.azure import timing

MAX_HEAD_BYTES = 64 * 1024
MAX_BODY_BYTES = 64 * 1024 * 1024

_STATUS_LINE = re.compile(r"HTTP/1\.([01]) ([2-5]\d\d)(?: .*)?")
_LENGTH = re.compile(r"\d{1,12}")
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\r\n]*)?")
_MAX_CHUNK_LINE = 1024
_WITHOUT_BODY = (204, 304)


class NoAnswer(Exception):
    """No answer came, or none that is whole and well formed."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(slots=True)
class _Head:
    status: int
    headers: dict[str, str]
    length: int | None
    """None for a body in chunks."""
    last: bool
    """Whether the server closes the connection after this answer."""


class HttpConnection(asyncio.Protocol):
    """Made by `loop.create_connection`; `reusable` once an answer came and nothing is amiss."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.lost: asyncio.Future[None] = loop.create_future()
        """Done when the connection has ended."""
        self.idle_since = 0.0
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[Answer] | None = None
        self._clean = True
        self._ended = False
        self._heard_at = 0.0
        self._silence: asyncio.TimerHandle | None = None
        self._forget()

    @property
    def reusable(self) -> bool:
        """Whether another request may be sent."""
        # a TLS transport forgets that it is closing once it is closed
        transport = self._transport
        alive = transport is not None and not self._ended and not transport.is_closing()
        return alive and self._clean

    async def exchange(self, request: bytes) -> Answer:
        """Send a request and wait for its answer. NoAnswer, or TimeoutError after a long silence;
        the connection is closed then, and when the caller is cancelled."""
        if self._transport is None or not self.reusable:
            raise NoAnswer("the connection was closed before the request was sent")
        waiter: asyncio.Future[Answer] = self._loop.create_future()
        self._waiter = waiter
        self._heard_at = self._loop.time()
        self._listen(timing.READ_SECONDS)
        self._clean = False
        try:
            self._transport.write(request)
            answer = await waiter
            # what was not sent when the answer came would reach the server as another request
            self._clean = self._reusable_after and not self._transport.get_write_buffer_size()
            return answer
        finally:
            if self._silence is not None:
                self._silence.cancel()
            self._waiter = None
            self._forget()
            if not self._clean:
                self.abort()

    def abort(self) -> None:
        """Close at once."""
        self._ended = True
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        # other loops' transports have the methods, and not the class
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        if self._waiter is None or self._waiter.done():
            # nothing was asked: whatever it is, it is not the next answer
            self.abort()
            return
        self._heard_at = self._loop.time()
        self._buffer += data
        try:
            answer = self._read()
        except NoAnswer as error:
            self._waiter.set_exception(error)
        else:
            if answer is not None:
                self._waiter.set_result(answer)

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._ended = True
        if self._waiter is not None and not self._waiter.done():
            began = "in the middle of" if self._buffer else "before"
            reason = f": {exc}" if exc is not None else ""
            self._waiter.set_exception(NoAnswer(f"the connection ended {began} it{reason}"))
        if not self.lost.done():
            self.lost.set_result(None)

    def _listen(self, seconds: float) -> None:
        """Give up when nothing was heard for that long."""
        left = self._heard_at + seconds - self._loop.time()
        if left > 0:
            self._silence = self._loop.call_later(left, self._listen, seconds)
        elif self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(TimeoutError(f"silence for {seconds:g} s"))

    def _forget(self) -> None:
        self._buffer = bytearray()
        self._head: _Head | None = None
        self._at = 0
        """How far the buffer was read."""
        self._chunks: list[bytes] = []
        self._chunked_bytes = 0
        self._reusable_after = False

    def _read(self) -> Answer | None:
        """The answer, if it is there. NoAnswer if it cannot be understood."""
        if self._head is None:
            end = self._buffer.find(b"\r\n\r\n", max(0, self._at - 3))
            if max(end, len(self._buffer) if end < 0 else 0) > MAX_HEAD_BYTES:
                raise NoAnswer("its head is too long")
            if end < 0:
                self._at = len(self._buffer)
                return None
            self._head = _head(self._buffer[:end].decode("latin-1"))
            self._at = end + 4
        body = self._body(self._head)
        if body is None:
            return None
        self._reusable_after = not self._head.last and self._at == len(self._buffer)
        return Answer(self._head.status, self._head.headers, body)

    def _body(self, head: _Head) -> bytes | None:
        if head.length is None:
            return self._chunked()
        end = self._at + head.length
        if len(self._buffer) < end:
            return None
        body = bytes(memoryview(self._buffer)[self._at : end])
        self._at = end
        return body

    def _chunked(self) -> bytes | None:
        """The body once its last chunk is there; trailers are passed over."""
        while True:
            end = self._buffer.find(b"\r\n", self._at)
            if end < 0:
                if len(self._buffer) - self._at > _MAX_CHUNK_LINE:
                    raise NoAnswer("a chunk has no size")
                return None
            found = _CHUNK_SIZE.fullmatch(self._buffer, self._at, end)
            if found is None:
                raise NoAnswer("a chunk has no size")
            size = int(found[1], 16)
            if size == 0:
                return self._after_chunks(end)
            if self._chunked_bytes + size > MAX_BODY_BYTES:
                raise NoAnswer("its body is too long")
            start, stop = end + 2, end + 2 + size
            if len(self._buffer) < stop + 2:
                return None
            if self._buffer[stop : stop + 2] != b"\r\n":
                raise NoAnswer("a chunk is longer than it says")
            self._chunks.append(bytes(memoryview(self._buffer)[start:stop]))
            self._chunked_bytes += size
            self._at = stop + 2

    def _after_chunks(self, end: int) -> bytes | None:
        """Past the last chunk, whose line ends at `end`: trailers and an empty line."""
        last = self._buffer.find(b"\r\n\r\n", end)
        if last < 0:
            if len(self._buffer) - end > MAX_HEAD_BYTES:
                raise NoAnswer("its trailers are too long")
            return None
        self._at = last + 4
        return b"".join(self._chunks)


def _head(text: str) -> _Head:
    first, *lines = text.split("\r\n")
    status_line = _STATUS_LINE.fullmatch(first)
    if status_line is None:
        raise NoAnswer("it is no HTTP")
    headers: dict[str, str] = {}
    for line in lines:
        name, separator, value = line.partition(":")
        name = name.lower()
        if not separator or not name or name != name.strip():
            raise NoAnswer("a header of it is malformed")
        if name in ("content-length", "transfer-encoding") and name in headers:
            raise NoAnswer("it says twice how long it is")
        headers[name] = value.strip()
    status = int(status_line[2])
    return _Head(
        status,
        headers,
        _length(status, headers),
        status_line[1] == "0" or "close" in headers.get("connection", "").lower(),
    )


def _length(status: int, headers: Mapping[str, str]) -> int | None:
    """Bytes of the body, None for chunks."""
    coding, length = headers.get("transfer-encoding"), headers.get("content-length")
    if status in _WITHOUT_BODY:
        return 0
    if coding is not None:
        if length is not None or coding.lower() != "chunked":
            raise NoAnswer("it does not say how long it is")
        return None
    if length is None or not _LENGTH.fullmatch(length):
        raise NoAnswer("it does not say how long it is")
    if int(length) > MAX_BODY_BYTES:
        raise NoAnswer("its body is too long")
    return int(length)
