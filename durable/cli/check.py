"""check: what replay cannot repeat in orchestrators. No code is imported, no hub is opened.

| exit code | |
| --- | --- |
| 0 | nothing was found |
| 1 | something was |
| 2 | the arguments are wrong, or a file is no Python |
"""

from __future__ import annotations

import argparse

from durable.checking import check
from durable.cli.errors import DONE, REFUSED
from durable.cli.output import Output, printable
from durable.cli.parser import Parser
from durable.codec import encode


def add_options(parser: Parser) -> None:
    """What the command takes."""
    parser.add_argument(
        "targets",
        nargs="*",
        metavar="PATH",
        help="a folder, a file, or an app as module:name (default: the app's folder)",
    )
    parser.set_defaults(command=check_command)


def check_command(options: argparse.Namespace, out: Output) -> int:
    """Print each finding on a line."""
    checked = check(options.targets, options.folder)
    if out.as_json:
        out.document({name: encode(value) for name, value in checked.to_dict().items()})
    else:
        for each in checked.findings:
            out.line(printable(each.text))
        found = _counted(len(checked.findings), "finding")
        orchestrators = _counted(checked.orchestrators, "orchestrator")
        out.note(f"{found} in {orchestrators} of {_counted(checked.files, 'file')}")
    return DONE if checked.ok else REFUSED


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
