"""What a client of an account is made of, whoever writes its requests."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from durable.storage.azure.bodies import MessageEncoding
from durable.storage.azure.clock import ServiceClock
from durable.storage.azure.connection import Connection

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential


@dataclass(frozen=True, slots=True)
class Opening:
    """An account to be opened, for the event loop that runs."""

    connection: Connection
    identity: AsyncTokenCredential | None
    """Who opened it closes it; None for a key or a SAS."""
    clock: ServiceClock
    message_encoding: MessageEncoding
    log: logging.Logger
    """Gets a line for each request and answer, at INFO."""
