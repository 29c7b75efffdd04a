"""Where a request may go next, and what it may carry there.

Redirects and polling lead a request to a URI that a server chose. Credentials go along only to
the origin (scheme, host and port) that they were given for, and do not come back once dropped.
"""

from __future__ import annotations

import re
from dataclasses import replace
from urllib.parse import urljoin, urlsplit

from durable.errors import HttpResponseRefusedError, InvalidRequestError
from durable.model.http import DurableHttpRequest, check_uri, shown

_CREDENTIAL = re.compile(
    r"auth|cookie|credential|key|passw|secret|session|signature|token", re.IGNORECASE
)
_OF_CONTENT = re.compile(r"content-.*|digest|repr-digest", re.IGNORECASE)
_PORTS = {"http": 80, "https": 443}


def is_credential(name: str) -> bool:
    """Whether a header is taken for a secret by its name: Authorization, Cookie,
    x-functions-key, Ocp-Apim-Subscription-Key, X-Auth-Token…"""
    return _CREDENTIAL.search(name) is not None


def same_origin(one: str, other: str) -> bool:
    """Whether two absolute URIs have scheme, host and port in common."""
    return _origin(one) == _origin(other)


def _origin(uri: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(uri)
    return parts.scheme, parts.hostname, parts.port or _PORTS.get(parts.scheme)


def located(base: str, location: str) -> str:
    """The URI that a Location header means, seen from `base`. HttpResponseRefusedError when it
    is none that may be requested."""
    try:
        uri = urljoin(base, location.strip())
        check_uri(uri)
    except (InvalidRequestError, ValueError) as error:
        raise HttpResponseRefusedError(
            f"{shown(base)} answered with a Location that cannot be followed: {error}"
        ) from None
    return uri


def moved(request: DurableHttpRequest, base: str, uri: str) -> DurableHttpRequest:
    """`request` sent to `uri` because `base` said so: as it is within an origin, without its
    credentials to another."""
    if same_origin(base, uri):
        return replace(request, uri=uri)
    kept = {
        name: value
        for name, value in (request.headers or {}).items()
        if not is_credential(name) and name.lower() != "host"
    }
    return replace(request, uri=uri, headers=kept, token_source=None)


def as_get(request: DurableHttpRequest) -> DurableHttpRequest:
    """GET in place of a request with content, and without the headers that describe it."""
    kept = {
        name: value
        for name, value in (request.headers or {}).items()
        if not _OF_CONTENT.fullmatch(name)
    }
    return replace(request, method="GET", content=None, headers=kept)


def without_header(request: DurableHttpRequest, name: str) -> DurableHttpRequest:
    """The request without a header, its name in any case."""
    kept = {key: value for key, value in (request.headers or {}).items() if key.lower() != name}
    return replace(request, headers=kept)
