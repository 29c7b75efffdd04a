"""Bearer tokens of the app's managed identity."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from durable.errors import InvalidRequestError
from durable.model.http import ManagedIdentityTokenSource, TokenSource


class Token(Protocol):
    """What is used of `azure.core.credentials.AccessToken`."""

    @property
    def token(self) -> str: ...


class Credential(Protocol):
    """What is used of an async credential of azure-identity, which caches its tokens."""

    async def get_token(self, *scopes: str) -> Token: ...

    async def close(self) -> None: ...


def default_credential() -> Credential:
    """Whatever the environment, the app's identity or a developer's sign-in gives."""
    # a fifth of a second to import, which most apps need not spend
    from azure.identity.aio import DefaultAzureCredential

    return DefaultAzureCredential()


class Tokens:
    """One credential for all requests, made when first asked for."""

    def __init__(self, credential: Callable[[], Credential] = default_credential) -> None:
        self._make = credential
        self._credential: Credential | None = None

    async def bearer(self, source: TokenSource) -> str:
        """The value of the header Authorization. Raises what azure-identity raises."""
        if not isinstance(source, ManagedIdentityTokenSource):
            raise InvalidRequestError(f"there are no tokens of {type(source).__name__}")
        if self._credential is None:
            self._credential = self._make()
        token = await self._credential.get_token(f"{source.resource.rstrip('/')}/.default")
        return f"Bearer {token.token}"

    async def close(self) -> None:
        """Close the credential, if there is one."""
        if self._credential is not None:
            await self._credential.close()
            self._credential = None
