"""Commands for entities."""

from __future__ import annotations

from durable.cli import arguments
from durable.cli.command_set import Commands
from durable.cli.entities import (
    check_entity_filters,
    clean_entity_storage,
    get_entities,
    get_entity,
    signal_entity,
)
from durable.cli.options import JSON, add_entity_id, add_flag, add_paging


def add_entity_commands(commands: Commands) -> None:
    """get-entities, get-entity, signal-entity and clean-entity-storage."""
    several = commands.add_hub_command("get-entities", get_entities, "print entities, by id")
    several.add_argument("--name", type=arguments.name, help="of this name only")
    several.add_argument("--key-prefix", type=arguments.name, metavar="PREFIX")
    for name in ("--modified-after", "--modified-before"):
        several.add_argument(name, type=arguments.moment, metavar="TIME", help="ISO 8601, UTC")
    several.add_argument("--include-empty", action="store_true", help="also those without a state")
    add_paging(several)
    add_flag(several, "--show-state")
    several.set_defaults(check=check_entity_filters)

    one = commands.add_hub_command("get-entity", get_entity, "print an entity")
    add_entity_id(one)
    add_flag(one, "--show-state")

    signal = commands.add_hub_command(
        "signal-entity", signal_entity, "have an entity perform an operation"
    )
    add_entity_id(signal)
    signal.add_argument("--operation", type=arguments.name, required=True, metavar="NAME")
    signal.add_argument("--input", type=arguments.payload, metavar="JSON", help=JSON)
    signal.add_argument(
        "--signal-time", type=arguments.moment, metavar="TIME", help="not before; ISO 8601, UTC"
    )

    commands.add_hub_command(
        "clean-entity-storage",
        clean_entity_storage,
        "remove entities that have been empty for an hour, and locks without an owner",
    )
