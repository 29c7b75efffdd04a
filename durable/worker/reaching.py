"""Opening things that may not be there, with errors that say what to do."""

from __future__ import annotations

import socket
from collections.abc import Awaitable
from typing import TypeVar
from urllib.parse import urlsplit

from durable.errors import AccessDenied, AmbiguousAnswer, DurableError, Throttled
from durable.settings import Settings
from durable.storage.azure import Connection
from durable.worker.access import is_loopback
from durable.worker.http import bind

T = TypeVar("T")


class CannotStartError(DurableError):
    """The port is taken, or the storage account does not answer; the message says what to do."""


async def reached(opening: Awaitable[T], settings: Settings, connection_name: str) -> T:
    """The result of `opening`, which connects to that connection's account; CannotStartError
    when it does not let us in or does not answer."""
    try:
        return await opening
    except AccessDenied as error:
        raise CannotStartError(
            f"{_account(settings, connection_name)} refuses the credentials of the setting "
            f"{connection_name}: {error}. By identity, the roles Storage Queue Data Contributor "
            "and Storage Table Data Contributor are needed"
        ) from error
    except (AmbiguousAnswer, Throttled) as error:
        raise CannotStartError(
            f"{_account(settings, connection_name)} does not answer: {error}. "
            f"{_advice(settings, connection_name)}"
        ) from error


def bound(host: str, port: int) -> list[socket.socket]:
    """Bound sockets; CannotStartError when the address cannot be had."""
    try:
        return bind(host, port)
    except (OSError, OverflowError) as error:
        raise cannot_listen(host, port, error) from error


def cannot_listen(host: str, port: int, error: Exception) -> CannotStartError:
    """What to say when the address cannot be had."""
    reason = getattr(error, "strerror", None) or error
    return CannotStartError(
        f"cannot listen on {host}, port {port}: {reason}. Is another worker running? Choose "
        "another port with --port, or another address with --host"
    )


def address_of(host: str, port: int) -> str:
    """What this machine is reached by; its name, where `host` stands for all its addresses."""
    if host in ("0.0.0.0", "::", ""):  # noqa: S104
        host = socket.gethostname()
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _account(settings: Settings, connection_name: str) -> str:
    connection = Connection.from_settings(settings.values, connection_name)
    return f"the storage account ({connection.describe})"


def _advice(settings: Settings, connection_name: str) -> str:
    connection = Connection.from_settings(settings.values, connection_name)
    if is_loopback(urlsplit(connection.queue_endpoint).hostname or ""):
        return (
            "Is Azurite running? Start it with `azurite --skipApiVersionCheck`, or name another "
            f"account in {connection_name}"
        )
    return f"Check the address in the setting {connection_name}, and the network"
