"""Commands that start instances and steer them."""

from __future__ import annotations

import argparse

from durable.cli import arguments
from durable.cli.asking import query, update
from durable.cli.command_set import Commands
from durable.cli.errors import UsageError
from durable.cli.options import JSON, add_id
from durable.cli.steering import (
    fork,
    raise_event,
    restart,
    resume,
    rewind,
    start_new,
    suspend,
    terminate,
)
from durable.client import UNCHANGED


def add_instance_commands(commands: Commands) -> None:
    """start-new, raise-event, query, update, terminate, suspend, resume, rewind, restart, fork."""
    start = commands.add_hub_command("start-new", start_new, "start an orchestration")
    start.add_argument("--function-name", type=arguments.name, required=True, metavar="NAME")
    start.add_argument(
        "--id", type=arguments.instance_id, help="the new instance's (default: a random one)"
    )
    start.add_argument("--input", type=arguments.payload, metavar="JSON", help=JSON)
    start.add_argument("--version", type=arguments.version, help="the new instance's version")
    start.add_argument(
        "--if-exists",
        choices=("replace", "terminate", "skip", "error"),
        default="replace",
        help="what becomes of an ended instance of that id; one that runs is replaced only by "
        "terminate (default: replace)",
    )
    start.add_argument(
        "--start-at", type=arguments.moment, metavar="TIME", help="not before; ISO 8601, UTC"
    )
    start.add_argument(
        "--tag", type=arguments.tag, action="append", default=[], metavar="NAME=VALUE"
    )
    start.set_defaults(check=_check_tags)

    event = commands.add_hub_command("raise-event", raise_event, "give an event to an instance")
    add_id(event)
    event.add_argument("--event-name", type=arguments.name, required=True, metavar="NAME")
    event.add_argument("--event-data", type=arguments.payload, metavar="JSON", help=JSON)

    asking = commands.add_hub_command("query", query, "ask an instance for its state")
    add_id(asking)
    asking.add_argument("--name", type=arguments.name, required=True, help="the query's")
    asking.add_argument("--input", type=arguments.payload, metavar="JSON", help=JSON)
    changing = commands.add_hub_command("update", update, "give an instance what it answers")
    add_id(changing)
    changing.add_argument("--name", type=arguments.name, required=True, help="the update's")
    changing.add_argument("--data", type=arguments.payload, metavar="JSON", help=JSON)
    changing.add_argument(
        "--update-id",
        type=arguments.update_id,
        metavar="ID",
        help="repeated under it, it gets the same answer",
    )
    for parser in (asking, changing):
        parser.add_argument(
            "--timeout",
            type=arguments.seconds,
            default=30.0,
            metavar="SECONDS",
            help="how long to wait for a worker (default: 30)",
        )

    for name, action, what in (
        ("terminate", terminate, "end an instance"),
        ("suspend", suspend, "let an instance rest"),
        ("resume", resume, "let an instance go on"),
        ("rewind", rewind, "let a failed instance go on from before its failure"),
    ):
        steering = commands.add_hub_command(name, action, what)
        add_id(steering)
        steering.add_argument("--reason", type=arguments.reason, default="", help="kept with it")
        if name == "terminate":
            steering.add_argument(
                "--recursive", action="store_true", help="unfinished sub-orchestrations too"
            )

    again = commands.add_hub_command("restart", restart, "start again with the same input")
    add_id(again)
    again.add_argument(
        "--same-id", action="store_true", help="in place of the instance, which has ended"
    )

    other = commands.add_hub_command(
        "fork", fork, "start a new instance that begins at a step of another"
    )
    add_id(other)
    other.add_argument(
        "--step",
        type=arguments.whole(0, 10**9),
        required=True,
        metavar="N",
        help="the first task that is done anew, 0 or more, in the order they were asked for",
    )
    other.add_argument(
        "--input",
        type=arguments.payload,
        default=UNCHANGED,
        metavar="JSON",
        help=f"{JSON}; the other's by default",
    )
    other.add_argument(
        "--new-id", type=arguments.instance_id, help="the new instance's (default: a random one)"
    )
    other.add_argument(
        "--version", type=arguments.version, help="of the new instance (default: the other's)"
    )
    other.add_argument(
        "--tag",
        type=arguments.tag,
        action="append",
        metavar="NAME=VALUE",
        help="in place of the other's tags",
    )
    other.set_defaults(check=_check_tags)


def _check_tags(options: argparse.Namespace) -> None:
    if sum(len(name) + len(value) for name, value in options.tag or ()) > arguments.LONGEST_TAGS:
        raise UsageError(
            f"--tag: all tags together have at most {arguments.LONGEST_TAGS} characters"
        )
