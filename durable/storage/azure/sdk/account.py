"""An account through the SDKs."""

from __future__ import annotations

from typing import Any

from azure.core.credentials import AzureNamedKeyCredential, AzureSasCredential
from azure.data.tables.aio import TableServiceClient
from azure.storage.queue.aio import QueueServiceClient

from durable.storage.azure.connection import Sas, SharedKey
from durable.storage.azure.identity import AUDIENCE
from durable.storage.azure.opening import Opening
from durable.storage.azure.sdk.queues import AzureQueues
from durable.storage.azure.sdk.tables import AzureTables
from durable.storage.azure.sdk.transport import ObservedTransport, open_session


class SdkAccount:
    """Tables and queues over one HTTP session."""

    def __init__(self, opening: Opening) -> None:
        connection = opening.connection
        endpoints = (connection.queue_endpoint, connection.table_endpoint)
        self._session = open_session(tls=any(each.startswith("https") for each in endpoints))
        options: dict[str, Any] = {
            "transport": ObservedTransport(self._session, opening.clock),
            "retry_total": 0,
            "logger": opening.log,
            "audience": AUDIENCE,
        }
        table_credential: Any = opening.identity
        queue_credential: Any = opening.identity
        match connection.credential:
            case SharedKey(account, key):
                table_credential = AzureNamedKeyCredential(account, key)
                queue_credential = {"account_name": account, "account_key": key}
            case Sas(token):
                table_credential = queue_credential = AzureSasCredential(token)
        self.tables = AzureTables(
            TableServiceClient(connection.table_endpoint, credential=table_credential, **options)
        )
        self.queues = AzureQueues(
            QueueServiceClient(connection.queue_endpoint, credential=queue_credential, **options),
            message_encoding=opening.message_encoding,
        )

    async def close(self) -> None:
        """Close all connections; may be called twice."""
        await self._session.close()
