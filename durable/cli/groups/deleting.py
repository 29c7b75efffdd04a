"""Commands that delete."""

from __future__ import annotations

import argparse

from durable.cli import arguments
from durable.cli.command_set import Commands
from durable.cli.options import add_filters, check_period
from durable.cli.purging import check_purge, delete_task_hub, hub_to_delete, purge_history


def add_deleting_commands(commands: Commands) -> None:
    """purge-history and delete-task-hub."""
    purge = commands.add_hub_command(
        "purge-history", purge_history, "delete everything of instances that have ended"
    )
    purge.add_argument("--id", type=arguments.instance_id, help="this instance only")
    add_filters(purge)
    purge.add_argument(
        "--recursive", action="store_true", help="ended sub-orchestrations of theirs too"
    )
    purge.add_argument(
        "--yes", action="store_true", help="do not ask, where neither id nor filter is given"
    )
    purge.set_defaults(check=_check_purge)

    delete = commands.add_hub_command(
        "delete-task-hub", delete_task_hub, "delete a hub with everything in it"
    )
    delete.add_argument("--yes", action="store_true", help="do not ask")
    delete.set_defaults(find_hub=hub_to_delete)


def _check_purge(options: argparse.Namespace) -> None:
    check_purge(options)
    check_period(options)
