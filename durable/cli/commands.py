"""Every command with its options; those of `func durable` have its names."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import pairwise

from durable.cli.command_set import Commands
from durable.cli.groups.apps import add_app_commands
from durable.cli.groups.dead_letters import add_dead_letter_commands
from durable.cli.groups.deleting import add_deleting_commands
from durable.cli.groups.entities import add_entity_commands
from durable.cli.groups.instances import add_instance_commands
from durable.cli.groups.looking import add_looking_commands
from durable.cli.groups.schedules import add_schedule_commands


def parse(given: Sequence[str]) -> argparse.Namespace:
    """See `Commands.parse`."""
    commands = Commands()
    add_app_commands(commands)
    add_instance_commands(commands)
    add_looking_commands(commands)
    add_entity_commands(commands)
    add_schedule_commands(commands)
    add_dead_letter_commands(commands)
    add_deleting_commands(commands)
    return commands.parse(given)


def wants_json(given: Sequence[str]) -> bool:
    """Whether errors are to be JSON, also where the arguments cannot be read."""
    return "--output=json" in given or ("--output", "json") in pairwise(given)
