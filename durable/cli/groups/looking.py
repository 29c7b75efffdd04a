"""Commands that show instances, and what they cost."""

from __future__ import annotations

from durable.cli import arguments, replay
from durable.cli.command_set import Commands
from durable.cli.history import get_history
from durable.cli.listing import get_instances
from durable.cli.options import add_filters, add_id, add_paging, add_shown, check_period
from durable.cli.parser import Parser
from durable.cli.stats import stats
from durable.cli.status import get_runtime_status
from durable.model.usage import LIST_PRICES


def add_looking_commands(commands: Commands) -> None:
    """get-runtime-status, get-history, get-instances, replay and stats."""
    status = commands.add_hub_command(
        "get-runtime-status", get_runtime_status, "print an instance's status"
    )
    add_id(status)
    add_shown(status)
    _add_watch(status)

    history = commands.add_hub_command(
        "get-history", get_history, "print what happened to an instance"
    )
    add_id(history)
    add_shown(history)
    _add_watch(history)

    several = commands.add_hub_command(
        "get-instances", get_instances, "print instances, newest first"
    )
    add_filters(several)
    add_paging(several)
    add_shown(several)
    several.set_defaults(check=check_period)

    held = commands.add_hub_command(
        "replay", replay.replay_hub, "hold stored histories against the code of the app"
    )
    add_filters(held, "--status")
    replay.add_options(held)

    figures = commands.add_hub_command(
        "stats", stats, "print what the hub's workers have asked of storage, and what it costs"
    )
    for kind, price in (("queue", LIST_PRICES.queue), ("table", LIST_PRICES.table)):
        figures.add_argument(
            f"--{kind}-price",
            type=arguments.price,
            default=price,
            metavar="DOLLARS",
            help=f"of 10,000 {kind} operations (default: {price:.5f})",
        )


def _add_watch(parser: Parser) -> None:
    parser.add_argument("--watch", action="store_true", help="follow the instance to its end")
