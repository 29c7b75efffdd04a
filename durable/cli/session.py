"""Opens the hub that a command is about. Nothing is created, and nothing is claimed."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace

from durable.cli.errors import TaskHubNotFoundError
from durable.cli.output import Output
from durable.client import DurableOrchestrationClient
from durable.errors import ContainerMissing
from durable.hub.hub import Hub
from durable.hub.ringing import repeat
from durable.ports import Storage
from durable.settings import Settings, load_settings
from durable.settings.values import folded
from durable.storage.azure import AzureStorage, Connection, open_storage
from durable.worker.reaching import reached

_HUB_NAME = "AzureFunctionsJobHost__extensions__durableTask__hubName"


@dataclass(frozen=True, slots=True)
class Account:
    """An open storage account. `queues(prefix)` lists the names of its queues."""

    storage: Storage
    queues: Callable[[str], Awaitable[list[str]]]


Opener = Callable[[Settings], AbstractAsyncContextManager[Account]]
Ask = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Session:
    """What a command works with. `ask` puts a question to whoever sits there, None if nobody."""

    settings: Settings
    account: Account
    hub: Hub
    client: DurableOrchestrationClient
    out: Output
    ask: Ask | None


Action = Callable[[Session, argparse.Namespace], Awaitable[int]]


@asynccontextmanager
async def open_account(settings: Settings) -> AsyncIterator[Account]:
    """The storage account of the settings; CannotStartError when it does not let us in."""
    connection = Connection.from_settings(settings.values, settings.connection_name)
    opening = open_storage(
        connection, message_encoding=settings.message_encoding, client=settings.storage_client
    )
    opened: AzureStorage = await reached(opening, settings, settings.connection_name)
    async with opened:
        yield Account(opened.storage, opened.queue_names)


def run_on_hub(options: argparse.Namespace, out: Output) -> int:
    """Perform the action that the arguments chose; its exit code."""
    return asyncio.run(perform(options, out, open_account, _ask_terminal()))


async def perform(options: argparse.Namespace, out: Output, opener: Opener, ask: Ask | None) -> int:
    """As `run_on_hub`, in a running loop and with storage of any kind."""
    settings = settings_of(options)
    action: Action = options.action
    async with opener(settings) as account:
        hub = await options.find_hub(account, settings)
        client = DurableOrchestrationClient(
            hub,
            max_payload=settings.max_payload,
            default_version=settings.versioning.default_version,
        )
        return await action(Session(settings, account, hub, client, out, ask), options)


def settings_of(options: argparse.Namespace) -> Settings:
    """The folder's settings, with hub and connection as the arguments say."""
    environ = dict(os.environ)
    if options.task_hub_name is not None:
        # as an override, so that a hubName that cannot be resolved here is not looked at
        for name in [name for name in environ if folded(name) == folded(_HUB_NAME)]:
            del environ[name]
        environ[_HUB_NAME] = options.task_hub_name
    settings = load_settings(options.folder, environ, local=True)
    if options.connection_string_setting is not None:
        settings = replace(settings, connection_name=options.connection_string_setting)
    return settings


async def existing_hub(account: Account, settings: Settings) -> Hub:
    """The hub with as many control queues as it was made with. Raises TaskHubNotFoundError."""
    hub = Hub(account.storage, settings.hub, control_queues=settings.control_queues)
    try:
        made_with = await repeat(hub, lambda: hub.setting("control_queues"))
    except ContainerMissing:
        made_with = ""
    if not made_with:
        raise hub_not_found(account, settings)
    return Hub(account.storage, settings.hub, control_queues=int(made_with))


def hub_not_found(account: Account, settings: Settings) -> TaskHubNotFoundError:
    """What to say about a hub that is not there."""
    hints = "".join(f"; {warning}" for warning in settings.warnings)
    return TaskHubNotFoundError(
        f"there is no hub {settings.hub} in {account.storage.describe}: name another one with "
        f"--task-hub-name, or start a worker, which makes it{hints}"
    )


def _ask_terminal() -> Ask | None:
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return None

    def ask(question: str) -> str:
        print(question, end="", file=sys.stderr, flush=True)
        return sys.stdin.readline().strip()

    return ask
