"""An account by requests of our own."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Literal

from durable.storage.azure.bodies import MessageEncoding
from durable.storage.azure.clock import ServiceClock
from durable.storage.azure.connection import Connection, Identity
from durable.storage.azure.lean.administration import Administration
from durable.storage.azure.lean.pool import Pool
from durable.storage.azure.lean.queues import LeanQueues
from durable.storage.azure.lean.service import Service
from durable.storage.azure.lean.signing import signer_of
from durable.storage.azure.lean.tables import HEADERS, LeanTables

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential

    from durable.storage.azure.sdk.account import SdkAccount


class LeanAccount:
    """Tables and queues over one pool of connections, for the event loop that runs. `log` gets a
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
        self._pool = Pool()

        def service(kind: Literal["table", "queue"], endpoint: str, headers: str) -> Service:
            credential = connection.credential
            known = None if isinstance(credential, Identity) else credential
            signer = signer_of(kind, known, identity)
            return Service(endpoint, signer, pool=self._pool, clock=clock, log=log, headers=headers)

        def administered() -> SdkAccount:
            from durable.storage.azure.sdk.account import SdkAccount

            return SdkAccount(
                connection, identity, clock=clock, message_encoding=message_encoding, log=log
            )

        self._administration = Administration(administered)
        self.tables = LeanTables(
            service("table", connection.table_endpoint, HEADERS), self._administration
        )
        self.queues = LeanQueues(
            service("queue", connection.queue_endpoint, ""),
            self._administration,
            message_encoding=message_encoding,
        )

    async def close(self) -> None:
        """Close all connections; may be called twice."""
        await self._pool.close()
        await self._administration.close()
