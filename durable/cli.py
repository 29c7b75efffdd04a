"""The command `durable`, also `python -m durable`.

Exit codes: 0 when all went well, 1 when something outside is in the way (a port, the storage
account), 2 when the app, its settings or the arguments are wrong.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from durable.errors import ConfigurationError, ContainerMissing, DurableError
from durable.hub.hub import Hub
from durable.model.functions import Registry
from durable.settings import Settings, load_settings
from durable.storage.azure import Connection, open_storage
from durable.worker.app_loader import DEFAULT_APP, App, inventory_of, load_app
from durable.worker.keys import read_keys
from durable.worker.logs import LEVELS, set_up_logging
from durable.worker.overview import function_lines
from durable.worker.process import export_settings, serve
from durable.worker.reaching import reached
from durable.worker.worker import DEFAULT_HOST, DEFAULT_PORT, DRAIN_SECONDS, Worker

Command = Callable[[argparse.Namespace], int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit code."""
    options = _parser().parse_args(arguments)
    set_up_logging(options.log_level)
    command: Command = options.command
    try:
        return command(options)
    except ConfigurationError as error:
        print(f"durable: {error}", file=sys.stderr)
        return 2
    except DurableError as error:
        print(f"durable: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="durable", description="Durable execution for Python.")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--folder", type=Path, default=Path(), help="the app's folder (default: the current one)"
    )
    common.add_argument("--log-level", choices=LEVELS, default="info", help="(default: info)")
    app = argparse.ArgumentParser(add_help=False, parents=[common])
    app.add_argument("--app", default=DEFAULT_APP, help=f"module:name (default: {DEFAULT_APP})")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    start = commands.add_parser("start", parents=[app], help="run an app in a worker")
    start.add_argument("--host", default=DEFAULT_HOST, help=f"(default: {DEFAULT_HOST})")
    start.add_argument("--port", type=_port, help=f"(default: {DEFAULT_PORT}; 0: a free one)")
    start.add_argument(
        "--auth", action="store_true", help="ask for function keys also on a loopback address"
    )
    start.add_argument(
        "--drain",
        type=_seconds,
        default=DRAIN_SECONDS,
        metavar="SECONDS",
        help=f"what running work gets to end at SIGTERM (default: {DRAIN_SECONDS:g})",
    )
    start.set_defaults(command=_start)

    functions = commands.add_parser(
        "functions", parents=[app], help="index an app; print its functions, or what is wrong"
    )
    functions.set_defaults(command=_functions)

    keys = commands.add_parser("keys", parents=[common], help="print the keys of HTTP functions")
    keys.set_defaults(command=_keys)
    return parser


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: write 0 to 65535")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 86_400:
        raise argparse.ArgumentTypeError(f"{text!r}: write a number of seconds, up to a day")
    return seconds


def _start(options: argparse.Namespace) -> int:
    settings, app, folder = _load(options)
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


def _functions(options: argparse.Namespace) -> int:
    settings, app, _ = _load(options)
    inventory = inventory_of(app, settings)
    registry: Registry = getattr(getattr(app, "durable", None), "registry", Registry())
    for _, line in function_lines(inventory, registry, f"/{settings.route_prefix}".rstrip("/")):
        print(line.strip())
    return 0


def _keys(options: argparse.Namespace) -> int:
    return asyncio.run(_print_keys(load_settings(_folder(options), local=True)))


async def _print_keys(settings: Settings) -> int:
    connection = Connection.from_settings(settings.values, settings.connection_name)
    async with AsyncExitStack() as stack:
        opening = open_storage(connection, message_encoding=settings.message_encoding)
        opened = await reached(opening, settings, settings.connection_name)
        await stack.enter_async_context(opened)
        hub = Hub(opened.storage, settings.hub, control_queues=settings.control_queues)
        try:
            keys = await read_keys(settings, hub)
        except ContainerMissing as error:
            raise ConfigurationError(
                f"there is no hub {settings.hub} in {opened.storage.describe}: the first start of "
                "a worker makes it"
            ) from error
    print(f"function {keys.function}")
    print(f"master   {keys.master}")
    return 0


def _load(options: argparse.Namespace) -> tuple[Settings, App, Path]:
    folder = _folder(options)
    settings = load_settings(folder, local=True)
    export_settings(settings)
    # User code that opens files by relative names finds them as under the Functions host.
    os.chdir(folder)
    return settings, load_app(options.app, folder), folder


def _folder(options: argparse.Namespace) -> Path:
    folder: Path = options.folder
    return folder.resolve()
