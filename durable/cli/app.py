"""start, functions and keys: an app and its worker."""

from __future__ import annotations

import argparse
import asyncio
import os
from pathlib import Path

from durable.cli.errors import DONE
from durable.cli.output import Output
from durable.cli.session import open_account
from durable.codec import encode
from durable.errors import ConfigurationError, ContainerMissing
from durable.hub.hub import Hub
from durable.management.json_text import array_of
from durable.model.functions import Registry
from durable.settings import KINDS, ONLY, Settings, load_settings
from durable.worker.access import Keys
from durable.worker.app_loader import App, inventory_of, load_app
from durable.worker.keys import read_keys
from durable.worker.overview import function_lines
from durable.worker.process import export_settings, serve
from durable.worker.worker import DEFAULT_PORT, Worker


def start(options: argparse.Namespace, out: Output) -> int:
    """Run an app in a worker until it is told to end."""
    settings, app, folder = load(options)
    port = options.port if options.port is not None else settings.local_http_port
    worker = Worker(
        settings,
        app,
        folder=folder,
        host=options.host,
        port=DEFAULT_PORT if port is None else port,
        auth=options.auth,
        drain_seconds=options.drain,
    )
    return serve(worker)


def functions(options: argparse.Namespace, out: Output) -> int:
    """Index an app and print its functions."""
    settings, app, _ = load(options)
    inventory = inventory_of(app, settings)
    registry: Registry = getattr(getattr(app, "durable", None), "registry", Registry())
    lines = function_lines(inventory, registry, f"/{settings.route_prefix}".rstrip("/"))
    texts = [line.strip() for _, line in lines]
    if out.as_json:
        out.document({"functions": array_of(map(encode, texts))})
        return DONE
    for text in texts:
        out.line(text)
    return DONE


def keys(options: argparse.Namespace, out: Output) -> int:
    """Print the keys of HTTP functions; the hub makes those that it lacks."""
    found = asyncio.run(_keys(load_settings(options.folder, local=True)))
    text = f"function {found.function}\nmaster   {found.master}"
    out.result(text, {"function": found.function, "master": found.master})
    return DONE


async def _keys(settings: Settings) -> Keys:
    async with open_account(settings) as account:
        hub = Hub(account.storage, settings.hub, control_queues=settings.control_queues)
        try:
            return await read_keys(settings, hub)
        except ContainerMissing as error:
            raise ConfigurationError(
                f"there is no hub {settings.hub} in {account.storage.describe}: the first start "
                "of a worker makes it"
            ) from error


def _export_filters(options: argparse.Namespace) -> None:
    """What the arguments name replaces what settings do, for whoever reads them."""
    given = [getattr(options, f"only_{kind}", None) for kind in KINDS]
    if any(given):
        for name, names in zip(ONLY, given, strict=True):
            # one that is empty would be looked for in files
            os.environ[name] = names or ","


def load(options: argparse.Namespace) -> tuple[Settings, App, Path]:
    """The settings, the app and its folder, which becomes the current one."""
    folder: Path = options.folder.resolve()
    _export_filters(options)
    settings = load_settings(folder, local=True)
    export_settings(settings)
    # User code that opens files by relative names finds them as under the Functions host.
    os.chdir(folder)
    return settings, load_app(options.app, folder, settings.values), folder
