"""An account through the SDKs."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from azure.core.credentials import AzureNamedKeyCredential, AzureSasCredential
from azure.data.tables.aio import TableServiceClient
from azure.storage.queue.aio import QueueServiceClient

from durable.storage.azure.bodies import MessageEncoding
from durable.storage.azure.clock import ServiceClock
from durable.storage.azure.connection import Connection, Sas, SharedKey
from durable.storage.azure.identity import AUDIENCE
from durable.storage.azure.sdk.queues import AzureQueues
from durable.storage.azure.sdk.tables import AzureTables
from durable.storage.azure.sdk.transport import ObservedTransport, open_session

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential


class SdkAccount:
    """Tables and queues over one HTTP session, for the event loop that runs. `log` gets the SDK's
    line for each request and answer, at INFO; who opened the identity closes it."""

    def __init__(
        self,
        connection: Connection,
        identity: AsyncTokenCredential | None,
        *,
        clock: ServiceClock,
        message_encoding: MessageEncoding,
        log: logging.Logger,
    ) -> None:
        endpoints = (connection.queue_endpoint, connection.table_endpoint)
        self._session = open_session(tls=any(each.startswith("https") for each in endpoints))
        options: dict[str, Any] = {
            "transport": ObservedTransport(self._session, clock),
            "retry_total": 0,
            "logger": log,
            "audience": AUDIENCE,
        }
        table_credential: Any = identity
        queue_credential: Any = identity
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
            message_encoding=message_encoding,
        )

    async def close(self) -> None:
        """Close all connections; may be called twice."""
        await self._session.close()
