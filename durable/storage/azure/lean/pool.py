"""Connections that are kept: one request on each at a time, the last used first.

A connection that was idle for longer than the service keeps it, or that has ended, is not used.
Nothing is sent twice: a request that meets a connection just being closed has no answer, and
whoever made it knows what a repeat would mean.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import defaultdict, deque
from dataclasses import dataclass
from functools import cached_property

from durable.storage.azure import timing
from durable.storage.azure.lean.connection import Answer, HttpConnection, NoAnswer


@dataclass(frozen=True, slots=True)
class Origin:
    """Where to connect to."""

    host: str
    port: int
    tls: bool


class Pool:
    """For the event loop that runs. Certificates are checked against OpenSSL's default
    authorities, or those of the file that the environment variable SSL_CERT_FILE names when the
    first connection is made. Proxy variables are not read."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._slots = asyncio.Semaphore(timing.MAX_CONNECTIONS)
        self._idle: defaultdict[Origin, deque[HttpConnection]] = defaultdict(deque)
        self._open: set[HttpConnection] = set()
        self._sweeping: asyncio.TimerHandle | None = None
        self._closed = False

    async def exchange(self, origin: Origin, request: bytes) -> Answer:
        """Send once, wait for the answer. NoAnswer, or TimeoutError."""
        async with self._slots:
            connection = self._take(origin) or await self._connect(origin)
            answer = await connection.exchange(request)
            if connection.reusable:
                self._keep(origin, connection)
            return answer

    async def close(self) -> None:
        """Close all connections; may be called twice."""
        self._closed = True
        if self._sweeping is not None:
            self._sweeping.cancel()
        self._idle.clear()
        connections = list(self._open)
        for connection in connections:
            connection.abort()
        await asyncio.gather(*(connection.lost for connection in connections))

    def _take(self, origin: Origin) -> HttpConnection | None:
        idle = self._idle[origin]
        oldest = self._loop.time() - timing.KEEP_ALIVE_SECONDS
        while idle:
            connection = idle.pop()
            if connection.reusable and connection.idle_since > oldest:
                return connection
            connection.abort()
        return None

    async def _connect(self, origin: Origin) -> HttpConnection:
        if self._closed:
            raise NoAnswer("the storage is closed")
        try:
            async with asyncio.timeout(timing.CONNECT_SECONDS):
                _, connection = await self._loop.create_connection(
                    HttpConnection,
                    origin.host,
                    origin.port,
                    ssl=self._context if origin.tls else None,
                )
        except TimeoutError as error:
            reason = f"no connection within {timing.CONNECT_SECONDS:g} s"
            raise TimeoutError(reason) from error
        except (OSError, UnicodeError) as error:
            raise NoAnswer(str(error) or type(error).__name__) from error
        self._open.add(connection)
        connection.lost.add_done_callback(lambda _: self._open.discard(connection))
        return connection

    @cached_property
    def _context(self) -> ssl.SSLContext:
        return ssl.create_default_context()

    def _keep(self, origin: Origin, connection: HttpConnection) -> None:
        connection.idle_since = self._loop.time()
        self._idle[origin].append(connection)
        if self._sweeping is None:
            self._sweeping = self._loop.call_later(timing.KEEP_ALIVE_SECONDS, self._sweep)

    def _sweep(self) -> None:
        """Close what nobody has used for too long."""
        self._sweeping = None
        oldest = self._loop.time() - timing.KEEP_ALIVE_SECONDS
        for idle in self._idle.values():
            while idle and (idle[0].idle_since <= oldest or not idle[0].reusable):
                idle.popleft().abort()
        if any(self._idle.values()):
            self._sweeping = self._loop.call_later(timing.KEEP_ALIVE_SECONDS, self._sweep)
