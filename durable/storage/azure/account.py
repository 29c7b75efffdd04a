"""An open connection to a storage account."""

from __future__ import annotations

import contextlib
import logging
from types import TracebackType
from typing import Any, Self

import aiohttp
from azure.core.credentials import AzureNamedKeyCredential, AzureSasCredential
from azure.core.credentials_async import AsyncTokenCredential
from azure.data.tables.aio import TableServiceClient
from azure.storage.queue.aio import QueueServiceClient

from durable.errors import AmbiguousAnswer, ContainerMissing, Throttled
from durable.ports import Storage
from durable.storage.azure.clock import ServiceClock
from durable.storage.azure.connection import Connection, Identity, Sas, SharedKey
from durable.storage.azure.queues import AzureQueues, MessageEncoding
from durable.storage.azure.tables import AzureTables
from durable.storage.azure.transport import ObservedTransport, open_session

_AUDIENCE = "https://storage.azure.com"
_PROBE_TABLE = "durableprobe"


class AzureStorage:
    """A `durable.ports.Storage` and the connections under it, for the event loop that opened it.

    Close it, or use it as a context manager.
    """

    def __init__(
        self,
        storage: Storage,
        session: aiohttp.ClientSession,
        identity: AsyncTokenCredential | None,
    ) -> None:
        self.storage = storage
        self._session = session
        self._identity = identity

    async def close(self) -> None:
        """Close all connections; may be called twice."""
        await self._session.close()
        if self._identity is not None:
            await self._identity.close()

    async def queue_names(self, prefix: str) -> list[str]:
        """The account's queues whose names begin so. No part of the port: a hub knows its own,
        and only who deletes one asks for those that it has forgotten."""
        assert isinstance(self.storage.queues, AzureQueues)
        return await self.storage.queues.names(prefix)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()


async def open_storage(
    connection: Connection,
    *,
    message_encoding: MessageEncoding = "base64",
    clock: ServiceClock | None = None,
) -> AzureStorage:
    """Connect, and read one row that need not exist to learn the service's time.

    Open it once for each event loop; storages of several threads may share a `clock` so that
    they agree on the time, and one that has observed an answer makes the first read unnecessary.
    Raises AccessDenied or AmbiguousAnswer when the account cannot be read.
    """
    clock = clock or ServiceClock()
    endpoints = (connection.queue_endpoint, connection.table_endpoint)
    session = open_session(tls=any(each.startswith("https") for each in endpoints))
    identity = _identity(connection)
    opened = AzureStorage(
        _storage(connection, session, identity, clock, message_encoding), session, identity
    )
    try:
        if not clock.observed:
            # a service that is busy has told its time as well
            with contextlib.suppress(ContainerMissing, Throttled):
                await opened.storage.tables.get(_PROBE_TABLE, "-", "-")
        if not clock.observed:
            raise AmbiguousAnswer(f"the answer of {connection.describe} carries no Date header")
    except BaseException:
        await opened.close()
        raise
    return opened


def _storage(
    connection: Connection,
    session: aiohttp.ClientSession,
    identity: AsyncTokenCredential | None,
    clock: ServiceClock,
    message_encoding: MessageEncoding,
) -> Storage:
    options: dict[str, Any] = {
        "transport": ObservedTransport(session, clock),
        "retry_total": 0,
        "logger": _requests_log(),
        "audience": _AUDIENCE,
    }
    table_credential: Any = identity
    queue_credential: Any = identity
    match connection.credential:
        case SharedKey(account, key):
            table_credential = AzureNamedKeyCredential(account, key)
            queue_credential = {"account_name": account, "account_key": key}
        case Sas(token):
            table_credential = queue_credential = AzureSasCredential(token)
    tables = TableServiceClient(connection.table_endpoint, credential=table_credential, **options)
    queues = QueueServiceClient(connection.queue_endpoint, credential=queue_credential, **options)
    return Storage(
        tables=AzureTables(tables),
        queues=AzureQueues(queues, message_encoding=message_encoding),
        clock=clock,
        describe=connection.describe,
    )


def _requests_log() -> logging.Logger:
    """The SDK's line for each request and answer, at INFO, goes here: under a Functions host, whose
    root logger passes INFO, it would be most of an app's log. Who sets a level decides."""
    log = logging.getLogger("durable.storage.requests")
    if log.level == logging.NOTSET:
        log.setLevel(logging.WARNING)
    return log


def _identity(connection: Connection) -> AsyncTokenCredential | None:
    if not isinstance(connection.credential, Identity):
        return None
    # a fifth of a second to import, which an app with a connection string need not spend
    from azure.identity import aio as identity

    match connection.credential:
        case Identity(managed=True, client_id=client_id):
            return identity.ManagedIdentityCredential(client_id=client_id)
        case Identity(client_id=client_id):
            return identity.DefaultAzureCredential(managed_identity_client_id=client_id)
