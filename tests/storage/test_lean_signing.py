"""What is signed, word for word as the services' documentation has it, and how long tokens last."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
from typing import Any, cast

import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError, ServiceRequestError

from durable.errors import AccessDenied, AmbiguousAnswer
from durable.storage.azure.connection import Sas, SharedKey
from durable.storage.azure.lean import signing
from durable.storage.azure.lean.signing import Token, Unsigned, signer_of

KEY = base64.b64encode(b"the account's key").decode()
DATE = "Mon, 23 Nov 2026 10:00:00 GMT"
X_MS = f"x-ms-date:{DATE}\nx-ms-version:2020-12-06\n"


def _signature(text: str) -> str:
    digest = hmac.new(b"the account's key", text.encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


async def test_shared_key_lite_of_tables() -> None:
    path = "/Orders(PartitionKey='a%20b',RowKey='c')"
    request = Unsigned("GET", path, [("$top", "1")], DATE, X_MS, "", 0)
    signed = await signer_of("table", SharedKey("shop", KEY), None).authorization(request)
    assert signed == "SharedKeyLite shop:" + _signature(f"{DATE}\n/shop{path}")


async def test_shared_key_of_queues() -> None:
    query = [("visibilitytimeout", "0"), ("messagettl", "-1")]
    request = Unsigned("POST", "/work/messages", query, DATE, X_MS, "application/xml", 99)
    signed = await signer_of("queue", SharedKey("shop", KEY), None).authorization(request)
    parts = ["POST", "", "", "99", "", "application/xml", "", "", "", "", "", ""]
    text = "\n".join(parts) + "\n" + X_MS
    text += "/shop/work/messages\nmessagettl:-1\nvisibilitytimeout:0"
    assert signed == f"SharedKey shop:{_signature(text)}"


async def test_a_body_of_no_bytes_has_no_length_to_sign() -> None:
    query = [("popreceipt", "a+b/c=="), ("visibilitytimeout", "30")]
    request = Unsigned("PUT", "/shop/work/messages/id", query, DATE, X_MS, "", 0)
    signed = await signer_of("queue", SharedKey("shop", KEY), None).authorization(request)
    text = "PUT" + "\n" * 12 + X_MS
    text += "/shop/shop/work/messages/id\npopreceipt:a+b/c==\nvisibilitytimeout:30"
    assert signed == f"SharedKey shop:{_signature(text)}"


async def test_a_shared_access_signature_is_part_of_the_address() -> None:
    signer = signer_of("queue", Sas("sv=1&sig=x%3D"), None)
    assert signer.query == "&sv=1&sig=x%3D"
    assert await signer.authorization(Unsigned("GET", "/", (), DATE, X_MS, "", 0)) == ""


class Identity:
    """Gives out numbered tokens, or raises."""

    def __init__(self, clock: Clock, lifetime: float) -> None:
        self.clock = clock
        self.lifetime = lifetime
        self.asked: list[str] = []
        self.error: Exception | None = None

    async def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        await asyncio.sleep(0)
        self.asked += scopes
        if self.error is not None:
            raise self.error
        return AccessToken(f"token-{len(self.asked)}", int(self.clock.seconds + self.lifetime))


class Clock:
    """Stands for the module `time`."""

    def __init__(self) -> None:
        self.seconds = 1_000_000.0

    def time(self) -> float:
        return self.seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(signing, "time", clock)
    return clock


REQUEST = Unsigned("GET", "/", (), DATE, X_MS, "", 0)


async def test_a_token_lasts_until_five_minutes_before_it_expires(clock: Clock) -> None:
    identity = Identity(clock, 3600)
    signer = Token(cast(Any, identity))
    assert await signer.authorization(REQUEST) == "Bearer token-1"
    assert identity.asked == ["https://storage.azure.com/.default"]
    clock.seconds += 3299
    assert await signer.authorization(REQUEST) == "Bearer token-1"
    clock.seconds += 1
    assert await signer.authorization(REQUEST) == "Bearer token-2"


async def test_requests_at_once_ask_for_one_token(clock: Clock) -> None:
    identity = Identity(clock, 3600)
    signer = Token(cast(Any, identity))
    found = await asyncio.gather(*(signer.authorization(REQUEST) for _ in range(20)))
    assert set(found) == {"Bearer token-1"}
    assert len(identity.asked) == 1


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ClientAuthenticationError("no such identity"), AccessDenied),
        (ServiceRequestError("unreachable"), AmbiguousAnswer),
    ],
)
async def test_no_token(clock: Clock, error: Exception, kind: type[Exception]) -> None:
    identity = Identity(clock, 3600)
    identity.error = error
    signer = Token(cast(Any, identity))
    with pytest.raises(kind, match="no token"):
        await signer.authorization(REQUEST)
    identity.error = None
    assert await signer.authorization(REQUEST) == "Bearer token-2"
