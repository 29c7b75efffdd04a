"""Commands for an app and its worker."""

from __future__ import annotations

from durable.cli import app, arguments, check
from durable.cli.command_set import Commands
from durable.cli.options import add_output
from durable.cli.parser import Parser
from durable.worker.app_loader import DEFAULT_APP
from durable.worker.worker import DEFAULT_HOST, DEFAULT_PORT, DRAIN_SECONDS


def add_app_commands(commands: Commands) -> None:
    """start, functions, check and keys."""
    start = commands.add("start", "run an app in a worker")
    _add_app(start)
    start.add_argument("--host", default=DEFAULT_HOST, help=f"(default: {DEFAULT_HOST})")
    start.add_argument(
        "--port", type=arguments.port, help=f"(default: {DEFAULT_PORT}; 0: a free one)"
    )
    start.add_argument(
        "--auth", action="store_true", help="ask for function keys also on a loopback address"
    )
    start.add_argument(
        "--drain",
        type=arguments.seconds,
        default=DRAIN_SECONDS,
        metavar="SECONDS",
        help=f"what running work gets to end at SIGTERM (default: {DRAIN_SECONDS:g})",
    )
    for kind, example in (
        ("orchestrations", "order,ship@2.0"),
        ("activities", "charge"),
        ("entities", "counter"),
    ):
        start.add_argument(
            f"--only-{kind}",
            type=arguments.name,
            metavar="NAMES",
            help=f"take work for these only, such as {example}, and for what the other --only-… "
            "name",
        )
    start.set_defaults(command=app.start)

    functions = commands.add("functions", "index an app; print its functions, or what is wrong")
    _add_app(functions)
    add_output(functions)
    functions.set_defaults(command=app.functions)

    linter = commands.add("check", "find what replay cannot repeat in orchestrators")
    check.add_options(linter)
    add_output(linter)

    keys = commands.add("keys", "print the keys of HTTP functions")
    add_output(keys)
    keys.set_defaults(command=app.keys)


def _add_app(parser: Parser) -> None:
    parser.add_argument("--app", default=DEFAULT_APP, help=f"module:name (default: {DEFAULT_APP})")
