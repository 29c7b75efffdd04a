"""Options that several commands have."""

from __future__ import annotations

import argparse

from durable.cli import arguments
from durable.cli.errors import UsageError
from durable.cli.parser import Parser

JSON = "JSON, @FILE, or - for stdin"
_SHOWN = "false leaves it out; true prints it whole (default: cut to the line, and whole in JSON)"


def add_output(parser: Parser) -> None:
    """`--output`."""
    parser.add_argument(
        "--output", choices=("text", "json"), default="text", help="(default: text)"
    )


def add_id(parser: Parser) -> None:
    """`--id` of an instance."""
    parser.add_argument("--id", type=arguments.instance_id, required=True, help="the instance's")


def add_shown(parser: Parser) -> None:
    """`--show-input` and `--show-output`; see `add_flag`."""
    for name in ("--show-input", "--show-output"):
        add_flag(parser, name)


def add_flag(parser: Parser, name: str) -> None:
    """An option that is true, false, or left out."""
    parser.add_argument(
        name, type=arguments.flag, nargs="?", const=True, metavar="true|false", help=_SHOWN
    )


def add_entity_id(parser: Parser) -> None:
    """`--id` of an entity."""
    parser.add_argument(
        "--id", type=arguments.entity_id, required=True, metavar="@NAME@KEY", help="the entity's"
    )


def add_paging(parser: Parser) -> None:
    """`--top`, `--all` and `--continuation-token`."""
    parser.add_argument("--top", type=arguments.whole(1, 1000), default=10, help="(default: 10)")
    parser.add_argument("--all", action="store_true", help="all of them, in place of --top")
    parser.add_argument("--continuation-token", type=arguments.token, metavar="TOKEN")


def add_filters(parser: Parser, *status: str) -> None:
    """Which instances; `arguments.filters_of` reads them. `status` are other names of
    `--runtime-status`."""
    for name in ("--created-after", "--created-before"):
        parser.add_argument(name, type=arguments.moment, metavar="TIME", help="ISO 8601, UTC")
    parser.add_argument(
        "--runtime-status",
        *status,
        type=arguments.statuses,
        nargs="+",
        metavar="STATUS",
        help="one of them",
    )
    parser.add_argument("--name", type=arguments.name, help="of this function only")
    parser.add_argument("--instance-id-prefix", type=arguments.prefix, metavar="PREFIX")
    parser.add_argument(
        "--tag", type=arguments.tag, action="append", metavar="NAME=VALUE", help="all of them"
    )


def check_period(options: argparse.Namespace) -> None:
    """That `--created-after` is not later than `--created-before`."""
    after, before = options.created_after, options.created_before
    if after is not None and before is not None and after > before:
        raise UsageError("--created-after is later than --created-before")
