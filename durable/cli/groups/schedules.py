"""Commands for schedules."""

from __future__ import annotations

from durable.cli import arguments
from durable.cli.command_set import Commands
from durable.cli.options import JSON
from durable.cli.parser import Parser
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


def add_schedule_commands(commands: Commands) -> None:
    """create-, update-, pause-, resume-, delete- and get-schedule, and get-schedules."""
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
    parser.add_argument("--input", type=arguments.payload, metavar="JSON", help=JSON)
    parser.add_argument("--cron", help="five fields, or six with seconds first")
    parser.add_argument("--interval", type=arguments.seconds, metavar="SECONDS")
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
        type=arguments.seconds,
        default=60.0,
        metavar="SECONDS",
        help="how long to wait for a worker to do it (default: 60)",
    )
