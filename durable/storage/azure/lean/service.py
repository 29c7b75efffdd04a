"""Requests to one of the two services: written, signed, sent, and what a refusal becomes."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Sequence
from email.utils import formatdate
from urllib.parse import quote, urlsplit

from durable.errors import AmbiguousAnswer, ContainerMissing, StorageError
from durable.storage.azure import timing
from durable.storage.azure.answers import error_of
from durable.storage.azure.clock import ServiceClock
from durable.storage.azure.lean.connection import Answer, NoAnswer
from durable.storage.azure.lean.pool import Origin, Pool
from durable.storage.azure.lean.signing import Signer, Unsigned

API_VERSION = "2020-12-06"
"""The first that lets tokens in to tables."""

_CODE = re.compile(r'"code"\s*:\s*"(\w+)"|<Code>(\w+)</Code>')
_MESSAGE = re.compile(r'"value"\s*:\s*"((?:[^"\\]|\\.)*)"|<Message>([^<]*)</Message>')
_END_OF_LINE = re.compile(r"\\n|\r?\n")
_INDEX = re.compile(r"(\d{1,2}):")
_MESSAGE_CHARACTERS = 500

Query = Sequence[tuple[str, str]]


class Service:
    """Tables or queues of an account. `headers` are lines that every request has."""

    def __init__(
        self,
        endpoint: str,
        signer: Signer,
        *,
        pool: Pool,
        clock: ServiceClock,
        log: logging.Logger,
        headers: str = "",
    ) -> None:
        parts = urlsplit(endpoint)
        tls = parts.scheme == "https"
        self.endpoint = parts.geturl()
        self._origin = Origin(parts.hostname or "", parts.port or (443 if tls else 80), tls)
        self._host = parts.netloc.rpartition("@")[2]
        self._base = quote(parts.path, safe="/%")
        self._signer = signer
        self._pool = pool
        self._clock = clock
        self._log = log
        self._headers = headers
        self._second = 0
        self._date = ""

    async def ask(
        self,
        method: str,
        path: str,
        expected: tuple[int, ...],
        *,
        query: Query = (),
        headers: str = "",
        content_type: str = "",
        body: bytes = b"",
    ) -> Answer:
        """Send once. `path` is what follows the endpoint's, encoded; values of `query` are not;
        `headers` are whole lines. Another status than those expected is a StorageError."""
        try:
            async with asyncio.timeout(timing.TOTAL_SECONDS):
                request = await self._request(method, path, query, headers, content_type, body)
                sent = self._clock.monotonic()
                answer = await self._pool.exchange(self._origin, request)
        except TimeoutError as error:
            waited = str(error) or f"{timing.TOTAL_SECONDS:g} s"
            raise AmbiguousAnswer(f"no answer in time: {waited}") from error
        except NoAnswer as error:
            raise AmbiguousAnswer(f"no answer: {error}") from error
        self._clock.observe_header(
            answer.headers.get("date"), sent=sent, received=self._clock.monotonic()
        )
        if self._log.isEnabledFor(logging.INFO):
            # without the query, where a signature may stand
            self._log.info(
                "Request URL: %s %s%s; answered %d", method, self.endpoint, path, answer.status
            )
        if answer.status not in expected:
            raise refusal(answer)
        return answer

    async def _request(
        self, method: str, path: str, query: Query, headers: str, content_type: str, body: bytes
    ) -> bytes:
        path = f"{self._base}{path}"
        date = self._now()
        x_ms = f"x-ms-date:{date}\nx-ms-version:{API_VERSION}\n"
        authorization = await self._signer.authorization(
            Unsigned(method, path, query, date, x_ms, content_type, len(body))
        )
        asked = "&".join(f"{name}={quote(value, safe='')}" for name, value in query)
        asked = (asked + self._signer.query).removeprefix("&")
        lines = [
            f"{method} {path}{'?' if asked else ''}{asked} HTTP/1.1",
            f"Host: {self._host}",
            f"x-ms-date: {date}",
            f"x-ms-version: {API_VERSION}",
            "User-Agent: durable",
        ]
        if authorization:
            lines.append(f"Authorization: {authorization}")
        if content_type:
            lines.append(f"Content-Type: {content_type}")
        if body or method in ("POST", "PUT"):
            lines.append(f"Content-Length: {len(body)}")
        return "\r\n".join([*lines, f"{self._headers}{headers}\r\n"]).encode("latin-1") + body

    def _now(self) -> str:
        """For x-ms-date. This machine's clock, as in the SDKs: a quarter of an hour is allowed."""
        second = int(time.time())
        if second != self._second:
            self._second, self._date = second, formatdate(second, usegmt=True)
        return self._date


def refusal(answer: Answer) -> StorageError:
    """The error of an answer, or of a part of one, that is not what was expected."""
    text = answer.body.decode("utf-8", "replace")
    found, said = _CODE.search(text), _MESSAGE.search(text)
    code = answer.headers.get("x-ms-error-code") or (found[1] or found[2] if found else "")
    reason = _END_OF_LINE.split(said[1] or said[2] or "", 1)[0] if said else ""
    index = _INDEX.match(reason)
    return error_of(
        answer.status,
        code,
        f"{answer.status} {code}: {reason[:_MESSAGE_CHARACTERS]}".rstrip(": "),
        index=int(index[1]) if index else 0,
        retry_after=answer.headers.get("retry-after"),
    )


def refuse_what_is_being_deleted(answer: Answer) -> None:
    """After a creation: a 409 says that it exists, or that it goes; ContainerMissing then."""
    if answer.status == 409 and isinstance(error := refusal(answer), ContainerMissing):
        raise error
