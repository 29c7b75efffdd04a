"""How arguments are read: argparse, where it gets values with dashes wrong."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any, NoReturn

from durable.cli.errors import UsageError


class Parser(argparse.ArgumentParser):
    """An argument parser that takes values which begin with a dash, and refuses in one line
    where `brief`."""

    brief = False

    def __init__(self, **options: Any) -> None:
        self._names: set[str] = set()
        self._single: set[str] = set()
        super().__init__(allow_abbrev=False, **options)

    def add_argument(self, *names: str, **options: Any) -> argparse.Action:
        """See argparse."""
        action = super().add_argument(*names, **options)
        self._names.update(action.option_strings)
        if action.nargs is None:
            self._single.update(action.option_strings)
        return action

    def error(self, message: str) -> NoReturn:
        """Raise UsageError, or print the usage and exit with 2 unless `brief`."""
        if self.brief:
            raise UsageError(f"{message}; see `{self.prog} --help`")
        super().error(message)

    def joined(self, given: Sequence[str]) -> list[str]:
        """`--id -x` as `--id=-x`: argparse takes whatever begins with a dash for an option. Only
        a name of this command is one."""
        result: list[str] = []
        items = iter(given)
        for item in items:
            if item in self._single and (following := next(items, None)) is not None:
                dashed = following.startswith("-")
                if dashed and following.partition("=")[0] not in self._names:
                    item = f"{item}={following}"
                else:
                    result.append(item)
                    item = following
            name, _, value = item.partition("=")
            if value == "--" and name in self._single:
                # argparse would take it away, and answer a list
                self.error(f"argument {name}: '--' cannot be given")
            result.append(item)
        return result
