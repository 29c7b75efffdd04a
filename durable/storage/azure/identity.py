"""Credentials of a Microsoft Entra identity."""

from __future__ import annotations

from typing import TYPE_CHECKING

from durable.storage.azure.connection import Connection, Identity

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential

AUDIENCE = "https://storage.azure.com"


def open_identity(connection: Connection) -> AsyncTokenCredential | None:
    """The credential that the connection asks for, to be closed; None for a key or a SAS."""
    if not isinstance(connection.credential, Identity):
        return None
    # a fifth of a second to import, which an app with a connection string need not spend
    from azure.identity import aio as identity

    match connection.credential:
        case Identity(managed=True, client_id=client_id):
            return identity.ManagedIdentityCredential(client_id=client_id)
        case Identity(client_id=client_id):
            return identity.DefaultAzureCredential(managed_identity_client_id=client_id)
