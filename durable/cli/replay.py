"""replay: stored histories against the code at hand. Nothing is written to a hub.

| exit code | |
| --- | --- |
| 0 | the code fits all of them |
| 1 | it does not fit one |
| 2 | nothing was replayed, or something could not be read: a history, the app, the hub |
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from durable.cli import arguments
from durable.cli.app import load
from durable.cli.errors import DONE, REFUSED, WRONG, UsageError, name_of
from durable.cli.output import Output, printable
from durable.cli.parser import Parser
from durable.cli.session import Session, run_on_hub
from durable.client import Filters
from durable.codec import encode
from durable.errors import DurableError, InvalidRequestError
from durable.model.functions import Registry
from durable.model.versioning import VersioningOptions
from durable.replaying import Replayed, ReplayReport, StoredHistory, read_histories
from durable.replaying.files import file_name, histories_in
from durable.replaying.replaying import judge, registry_of
from durable.worker.app_loader import DEFAULT_APP, index

LIMIT = 1000


def add_options(parser: Parser) -> None:
    """What the command takes beside what all on a hub take."""
    parser.add_argument("ids", nargs="*", type=arguments.instance_id, metavar="ID")
    parser.add_argument("--id", type=arguments.instance_id, action="append", help="another way")
    parser.add_argument("--app", default=DEFAULT_APP, help=f"module:name (default: {DEFAULT_APP})")
    parser.add_argument(
        "--file", type=Path, metavar="PATH", help="a saved or exported history, or a folder of them"
    )
    parser.add_argument(
        "--save", type=Path, metavar="FOLDER", help="write the histories there, for --file"
    )
    parser.add_argument(
        "--limit",
        type=arguments.whole(1, 1_000_000),
        default=LIMIT,
        help=f"the newest so many (default: {LIMIT})",
    )
    for name, dest in (
        ("--hub", "task_hub_name"),
        ("--connection", "connection_string_setting"),
    ):
        kind = arguments.hub if dest == "task_hub_name" else arguments.setting
        parser.add_argument(
            name, dest=dest, type=kind, metavar="NAME", help=f"as --{dest.replace('_', '-')}"
        )
    parser.set_defaults(command=replay_command, action=replay_hub, check=_check)


def replay_command(options: argparse.Namespace, out: Output) -> int:
    """Load the app, replay, and print what came of it."""
    try:
        # the app's folder becomes the current one
        for name in ("folder", "file", "save"):
            if (path := getattr(options, name)) is not None:
                setattr(options, name, path.resolve())
        options.against = _against(options)
        if options.file is None:
            return run_on_hub(options, out)
        registry, versioning = options.against
        found = [judge(each, registry, versioning) for each in histories_in(options.file)]
        return _printed(found, out)
    except DurableError as error:
        # 1 is for code that does not fit
        out.failed(name_of(error), str(error))
        return WRONG


async def replay_hub(session: Session, options: argparse.Namespace) -> int:
    """Replay instances of a hub. `options.against` is the registry and the versioning."""
    registry, versioning = options.against
    ids = [*options.ids, *(options.id or ())]
    limit: int | None = None if ids else options.limit
    filters: Filters = {} if ids else arguments.filters_of(options)
    found: list[Replayed] = []
    async for history in read_histories(session.client, ids, limit=limit, **filters):
        if options.save is not None and isinstance(history, StoredHistory):
            _save(history, options.save)
        found.append(judge(history, registry, versioning))
    if limit is not None and len(found) >= limit:
        session.out.note(f"These are the newest {limit}: --limit takes more.")
    return _printed(found, session.out)


def _check(options: argparse.Namespace) -> None:
    ids = bool(options.ids or options.id)
    filters = any(arguments.filters_of(options).values())
    if ids and filters:
        raise UsageError("give ids or filters, not both")
    after, before = options.created_after, options.created_before
    if after is not None and before is not None and after > before:
        raise UsageError("--created-after is later than --created-before")
    of_hub = ids or filters or options.save is not None or options.task_hub_name is not None
    if options.file is not None and of_hub:
        raise UsageError("--file takes no hub, and no ids, filters or --save with it")


def _against(options: argparse.Namespace) -> tuple[Registry, VersioningOptions]:
    """The app's functions, and the versions that it takes."""
    settings, app, _ = load(options)
    index(app)
    own = getattr(getattr(app, "durable", None), "versioning", None)
    return registry_of(app), settings.versioning.over(own or VersioningOptions())


def _save(history: StoredHistory, folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(history.to_dict(), indent=1)
        (folder / file_name(history)).write_text(f"{text}\n")
    except OSError as error:
        raise InvalidRequestError(f"--save: {error}") from error


def _printed(found: Sequence[Replayed], out: Output) -> int:
    if not found:
        raise InvalidRequestError(
            "no instance matches, so that no code was held against a history: mend the filters or "
            "the hub's name, or leave --status out to replay what has ended"
        )
    report = ReplayReport(tuple(found))
    if out.as_json:
        out.document({name: encode(value) for name, value in report.to_dict().items()})
    else:
        for line in report.text.split("\n"):
            word, gap, rest = printable(line).partition("  ")
            out.line(f"{out.paint(word, 'red')}{gap}{rest}" if word and gap else printable(line))
    if report.differing:
        return REFUSED
    return WRONG if report.unreadable else DONE
