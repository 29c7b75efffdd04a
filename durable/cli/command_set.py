"""The commands, each with the options that all have."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from durable.cli import arguments
from durable.cli.options import add_output
from durable.cli.parser import Parser
from durable.cli.session import Action, existing_hub, run_on_hub
from durable.worker.logs import LEVELS


class Commands:
    """What the command line takes; commands are added, and then it is read once."""

    def __init__(self) -> None:
        self._root = Parser(prog="durable", description="Durable execution for Python.")
        self._add = self._root.add_subparsers(
            required=True, metavar="COMMAND", parser_class=Parser
        ).add_parser
        self._parsers: dict[str, Parser] = {}

    def add(self, name: str, help: str, *, log_level: str = "info") -> Parser:
        """A command with the options that all have."""
        parser = self._parsers[name] = self._add(name, help=help, description=f"{help}.")
        parser.add_argument(
            "--folder", type=Path, default=Path(), help="the app's folder (default: the current)"
        )
        parser.add_argument(
            "--log-level", choices=LEVELS, default=log_level, help=f"(default: {log_level})"
        )
        parser.set_defaults(parser=parser, check=None, output="text")
        return parser

    def add_hub_command(self, name: str, action: Action, help: str) -> Parser:
        """A command that works on a hub's storage."""
        parser = self.add(name, help, log_level="warning")
        parser.brief = True
        parser.set_defaults(command=run_on_hub, action=action, find_hub=existing_hub)
        parser.add_argument(
            "--task-hub-name", type=arguments.hub, metavar="HUB", help="(default: host.json's)"
        )
        parser.add_argument(
            "--connection-string-setting",
            type=arguments.setting,
            metavar="SETTING",
            help="the setting with the storage account's connection (default: host.json's)",
        )
        add_output(parser)
        return parser

    def parse(self, given: Sequence[str]) -> argparse.Namespace:
        """What was asked for. Raises UsageError, or exits as argparse does."""
        given = list(given)
        if given and given[0] in self._parsers:
            given[1:] = self._parsers[given[0]].joined(given[1:])
        options, extra = self._root.parse_known_args(given)
        if extra:
            options.parser.error(f"unrecognized arguments: {' '.join(extra)}")
        if options.check is not None:
            options.check(options)
        return options
