"""Every command with its options; those of `func durable` have its names."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from durable.cli import app, arguments, check, replay
from durable.cli.dead_letters import (
    check_chosen,
    discard_dead_letters,
    get_dead_letters,
    retry_dead_letters,
)
from durable.cli.entities import (
    check_entity_filters,
    clean_entity_storage,
    get_entities,
    get_entity,
    signal_entity,
)
from durable.cli.errors import UsageError
from durable.cli.history import get_history
from durable.cli.listing import get_instances
from durable.cli.parser import Parser
from durable.cli.purging import check_purge, delete_task_hub, hub_to_delete, purge_history
from durable.cli.schedules import (
    check_changes,
    check_new,
    create_schedule,
    delete_schedule,
    get_schedule,
    get_schedules,
    pause_schedule,
    resume_schedule,
    update_schedule,
)
from durable.cli.session import Action, existing_hub, run_on_hub
from durable.cli.stats import stats
from durable.cli.status import get_runtime_status
from durable.cli.steering import (
    raise_event,
    restart,
    resume,
    rewind,
    start_new,
    suspend,
    terminate,
)
from durable.model.usage import LIST_PRICES
from durable.worker.app_loader import DEFAULT_APP
from durable.worker.logs import LEVELS
from durable.worker.worker import DEFAULT_HOST, DEFAULT_PORT, DRAIN_SECONDS

_JSON = "JSON, @FILE, or - for stdin"
_SHOWN = "false leaves it out; true prints it whole (default: cut to the line, and whole in JSON)"


def parse(given: Sequence[str]) -> argparse.Namespace:
    """What was asked for. Raises UsageError, or exits as argparse does."""
    commands = _Commands()
    _add_app_commands(commands)
    _add_instance_commands(commands)
    _add_looking_commands(commands)
    _add_entity_commands(commands)
    _add_schedule_commands(commands)
    _add_dead_letter_commands(commands)
    _add_deleting_commands(commands)
    return commands.parse(given)


def wants_json(given: Sequence[str]) -> bool:
    """Whether errors are to be JSON, also where the arguments cannot be read."""
    return "--output=json" in given or ("--output", "json") in pairwise(given)


class _Commands:
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
        _add_output(parser)
        return parser

    def parse(self, given: Sequence[str]) -> argparse.Namespace:
        """See `parse`."""
        given = list(given)
        if given and given[0] in self._parsers:
            given[1:] = self._parsers[given[0]].joined(given[1:])
        options, extra = self._root.parse_known_args(given)
        if extra:
            options.parser.error(f"unrecognized arguments: {' '.join(extra)}")
        if options.check is not None:
            options.check(options)
        return options


def _add_app_commands(commands: _Commands) -> None:
    start = commands.add("start", "run an app in a worker")
    _add_app(start)
    start.add_argument("--host", default=DEFAULT_HOST, help=f"(default: {DEFAULT_HOST})")
    start.add_argument("--port", type=_port, help=f"(default: {DEFAULT_PORT}; 0: a free one)")
    start.add_argument(
        "--auth", action="store_true", help="ask for function keys also on a loopback address"
    )
    start.add_argument(
        "--drain",
        type=_seconds,
        default=DRAIN_SECONDS,
        metavar="SECONDS",
        help=f"what running work gets to end at SIGTERM (default: {DRAIN_SECONDS:g})",
    )
    for kind, example in (
        ("orchestrations", "order,ship@2.0"),
        ("activities", "charge"),
        ("entities", "counter"),
    ):
        start.add_argument(
            f"--only-{kind}",
            type=arguments.name,
            metavar="NAMES",
            help=f"take work for these only, such as {example}, and for what the other --only-… "
            "name",
        )
    start.set_defaults(command=app.start)

    functions = commands.add("functions", "index an app; print its functions, or what is wrong")
    _add_app(functions)
    _add_output(functions)
    functions.set_defaults(command=app.functions)

    linter = commands.add("check", "find what replay cannot repeat in orchestrators")
    check.add_options(linter)
    _add_output(linter)

    keys = commands.add("keys", "print the keys of HTTP functions")
    _add_output(keys)
    keys.set_defaults(command=app.keys)


def _add_instance_commands(commands: _Commands) -> None:
    start = commands.add_hub_command("start-new", start_new, "start an orchestration")
    start.add_argument("--function-name", type=arguments.name, required=True, metavar="NAME")
    start.add_argument(
        "--id", type=arguments.instance_id, help="the new instance's (default: a random one)"
    )
    start.add_argument("--input", type=arguments.payload, metavar="JSON", help=_JSON)
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
    _add_id(event)
    event.add_argument("--event-name", type=arguments.name, required=True, metavar="NAME")
    event.add_argument("--event-data", type=arguments.payload, metavar="JSON", help=_JSON)

    for name, action, what in (
        ("terminate", terminate, "end an instance"),
        ("suspend", suspend, "let an instance rest"),
        ("resume", resume, "let an instance go on"),
        ("rewind", rewind, "let a failed instance go on from before its failure"),
    ):
        steering = commands.add_hub_command(name, action, what)
        _add_id(steering)
        steering.add_argument("--reason", type=arguments.reason, default="", help="kept with it")
        if name == "terminate":
            steering.add_argument(
                "--recursive", action="store_true", help="unfinished sub-orchestrations too"
            )

    again = commands.add_hub_command("restart", restart, "start again with the same input")
    _add_id(again)
    again.add_argument(
        "--same-id", action="store_true", help="in place of the instance, which has ended"
    )


def _add_looking_commands(commands: _Commands) -> None:
    status = commands.add_hub_command(
        "get-runtime-status", get_runtime_status, "print an instance's status"
    )
    _add_id(status)
    _add_shown(status)
    _add_watch(status)

    history = commands.add_hub_command(
        "get-history", get_history, "print what happened to an instance"
    )
    _add_id(history)
    _add_shown(history)
    _add_watch(history)

    several = commands.add_hub_command(
        "get-instances", get_instances, "print instances, newest first"
    )
    _add_filters(several)
    _add_paging(several)
    _add_shown(several)
    several.set_defaults(check=_check_period)

    held = commands.add_hub_command(
        "replay", replay.replay_hub, "hold stored histories against the code of the app"
    )
    _add_filters(held, "--status")
    replay.add_options(held)

    figures = commands.add_hub_command(
        "stats", stats, "print what the hub's workers have asked of storage, and what it costs"
    )
    for kind, price in (("queue", LIST_PRICES.queue), ("table", LIST_PRICES.table)):
        figures.add_argument(
            f"--{kind}-price",
            type=_price,
            default=price,
            metavar="DOLLARS",
            help=f"of 10,000 {kind} operations (default: {price:.5f})",
        )


def _add_entity_commands(commands: _Commands) -> None:
    several = commands.add_hub_command("get-entities", get_entities, "print entities, by id")
    several.add_argument("--name", type=arguments.name, help="of this name only")
    several.add_argument("--key-prefix", type=arguments.name, metavar="PREFIX")
    for name in ("--modified-after", "--modified-before"):
        several.add_argument(name, type=arguments.moment, metavar="TIME", help="ISO 8601, UTC")
    several.add_argument("--include-empty", action="store_true", help="also those without a state")
    _add_paging(several)
    _add_flag(several, "--show-state")
    several.set_defaults(check=check_entity_filters)

    one = commands.add_hub_command("get-entity", get_entity, "print an entity")
    _add_entity_id(one)
    _add_flag(one, "--show-state")

    signal = commands.add_hub_command(
        "signal-entity", signal_entity, "have an entity perform an operation"
    )
    _add_entity_id(signal)
    signal.add_argument("--operation", type=arguments.name, required=True, metavar="NAME")
    signal.add_argument("--input", type=arguments.payload, metavar="JSON", help=_JSON)
    signal.add_argument(
        "--signal-time", type=arguments.moment, metavar="TIME", help="not before; ISO 8601, UTC"
    )

    commands.add_hub_command(
        "clean-entity-storage",
        clean_entity_storage,
        "remove entities that have been empty for an hour, and locks without an owner",
    )


def _add_schedule_commands(commands: _Commands) -> None:
    create = commands.add_hub_command(
        "create-schedule", create_schedule, "start an orchestration again and again"
    )
    _add_schedule(create)
    create.add_argument("--function-name", type=arguments.name, required=True, metavar="NAME")
    create.add_argument(
        "--if-exists", choices=("error", "replace"), default="error", help="(default: error)"
    )
    create.set_defaults(check=check_new)

    update = commands.add_hub_command("update-schedule", update_schedule, "change a schedule")
    _add_schedule(update)
    update.add_argument("--function-name", type=arguments.name, metavar="NAME")
    update.set_defaults(check=check_changes)

    for name, action, what in (
        ("pause-schedule", pause_schedule, "start nothing until it is resumed"),
        ("resume-schedule", resume_schedule, "go on with a paused schedule"),
        ("delete-schedule", delete_schedule, "remove a schedule; what it started goes on"),
    ):
        steering = commands.add_hub_command(name, action, what)
        _add_schedule_id(steering)
        _add_timeout(steering)

    _add_schedule_id(commands.add_hub_command("get-schedule", get_schedule, "print a schedule"))
    several = commands.add_hub_command("get-schedules", get_schedules, "print schedules, by id")
    several.add_argument("--id-prefix", type=arguments.name, metavar="PREFIX")


def _add_schedule(parser: Parser) -> None:
    _add_schedule_id(parser)
    _add_timeout(parser)
    parser.add_argument("--input", type=arguments.payload, metavar="JSON", help=_JSON)
    parser.add_argument("--cron", help="five fields, or six with seconds first")
    parser.add_argument("--interval", type=_seconds, metavar="SECONDS")
    parser.add_argument("--time-zone", help="an IANA name, for --cron (default: UTC)")
    for name in ("--start-at", "--end-at"):
        parser.add_argument(name, type=arguments.moment, metavar="TIME", help="ISO 8601, UTC")
    parser.add_argument(
        "--catch-up", choices=("skip", "once", "all"), help="what was missed (default: once)"
    )
    parser.add_argument(
        "--overlap", choices=("allow", "skip"), help="while the last run goes on (default: allow)"
    )
    parser.add_argument("--version", type=arguments.version, help="that runs are started with")


def _add_schedule_id(parser: Parser) -> None:
    parser.add_argument("--id", type=arguments.name, required=True, help="the schedule's")


def _add_timeout(parser: Parser) -> None:
    parser.add_argument(
        "--timeout",
        type=_seconds,
        default=60.0,
        metavar="SECONDS",
        help="how long to wait for a worker to do it (default: 60)",
    )


def _add_dead_letter_commands(commands: _Commands) -> None:
    several = commands.add_hub_command(
        "get-dead-letters", get_dead_letters, "print messages that could not be applied"
    )
    _add_paging(several)
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


def _add_deleting_commands(commands: _Commands) -> None:
    purge = commands.add_hub_command(
        "purge-history", purge_history, "delete everything of instances that have ended"
    )
    purge.add_argument("--id", type=arguments.instance_id, help="this instance only")
    _add_filters(purge)
    purge.add_argument(
        "--recursive", action="store_true", help="ended sub-orchestrations of theirs too"
    )
    purge.add_argument(
        "--yes", action="store_true", help="do not ask, where neither id nor filter is given"
    )
    purge.set_defaults(check=_check_purge)

    delete = commands.add_hub_command(
        "delete-task-hub", delete_task_hub, "delete a hub with everything in it"
    )
    delete.add_argument("--yes", action="store_true", help="do not ask")
    delete.set_defaults(find_hub=hub_to_delete)


def _add_output(parser: Parser) -> None:
    parser.add_argument(
        "--output", choices=("text", "json"), default="text", help="(default: text)"
    )


def _add_app(parser: Parser) -> None:
    parser.add_argument("--app", default=DEFAULT_APP, help=f"module:name (default: {DEFAULT_APP})")


def _add_id(parser: Parser) -> None:
    parser.add_argument("--id", type=arguments.instance_id, required=True, help="the instance's")


def _add_shown(parser: Parser) -> None:
    for name in ("--show-input", "--show-output"):
        _add_flag(parser, name)


def _add_flag(parser: Parser, name: str) -> None:
    parser.add_argument(
        name, type=arguments.flag, nargs="?", const=True, metavar="true|false", help=_SHOWN
    )


def _add_entity_id(parser: Parser) -> None:
    parser.add_argument(
        "--id", type=arguments.entity_id, required=True, metavar="@NAME@KEY", help="the entity's"
    )


def _add_paging(parser: Parser) -> None:
    parser.add_argument("--top", type=arguments.whole(1, 1000), default=10, help="(default: 10)")
    parser.add_argument("--all", action="store_true", help="all of them, in place of --top")
    parser.add_argument("--continuation-token", type=arguments.token, metavar="TOKEN")


def _add_watch(parser: Parser) -> None:
    parser.add_argument("--watch", action="store_true", help="follow the instance to its end")


def _add_filters(parser: Parser, *status: str) -> None:
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


def _check_period(options: argparse.Namespace) -> None:
    after, before = options.created_after, options.created_before
    if after is not None and before is not None and after > before:
        raise UsageError("--created-after is later than --created-before")


def _check_tags(options: argparse.Namespace) -> None:
    if sum(len(name) + len(value) for name, value in options.tag) > arguments.LONGEST_TAGS:
        raise UsageError(
            f"--tag: all tags together have at most {arguments.LONGEST_TAGS} characters"
        )


def _check_purge(options: argparse.Namespace) -> None:
    check_purge(options)
    _check_period(options)


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: write 0 to 65535")
    return int(text)


def _price(text: str) -> float:
    try:
        price = float(text)
    except ValueError:
        price = -1.0
    if not 0 <= price <= 1_000:
        raise argparse.ArgumentTypeError(f"{text!r}: write the dollars of 10,000 operations")
    return price


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 86_400:
        raise argparse.ArgumentTypeError(f"{text!r}: write a number of seconds, up to a day")
    return seconds
