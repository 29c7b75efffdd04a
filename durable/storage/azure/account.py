"""An open connection to a storage account."""

from __future__ import annotations

import contextlib
import logging
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self

from durable.errors import AmbiguousAnswer, ContainerMissing, Throttled
from durable.ports import Storage
from durable.storage.azure.bodies import MessageEncoding
from durable.storage.azure.clock import ServiceClock
from durable.storage.azure.connection import Connection
from durable.storage.azure.identity import open_identity
from durable.storage.azure.lean.account import LeanAccount
from durable.storage.azure.opening import Opening

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential

    from durable.storage.azure.sdk.account import SdkAccount

StorageClient = Literal["lean", "sdk"]

_PROBE_TABLE = "durableprobe"


class AzureStorage:
    """A `durable.ports.Storage` and the connections under it, for the event loop that opened it.

    Close it, or use it as a context manager.
    """

    def __init__(
        self,
        account: LeanAccount | SdkAccount,
        identity: AsyncTokenCredential | None,
        *,
        clock: ServiceClock,
        describe: str,
    ) -> None:
        self.storage = Storage(account.tables, account.queues, clock, describe)
        self._account = account
        self._identity = identity

    async def close(self) -> None:
        """Close all connections; may be called twice."""
        await self._account.close()
        if self._identity is not None:
            await self._identity.close()

    async def queue_names(self, prefix: str) -> list[str]:
        """The account's queues whose names begin so. No part of the port: a hub knows its own,
        and only who deletes one asks for those that it has forgotten."""
        return await self._account.queues.names(prefix)

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
    client: StorageClient = "lean",
) -> AzureStorage:
    """Connect, and read one row that need not exist to learn the service's time.

    Open it once for each event loop; storages of several threads may share a `clock` so that
    they agree on the time, and one that has observed an answer makes the first read unnecessary.
    `client` is who writes the requests: `lean` this package, but for administration, `sdk` the
    Azure SDKs. Raises AccessDenied or AmbiguousAnswer when the account cannot be read.
    """
    clock = clock or ServiceClock()
    identity = open_identity(connection)
    opening = Opening(connection, identity, clock, message_encoding, _requests_log())
    opened = AzureStorage(
        _account(opening, client),
        identity,
        clock=clock,
        describe=connection.describe,
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


def _account(opening: Opening, client: StorageClient) -> LeanAccount | SdkAccount:
    if client == "lean":
        return LeanAccount(opening)
    # half a second to import, which nobody else need spend
    from durable.storage.azure.sdk.account import SdkAccount

    return SdkAccount(opening)


def _requests_log() -> logging.Logger:
    """A line for each request and answer, at INFO, goes here: under a Functions host, whose root
    logger passes INFO, it would be most of an app's log. Who sets a level decides."""
    log = logging.getLogger("durable.storage.requests")
    if log.level == logging.NOTSET:
        log.setLevel(logging.WARNING)
    return log
