"""The command `durable`, also `python -m durable`. `durable.cli.errors` has its exit codes."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from io import TextIOWrapper

from durable.cli.commands import parse, wants_json
from durable.cli.errors import INTERRUPTED, NO_READER, exit_code, name_of
from durable.cli.output import Output
from durable.errors import DurableError
from durable.worker.logs import set_up_logging

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    if isinstance(sys.stdout, TextIOWrapper):
        # a name that the locale cannot write is no reason to fail
        sys.stdout.reconfigure(errors="backslashreplace")
    out = Output.of_process(sys.stdout, sys.stderr, os.environ, as_json=wants_json(given))
    try:
        options = parse(given)
        out.as_json = options.output == "json"
        set_up_logging(options.log_level)
        code: int = options.command(options, out)
        return code
    except DurableError as error:
        out.failed(name_of(error), str(error))
        return exit_code(error)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # what is left in the buffer would fail again when the interpreter ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return NO_READER
