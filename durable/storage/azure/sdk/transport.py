"""One HTTP session for both services: no hidden repeats, and every Date header observed."""

from __future__ import annotations

import io
import ssl
from typing import Any, Self

import aiohttp
from azure.core.pipeline.transport import AioHttpTransport, AsyncHttpTransport

from durable.storage.azure import timing
from durable.storage.azure.clock import ServiceClock

LARGE_BODY_BYTES = 1024 * 1024


class ConnectionLost(aiohttp.ClientConnectionError):
    """The connection failed before an answer came."""


async def _send_once(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    try:
        return await handler(request)
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        # aiohttp would send GET, PUT and DELETE a second time after these two.
        raise ConnectionLost(str(error) or type(error).__name__) from error


def open_session(*, tls: bool) -> aiohttp.ClientSession:
    """A session for the running event loop.

    With `tls`, certificates are checked against OpenSSL's default authorities, or those of the
    file that the environment variable SSL_CERT_FILE names now. Proxy variables are not read.
    """
    connector = aiohttp.TCPConnector(
        ssl=ssl.create_default_context() if tls else True,
        limit=timing.MAX_CONNECTIONS,
        keepalive_timeout=timing.KEEP_ALIVE_SECONDS,
    )
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        middlewares=(_send_once,),
    )


class _Session:
    """What the SDK uses of an aiohttp session, sending bodies of any size without a warning."""

    auto_decompress = False

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def __aenter__(self) -> Self:
        return self

    async def request(
        self, method: str, url: str, *, data: Any = None, **options: Any
    ) -> aiohttp.ClientResponse:
        # aiohttp warns of long bytes, which at a few MiB is no reason to fail.
        if isinstance(data, (str, bytes)) and len(data) >= LARGE_BODY_BYTES // 4:
            data = io.BytesIO(data.encode() if isinstance(data, str) else data)
        return await self._session.request(method, url, data=data, **options)


class ObservedTransport(AsyncHttpTransport[Any, Any]):
    """The SDK's transport on a session that it does not own."""

    def __init__(self, session: aiohttp.ClientSession, clock: ServiceClock) -> None:
        # The SDK looks for an AioHttpTransport under this very name to sign what it will send.
        self._transport = AioHttpTransport(
            session=_Session(session),
            session_owner=False,
            use_env_settings=False,
            connection_timeout=timing.CONNECT_SECONDS,
            read_timeout=timing.READ_SECONDS,
        )
        self._clock = clock

    async def send(self, request: Any, **kwargs: Any) -> Any:
        """Send once, and tell the clock when the answer came."""
        sent = self._clock.monotonic()
        response = await self._transport.send(request, **kwargs)
        header = response.headers.get("Date")
        self._clock.observe_header(header, sent=sent, received=self._clock.monotonic())
        return response

    async def open(self) -> None:
        """Nothing to do: the session is open."""

    async def close(self) -> None:
        """Nothing to do: whoever opened the session closes it."""

    async def __aexit__(self, *exc: object) -> None:
        """As `close`."""
