"""Links that carry their own permission: one operation on one instance, for a while.

A link is `{base_url}/durabletask/links/{token}/instances/{id}…`. The token is the time of
expiry and an HMAC-SHA256 over operation, instance id and that time; nothing is stored. What a
caller fills in (`{eventName}`, `{text}`) and query parameters are not signed.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import quote

from durable.errors import DurableError

DEFAULT_LIFETIME = timedelta(days=30)

_TOKEN = re.compile(r"([0-9a-f]{1,16})\.([A-Za-z0-9_-]{43})", re.ASCII)
_SEALED = re.compile(r"([A-Za-z0-9_-]{43})\.([A-Za-z0-9_-]*)", re.ASCII)
_SHORTEST_KEY = 16


class LinkRefusedError(DurableError):
    """A link was not made for this operation on this instance, or has expired. The message is
    fit for whoever holds the link."""


@dataclass(frozen=True, slots=True)
class _Link:
    operation: str
    field: str
    suffix: str = ""


_LINKS = (
    _Link("status", "statusQueryGetUri"),
    _Link("event", "sendEventPostUri", "/raiseEvent/{eventName}"),
    _Link("terminate", "terminatePostUri", "/terminate?reason={text}"),
    _Link("purge", "purgeHistoryDeleteUri"),
    _Link("rewind", "rewindPostUri", "/rewind?reason={text}"),
    _Link("restart", "restartPostUri", "/restart"),
    _Link("suspend", "suspendPostUri", "/suspend?reason={text}"),
    _Link("resume", "resumePostUri", "/resume?reason={text}"),
)

LINK_OPERATIONS = frozenset(link.operation for link in _LINKS)
"""What a link can permit; starting and listing are not among it."""


class LinkSigner:
    """Makes and checks links; satisfies `durable.client.Links`."""

    def __init__(
        self,
        key: bytes,
        base_url: str,
        *,
        lifetime: timedelta = DEFAULT_LIFETIME,
        now: Callable[[], datetime],
    ) -> None:
        """`base_url` is what comes before `/durabletask/`, the route prefix included
        (`https://app.example/api`); it never comes from a request. `key` has at least 16 bytes.
        `now` gives the time (aware) that links expire by."""
        if len(key) < _SHORTEST_KEY:
            raise ValueError(f"a link key has at least {_SHORTEST_KEY} bytes, not {len(key)}")
        if lifetime <= timedelta(0):
            raise ValueError("the lifetime of links must be positive")
        self._key = key
        self._root = f"{base_url.rstrip('/')}/durabletask"
        self._lifetime = lifetime
        self._now = now

    @property
    def root(self) -> str:
        """The URL of the management API, without a slash at the end."""
        return self._root

    def payload(self, instance_id: str) -> dict[str, str]:
        """`id` and a link for each operation, by Durable Functions' names; `{eventName}` and
        `{text}` stand in them literally."""
        expires = f"{int((self._now() + self._lifetime).timestamp()):x}"
        path = instance_path(instance_id)
        links = {"id": instance_id}
        for link in _LINKS:
            token = f"{expires}.{self._signature(link.operation, expires, instance_id)}"
            links[link.field] = self.url(path + link.suffix, token=token)
        return links

    def verify(self, token: str, operation: str, instance_id: str) -> None:
        """Raises LinkRefusedError unless `token` is for that operation on that instance."""
        match = _TOKEN.fullmatch(token)
        if match is None or operation not in LINK_OPERATIONS:
            raise LinkRefusedError("this link does not permit this request")
        expires, signature = match.groups()
        expected = self._signature(operation, expires, instance_id)
        if not hmac.compare_digest(expected, signature):
            raise LinkRefusedError("this link does not permit this request")
        if self._now().timestamp() >= int(expires, 16):
            raise LinkRefusedError("this link has expired; ask the app for a new one")

    def url(self, path: str, *, token: str | None = None) -> str:
        """The URL of `path` below the management API, as a link if there is a token."""
        return f"{self._root}/{path}" if token is None else f"{self._root}/links/{token}/{path}"

    def seal(self, text: str) -> str:
        """`text` in a form that callers can carry, and cannot make or change."""
        body = _base64(text.encode())
        return f"{self._hmac('page', body)}.{body}"

    def unseal(self, sealed: str) -> str | None:
        """What was sealed, or None if this is not what `seal` returned."""
        match = _SEALED.fullmatch(sealed)
        if match is None:
            return None
        signature, body = match.groups()
        if not hmac.compare_digest(self._hmac("page", body), signature):
            return None
        return urlsafe_b64decode(body + "=" * (-len(body) % 4)).decode()

    def _signature(self, operation: str, expires: str, instance_id: str) -> str:
        return self._hmac("link", operation, expires, instance_id)

    def _hmac(self, *parts: str) -> str:
        # lengths go in too, so that no two lists of parts are signed alike
        message = b"".join(
            len(data).to_bytes(4, "big") + data
            for data in (part.encode("utf-8", "surrogatepass") for part in parts)
        )
        return _base64(hmac.digest(self._key, message, hashlib.sha256))


def instance_path(instance_id: str) -> str:
    """The path of an instance below the management API."""
    return f"instances/{quote(instance_id, safe='')}"


def _base64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
