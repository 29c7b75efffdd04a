"""An account by requests of our own."""

from __future__ import annotations

from typing import Literal

from durable.storage.azure.connection import Identity
from durable.storage.azure.lean.administration import Administration
from durable.storage.azure.lean.pool import Pool
from durable.storage.azure.lean.queues import LeanQueues
from durable.storage.azure.lean.service import Service
from durable.storage.azure.lean.signing import signer_of
from durable.storage.azure.lean.tables import HEADERS, LeanTables
from durable.storage.azure.opening import Opening


class LeanAccount:
    """Tables and queues over one pool of connections."""

    def __init__(self, opening: Opening) -> None:
        self._opening = opening
        self._pool = Pool()
        self._administration = Administration(opening)
        connection = opening.connection
        self.tables = LeanTables(
            self._service("table", connection.table_endpoint, HEADERS), self._administration
        )
        self.queues = LeanQueues(
            self._service("queue", connection.queue_endpoint, ""),
            self._administration,
            message_encoding=opening.message_encoding,
        )

    async def close(self) -> None:
        """Close all connections; may be called twice."""
        await self._pool.close()
        await self._administration.close()

    def _service(self, kind: Literal["table", "queue"], endpoint: str, headers: str) -> Service:
        opening = self._opening
        credential = opening.connection.credential
        known = None if isinstance(credential, Identity) else credential
        return Service(
            endpoint,
            signer_of(kind, known, opening.identity),
            pool=self._pool,
            clock=opening.clock,
            log=opening.log,
            headers=headers,
        )
