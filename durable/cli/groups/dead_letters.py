"""Commands for messages that could not be applied."""

from __future__ import annotations

from durable.cli import arguments
from durable.cli.command_set import Commands
from durable.cli.dead_letters import (
    check_chosen,
    discard_dead_letters,
    get_dead_letters,
    retry_dead_letters,
)
from durable.cli.options import add_paging


def add_dead_letter_commands(commands: Commands) -> None:
    """get-, retry- and discard-dead-letters."""
    several = commands.add_hub_command(
        "get-dead-letters", get_dead_letters, "print messages that could not be applied"
    )
    add_paging(several)
    for name, action, what in (
        ("retry-dead-letters", retry_dead_letters, "put such messages back into their queues"),
        ("discard-dead-letters", discard_dead_letters, "forget such messages"),
    ):
        command = commands.add_hub_command(name, action, what)
        command.add_argument("--id", type=arguments.name, action="append", help="a letter's")
        command.add_argument("--all", action="store_true", help="all that there are")
        if action is discard_dead_letters:
            command.add_argument("--yes", action="store_true", help="do not ask, with --all")
        command.set_defaults(check=check_chosen)
