"""Redirects as RFC 9110 (15.4) has them."""

from __future__ import annotations

from durable.model.http import DurableHttpRequest
from durable.model.origins import as_get, located, moved

_FOUND = frozenset({301, 302, 303, 307, 308})
_TO_GET = {301: ("POST",), 302: ("POST",)}


def redirected(
    request: DurableHttpRequest, status: int, location: str | None
) -> DurableHttpRequest | None:
    """The request that a response asks for in place of `request`; None when it asks for none.

    303 makes anything but HEAD a GET; 301 and 302 a POST, as everywhere; 307 and 308 repeat the
    request as it is. Credentials stay within the origin. Raises HttpResponseRefusedError for a
    Location that cannot be requested.
    """
    if status not in _FOUND or location is None:
        return None
    following = moved(request, request.uri, located(request.uri, location))
    if status == 303 and request.method != "HEAD":
        return as_get(following)
    return as_get(following) if request.method in _TO_GET.get(status, ()) else following
