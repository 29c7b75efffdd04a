"""A proxy in front of the storage emulator that delays, drops, truncates, repeats and lies."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from email.utils import formatdate
from types import TracebackType
from typing import Self

from tests.chaos.lies import Liar, Lie, queue_call, table_call
from tests.chaos.wire import LONGEST_HEAD, Ended, Message, read_answer, read_request
from tools.processes import connection_string

_DONE = {Lie.LOSE, Lie.TRUNCATE, Lie.FAIL_500, Lie.FAIL_503, Lie.TWICE_SECOND}
_FAILURES = {
    Lie.FAIL_500: "500 Internal Server Error",
    Lie.FAIL_503: "503 Server Busy",
    Lie.REFUSE: "503 Server Busy",
}


def failure(lie: Lie) -> bytes:
    """An answer that says no more than that it failed; the service's time is in all of them."""
    date = formatdate(usegmt=True)
    return f"HTTP/1.1 {_FAILURES[lie]}\r\nDate: {date}\r\nContent-Length: 0\r\n\r\n".encode()


class Proxy:
    """Listens on a free port of the loopback for one service at `upstream`, a port as well."""

    def __init__(self, upstream: int, classify: Callable[[str, str], str], liar: Liar) -> None:
        self.port = 0
        self._upstream = upstream
        self._classify = classify
        self._liar = liar
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(
            self._accepted, "127.0.0.1", self.port, limit=LONGEST_HEAD
        )
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        upstream = _Upstream(self._upstream)
        try:
            while await self._serve(await read_request(reader), writer, upstream):
                pass
        except (Ended, ConnectionError):
            # either side left: the other one is told by the closed connection
            pass
        except asyncio.CancelledError:
            # cancelled by us alone; asyncio's server would report the task as failed
            pass
        finally:
            self._serving.discard(task)
            upstream.close()
            writer.close()

    async def _serve(
        self, request: Message, writer: asyncio.StreamWriter, upstream: _Upstream
    ) -> bool:
        """Deal with one request; False when the connection has to end."""
        method, target, _ = request.first.split(" ", 2)
        kind = self._classify(method, target)
        lie = self._liar.decide(kind)
        if lie is Lie.DROP:
            return False
        if lie is Lie.REFUSE:
            return await _write(writer, failure(lie))
        if lie is Lie.DELAY:
            await asyncio.sleep(self._liar.delay())
        first = answer = await upstream.ask(request)
        if lie in (Lie.TWICE_FIRST, Lie.TWICE_SECOND):
            second = await upstream.ask(request)
            answer = second if lie is Lie.TWICE_SECOND else first
        if lie is Lie.LATE:
            await asyncio.sleep(self._liar.delay())
        failed = lie is not Lie.TWICE_SECOND or answer.status >= 300
        if first.status < 300:
            self._liar.done[kind] += 1
        if lie in _DONE and first.status < 300 and failed:
            self._liar.ambiguous[kind] += 1
        match lie:
            case Lie.LOSE:
                return False
            case Lie.TRUNCATE:
                whole = answer.raw
                await _write(writer, whole[: len(whole) - (len(answer.body) or len(whole)) // 2])
                return False
            case Lie.FAIL_500 | Lie.FAIL_503:
                # what failed anyway keeps its own answer
                return await _write(writer, failure(lie) if first.status < 300 else first.raw)
        return await _write(writer, answer.raw) and not answer.closes


class _Upstream:
    """The connection to the service that belongs to one connection of a caller's."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, request: Message) -> Message:
        if self._streams is None or self._streams[0].at_eof():
            self.close()
            self._streams = await asyncio.open_connection(
                "127.0.0.1", self._port, limit=LONGEST_HEAD
            )
        reader, writer = self._streams
        writer.write(request.raw)
        await writer.drain()
        answer = await read_answer(reader)
        if answer.closes:
            self.close()
        return answer

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


async def _write(writer: asyncio.StreamWriter, data: bytes) -> bool:
    writer.write(data)
    await writer.drain()
    return True


class LyingAccount:
    """An account behind two proxies, its queues and its tables; an async context manager."""

    def __init__(self, queue_port: int, table_port: int, liar: Liar) -> None:
        self.liar = liar
        self._queues = Proxy(queue_port, queue_call, liar)
        self._tables = Proxy(table_port, table_call, liar)
        self._open = AsyncExitStack()

    @property
    def connection_string(self) -> str:
        """What a worker is to be given. There are no blobs."""
        return connection_string((0, self._queues.port, self._tables.port))

    async def __aenter__(self) -> Self:
        await self._open.enter_async_context(self._queues)
        await self._open.enter_async_context(self._tables)
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._open.aclose()
