"""Sends one durable HTTP request, over redirects, within the limits of the settings."""

from __future__ import annotations

import asyncio
import codecs
from dataclasses import replace

from aiohttp import (
    ClientError,
    ClientResponse,
    ClientResponseError,
    ClientSession,
    ClientTimeout,
    InvalidURL,
    TCPConnector,
)
from aiohttp.abc import AbstractResolver
from yarl import URL

from durable.errors import HttpResponseRefusedError, HttpTargetRefusedError, InvalidRequestError
from durable.model.http import (
    DurableHttpRequest,
    DurableHttpResponse,
    HttpAnswer,
    header_of,
    shown,
)
from durable.outbound.redirects import redirected
from durable.outbound.targets import Guard, Targets
from durable.outbound.tokens import Tokens
from durable.settings import HttpSettings

MAX_REDIRECTS = 5
MAX_HEADERS = 64 * 1024
"""Bytes of all names and values of a response's headers."""

_CHUNK = 64 * 1024
_OURS = frozenset(
    {
        "connection",
        "content-length",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""Headers of the connection and the framing, which are this client's to send."""
_NO_CHARSETS = frozenset({"idna", "punycode", "raw-unicode-escape", "unicode-escape", "utf-7"})
"""Codecs of Python that are no charsets of the web; some take quadratic time."""


class HttpSender:
    """Sends requests on the loop it is used on; a connection for each, kept for none.

    `resolver` resolves host names in place of the system. Proxies of the environment are not
    used: addresses could not be checked behind them.
    """

    def __init__(
        self,
        settings: HttpSettings,
        *,
        tokens: Tokens | None = None,
        resolver: AbstractResolver | None = None,
    ) -> None:
        self._settings = settings
        self._targets = Targets(settings.allowed_private_targets)
        self._tokens = tokens or Tokens()
        self._resolver = resolver

    async def send(self, request: DurableHttpRequest) -> HttpAnswer:
        """The response of any status, after at most five redirects.

        Raises ConnectionError when none came, TimeoutError when it had not come whole in time,
        HttpTargetRefusedError, HttpResponseRefusedError, InvalidRequestError for a host that is
        none, and what azure-identity raises.
        """
        limit = self._settings.request_timeout.total_seconds()
        try:
            async with asyncio.timeout(limit):
                return await self._follow(await self._authorized(request))
        except TimeoutError:
            raise TimeoutError(f"{_named(request)} took longer than {limit:g} s") from None

    async def close(self) -> None:
        """Let go of the credential."""
        await self._tokens.close()

    async def _authorized(self, request: DurableHttpRequest) -> DurableHttpRequest:
        """The request with its token. An Authorization of its own goes before that."""
        source = request.token_source
        if source is None or header_of(request.headers, "authorization") is not None:
            return replace(request, token_source=None)
        url = URL(request.uri)
        if url.scheme != "https" and not self._targets.names(url.host or ""):
            raise HttpTargetRefusedError(
                f"{_named(request)} would show a token to everybody on the way; use https"
            )
        bearer = await self._tokens.bearer(source)
        headers = {**(request.headers or {}), "Authorization": bearer}
        return replace(request, headers=headers, token_source=None)

    async def _follow(self, request: DurableHttpRequest) -> HttpAnswer:
        first = request
        for _ in range(MAX_REDIRECTS + 1):
            answer = await self._exchange(request)
            if isinstance(answer, HttpAnswer):
                return answer
            request = answer
        raise HttpResponseRefusedError(
            f"{_named(first)} is redirected more than {MAX_REDIRECTS} times"
        )

    async def _exchange(self, request: DurableHttpRequest) -> HttpAnswer | DurableHttpRequest:
        """The answer, or the request that it asks for in place of this one."""
        url = URL(request.uri, encoded=request.uri.isascii())
        guard = Guard(self._targets, url.host or "")
        connector = TCPConnector(
            socket_factory=guard.socket, resolver=self._resolver, use_dns_cache=False
        )
        try:
            async with (
                ClientSession(connector=connector, timeout=ClientTimeout(total=None)) as session,
                session.request(
                    request.method,
                    url,
                    data=None if request.content is None else request.content.encode(),
                    headers=_sent(request),
                    allow_redirects=False,
                ) as response,
            ):
                location = response.headers.get("Location")
                following = redirected(request, response.status, location)
                return following or await self._answer(request, response)
        except InvalidURL as error:
            reason = error.description or "its host is none"
            raise InvalidRequestError(f"{_named(request)} cannot be sent: {reason}") from None
        except ClientResponseError as error:
            raise HttpResponseRefusedError(
                f"{_named(request)} was not answered in HTTP: {error.message}"
            ) from None
        except (ClientError, OSError) as error:
            if guard.refused_all:
                raise HttpTargetRefusedError(
                    f"{_named(request)} would reach a private address ({guard.refused[0]}); if it "
                    "is meant to, allow it in extensions.durableTask.http.allowedPrivateTargets"
                ) from None
            raise ConnectionError(
                f"{_named(request)} failed: {error or type(error).__name__}"
            ) from None

    async def _answer(self, request: DurableHttpRequest, response: ClientResponse) -> HttpAnswer:
        size = sum(len(name) + len(value) for name, value in response.raw_headers)
        if size > MAX_HEADERS:
            raise HttpResponseRefusedError(
                f"{_named(request)} was answered with {size:,} bytes of headers; "
                f"at most {MAX_HEADERS:,} are taken"
            )
        headers: dict[str, str] = {}
        for name in response.headers:
            headers.setdefault(name, ", ".join(response.headers.getall(name)))
        content = await self._content(request, response)
        return HttpAnswer(
            DurableHttpResponse(response.status, headers, content),
            request.uri,
            self._settings.poll_interval.total_seconds(),
        )

    async def _content(self, request: DurableHttpRequest, response: ClientResponse) -> str:
        limit = self._settings.max_response
        body = bytearray()
        async for chunk in response.content.iter_chunked(_CHUNK):
            body += chunk
            if len(body) > limit:
                raise HttpResponseRefusedError(
                    f"{_named(request)} was answered with more than the {limit:,} bytes that "
                    "extensions.durableTask.http.maxResponseBytes allows"
                )
        return _text(body, response.charset)


def _sent(request: DurableHttpRequest) -> dict[str, str]:
    return {
        name: value for name, value in (request.headers or {}).items() if name.lower() not in _OURS
    }


def _text(body: bytearray, charset: str | None) -> str:
    try:
        name = codecs.lookup(charset or "utf-8").name
        if name != "utf-8" and name not in _NO_CHARSETS:
            return body.decode(name, errors="replace")
    except (LookupError, UnicodeError):
        pass
    return body.decode("utf-8-sig", errors="replace")


def _named(request: DurableHttpRequest) -> str:
    return f"{request.method} {shown(request.uri)}"
