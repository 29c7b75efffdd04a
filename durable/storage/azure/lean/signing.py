"""What lets a request in: the account's key, a shared access signature, or a token."""

from __future__ import annotations

import asyncio
import base64
import hmac
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol
from urllib.parse import quote

from durable.errors import AccessDenied, AmbiguousAnswer
from durable.storage.azure.connection import Sas, SharedKey
from durable.storage.azure.identity import AUDIENCE

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential

_RENEW_SECONDS = 300.0


class Unsigned(NamedTuple):
    """The parts of a request that a signature covers. `path` is as it is sent, the values of
    `query` are not encoded, and `x_ms` is the lines of the x-ms- headers in their order."""

    method: str
    path: str
    query: Sequence[tuple[str, str]]
    date: str
    x_ms: str
    content_type: str
    length: int


class Signer(Protocol):
    """`query` is added to that of each request, and begins with "&" unless it is empty."""

    @property
    def query(self) -> str: ...

    async def authorization(self, request: Unsigned) -> str:
        """The value of the header, "" for none. AccessDenied or AmbiguousAnswer."""
        ...


def signer_of(
    service: Literal["table", "queue"],
    credential: SharedKey | Sas | None,
    identity: AsyncTokenCredential | None,
) -> Signer:
    """For requests to one of the services."""
    match credential:
        case SharedKey():
            return TableKey(credential) if service == "table" else QueueKey(credential)
        case Sas(token):
            return Signature(token)
    assert identity is not None
    return Token(identity)


class _Key:
    query = ""

    def __init__(self, key: SharedKey) -> None:
        self._account = key.account
        # what is made of the key alone is made once
        self._hmac = hmac.new(base64.b64decode(key.key), digestmod="sha256")

    def _signed(self, scheme: str, text: str) -> str:
        signing = self._hmac.copy()
        signing.update(text.encode())
        return f"{scheme} {self._account}:{base64.b64encode(signing.digest()).decode()}"


class TableKey(_Key):
    """Shared Key Lite of the table service."""

    async def authorization(self, request: Unsigned) -> str:
        """See `Signer`."""
        return self._signed("SharedKeyLite", f"{request.date}\n/{self._account}{request.path}")


class QueueKey(_Key):
    """Shared Key of the queue service."""

    async def authorization(self, request: Unsigned) -> str:
        """See `Signer`."""
        query = "".join(f"\n{name}:{value}" for name, value in sorted(request.query))
        # the empty lines are headers that are never sent, the date is one of x-ms-
        return self._signed(
            "SharedKey",
            f"{request.method}\n\n\n{request.length or ''}\n\n{request.content_type}\n\n\n\n\n\n\n"
            f"{request.x_ms}/{self._account}{request.path}{query}",
        )


class Signature:
    """A shared access signature, which is part of the address."""

    def __init__(self, token: str) -> None:
        # whatever was pasted, it stays on the first line
        self.query = "&" + quote(token, safe="%&=+/:,;~!*'()@$?")

    async def authorization(self, request: Unsigned) -> str:
        """See `Signer`."""
        return ""


class Token:
    """Bearer tokens of an identity, each kept until five minutes before it expires."""

    query = ""

    def __init__(self, identity: AsyncTokenCredential) -> None:
        self._identity = identity
        self._renewing = asyncio.Lock()
        self._token = ""
        self._renew_at = 0.0

    async def authorization(self, request: Unsigned) -> str:
        """See `Signer`."""
        if time.time() >= self._renew_at:
            async with self._renewing:
                if time.time() >= self._renew_at:
                    await self._renew()
        return f"Bearer {self._token}"

    async def _renew(self) -> None:
        from azure.core.exceptions import AzureError, ClientAuthenticationError

        try:
            token = await self._identity.get_token(f"{AUDIENCE}/.default")
        except ClientAuthenticationError as error:
            raise AccessDenied(f"no token: {error.message}") from error
        except AzureError as error:
            raise AmbiguousAnswer(f"no token: {error}") from error
        self._token = token.token
        self._renew_at = token.expires_on - _RENEW_SECONDS
