"""Who may call: function keys, or, on a loopback address, anyone who names a local host."""

from __future__ import annotations

import hmac
import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import azure.functions as func

KEY_HEADER = "x-functions-key"
KEY_PARAMETER = "code"
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_AUTHORITY = r"(?P<name>\[[0-9A-Fa-f:.]+\]|[^:\[\]@/\\\s]+)(?::[0-9]{1,5})?"
_HOST = re.compile(_AUTHORITY)
_ORIGIN = re.compile(f"https?://{_AUTHORITY}")


@dataclass(frozen=True, slots=True)
class Keys:
    """The function key opens FUNCTION, the master key that and ADMIN."""

    function: str = field(repr=False)
    master: str = field(repr=False)


class Access(Protocol):
    """How a request is let in."""

    def allows_host(self, host: str | None) -> bool:
        """Whether a request with this Host header is looked at; else it is a 403."""
        ...

    def allows_origin(self, method: str, origin: str | None) -> bool:
        """Whether a page of this `Origin` may send such a request; else it is a 403, unless the
        settings allow the origin."""
        ...

    def allows(
        self, level: func.AuthLevel, headers: Mapping[str, str], params: Mapping[str, str]
    ) -> bool:
        """Whether a route of that level may be called; else it is a 401."""
        ...


class LocalAccess:
    """Asks for no keys, and takes only requests to a local name: a web page that points a name
    of its own at 127.0.0.1 (DNS rebinding) is refused, and so are changes that a page from
    elsewhere asks for (cross-site request forgery)."""

    def allows_host(self, host: str | None) -> bool:
        """See `Access`."""
        match = _HOST.fullmatch(host or "")
        return match is not None and is_loopback(match["name"])

    def allows_origin(self, method: str, origin: str | None) -> bool:
        """See `Access`. Browsers send the header with all requests but plain reads."""
        if origin is None or method in _SAFE_METHODS:
            return True
        match = _ORIGIN.fullmatch(origin)
        return match is not None and is_loopback(match["name"])

    def allows(
        self, level: func.AuthLevel, headers: Mapping[str, str], params: Mapping[str, str]
    ) -> bool:
        """See `Access`."""
        return True


class KeyAccess:
    """Asks for a key in `?code=` or the header `x-functions-key`."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def allows_host(self, host: str | None) -> bool:
        """See `Access`."""
        return True

    def allows_origin(self, method: str, origin: str | None) -> bool:
        """See `Access`: no browser adds the key by itself."""
        return True

    def allows(
        self, level: func.AuthLevel, headers: Mapping[str, str], params: Mapping[str, str]
    ) -> bool:
        """See `Access`."""
        if level == func.AuthLevel.ANONYMOUS:
            return True
        accepted = [self._keys.master]
        if level == func.AuthLevel.FUNCTION:
            accepted.append(self._keys.function)
        given = headers.get(KEY_HEADER) or params.get(KEY_PARAMETER) or ""
        # All are compared, so that the time taken does not tell which one was near.
        matches = [_same(given, key) for key in accepted]
        return any(matches)


def _same(given: str, key: str) -> bool:
    equal = hmac.compare_digest(given.encode("utf-8", "surrogateescape"), key.encode())
    return equal and bool(key)


def is_loopback(host: str) -> bool:
    """`localhost`, 127.0.0.0/8 or ::1 (in brackets too); no other name, wherever it points."""
    name = host.removeprefix("[").removesuffix("]").lower()
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
