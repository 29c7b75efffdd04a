"""What callers may show at the management API's door: keys that are none, and links of each kind.
The table of routes is the API's own, so that a new route joins by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from durable.management import LinkSigner
from durable.management.links import LINK_OPERATIONS
from durable.management.routes import Route
from durable.management.table import ROUTES

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "PROPFIND")
FUNCTION_KEY = "the-function-key"
NO_KEYS: tuple[tuple[dict[str, str], str], ...] = (
    ({}, ""),
    ({}, "?code="),
    ({}, "?code=wrong"),
    ({"x-functions-key": ""}, ""),
    ({"x-functions-key": "wrong"}, ""),
    ({"x-functions-key": FUNCTION_KEY.upper()}, ""),
    ({"Authorization": f"Bearer {FUNCTION_KEY}"}, ""),
    ({"Host": "localhost", "X-Forwarded-For": "127.0.0.1"}, ""),
    ({"Cookie": f"code={FUNCTION_KEY}"}, ""),
)
"""Headers and queries that open nothing."""

INSTANCE = "waits"
FIELDS = {
    "status": "statusQueryGetUri",
    "event": "sendEventPostUri",
    "terminate": "terminatePostUri",
    "purge": "purgeHistoryDeleteUri",
    "rewind": "rewindPostUri",
    "restart": "restartPostUri",
    "suspend": "suspendPostUri",
    "resume": "resumePostUri",
}


def patterns() -> Iterator[tuple[str, dict[str, Route]]]:
    """Each pattern with its routes by method."""
    for pattern in dict.fromkeys(route.pattern for route in ROUTES):
        yield pattern, {route.method: route for route in ROUTES if route.pattern == pattern}


@dataclass(frozen=True)
class Token:
    """A link's token: what it permits, if anything."""

    text: str
    operation: str | None = None
    instance: str = INSTANCE

    def permits(self, route: Route) -> bool:
        """Whether it lets one in, for the instance `INSTANCE`."""
        return (
            self.operation == route.operation
            and self.instance == INSTANCE
            and "{id}" in route.pattern
        )


def token_of(links: LinkSigner, instance_id: str, operation: str) -> str:
    return links.payload(instance_id)[FIELDS[operation]].split("/links/")[1].split("/")[0]


def tokens(key: bytes, base: str, now: Callable[[], datetime]) -> Iterator[Token]:
    """Good ones for each operation by the hub's `key`, and others that permit nothing: of another
    instance, expired, of another hub, tampered with."""
    good = LinkSigner(key, base, now=now)
    second, day = timedelta(seconds=1), timedelta(days=1)
    expired = LinkSigner(key, base, lifetime=second, now=lambda: now() - day)
    foreign = LinkSigner(b"x" * 32, base, now=now)
    for operation in sorted(LINK_OPERATIONS):
        text = token_of(good, INSTANCE, operation)
        yield Token(text, operation)
        yield Token(token_of(good, "another", operation), operation, "another")
        yield Token(token_of(expired, INSTANCE, operation))
        yield Token(token_of(foreign, INSTANCE, operation))
        expires, _, signature = text.partition(".")
        yield Token(f"{expires}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}")
        yield Token(f"{int(expires, 16) + 1:x}.{signature}")
