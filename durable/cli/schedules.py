"""create-schedule, get-schedules, get-schedule, update-schedule, pause-schedule, resume-schedule
and delete-schedule."""

from __future__ import annotations

import argparse
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from durable.cli.errors import DONE, NotYetDoneError, UsageError
from durable.cli.output import moment, printable, readable
from durable.cli.session import Session
from durable.codec import encode
from durable.errors import InvalidRequestError, ScheduleNotFoundError
from durable.management.json_text import array_of, micros_of, object_of
from durable.scheduling.client import ScheduleClient
from durable.scheduling.spec import ScheduleChanges, ScheduleDescription, ScheduleSpec

_PLANS = ("cron", "interval", "time_zone", "start_at", "end_at", "catch_up", "overlap", "version")


async def create_schedule(session: Session, options: argparse.Namespace) -> int:
    """Have an orchestration started again and again."""
    plan: Any = _plan(options)
    async with _in_time(session, options) as schedules:
        created = await schedules.create(
            options.id, options.function_name, options.input, if_exists=options.if_exists, **plan
        )
    _changed(session, "Created", created)
    return DONE


async def update_schedule(session: Session, options: argparse.Namespace) -> int:
    """Change what is given."""
    changes: ScheduleChanges = _plan(options)
    if options.function_name is not None:
        changes["orchestrator"] = options.function_name
    if options.input is not None:
        changes["input"] = options.input
    async with _in_time(session, options) as schedules:
        _changed(session, "Updated", await schedules.update(options.id, **changes))
    return DONE


async def pause_schedule(session: Session, options: argparse.Namespace) -> int:
    """Start nothing until it is resumed."""
    async with _in_time(session, options) as schedules:
        _changed(session, "Paused", await schedules.pause(options.id))
    return DONE


async def resume_schedule(session: Session, options: argparse.Namespace) -> int:
    """Go on with a paused schedule."""
    async with _in_time(session, options) as schedules:
        _changed(session, "Resumed", await schedules.resume(options.id))
    return DONE


async def delete_schedule(session: Session, options: argparse.Namespace) -> int:
    """Remove a schedule; what it started goes on."""
    async with _in_time(session, options) as schedules:
        await schedules.delete(options.id)
    session.out.result(f"Deleted {printable(options.id)}", {"scheduleId": options.id})
    return DONE


async def get_schedules(session: Session, options: argparse.Namespace) -> int:
    """Print the schedules, by id."""
    found = [
        each async for each in ScheduleClient(session.client).list(prefix=options.id_prefix or "")
    ]
    if session.out.as_json:
        schedules = array_of(_json(each) for each in found)
        session.out.document({"schedules": schedules})
        return DONE
    rows = [
        (
            printable(each.schedule_id),
            str(each.status),
            _when(each.spec),
            moment(each.next_run_at) if each.next_run_at else "",
            printable(each.spec.orchestrator),
        )
        for each in found
    ]
    session.out.listed(("ID", "STATUS", "WHEN", "NEXT", "ORCHESTRATOR"), rows, "schedule", None)
    return DONE


async def get_schedule(session: Session, options: argparse.Namespace) -> int:
    """Print one schedule."""
    out, found = session.out, await ScheduleClient(session.client).get(options.id)
    if found is None:
        raise ScheduleNotFoundError(f"there is no schedule {options.id!r}")
    if out.as_json:
        out.line(_json(found))
        return DONE
    out.line(out.paint(printable(found.schedule_id), "bold"))
    out.row("status", str(found.status))
    out.row("starts", printable(found.spec.orchestrator))
    out.row("when", f"{_when(found.spec)} ({found.spec.time_zone})")
    for name, time in (("next", found.next_run_at), ("last", found.last_run_at)):
        if time is not None:
            out.row(name, moment(time))
    if found.last_instance_id is not None:
        out.row("instance", printable(found.last_instance_id))
    out.row("runs", str(found.runs))
    if found.spec.input is not None:
        out.row("input", readable(encode(found.spec.input)))
    if found.trouble is not None:
        out.row("trouble", printable(found.trouble))
    return DONE


def check_new(options: argparse.Namespace) -> None:
    """Raises UsageError for what cannot be a schedule."""
    plan: Any = _plan(options)
    _refusing(ScheduleSpec(options.function_name, options.input, **plan))


def check_changes(options: argparse.Namespace) -> None:
    """Raises UsageError where nothing is to be changed, or not like this."""
    plan: Any = _plan(options)
    if not plan and options.function_name is None and options.input is None:
        raise UsageError("say what to change")
    if not {"cron", "interval"} & plan.keys():
        plan["interval"] = timedelta(days=1)
    _refusing(ScheduleSpec(options.function_name or "any", None, **plan))


def _refusing(spec: ScheduleSpec) -> None:
    try:
        spec.check()
    except InvalidRequestError as error:
        raise UsageError(str(error)) from error


@asynccontextmanager
async def _in_time(session: Session, options: argparse.Namespace) -> AsyncIterator[ScheduleClient]:
    """A client that waits for a worker as long as was asked for."""
    try:
        yield ScheduleClient(session.client, timeout=options.timeout)
    except TimeoutError as error:
        raise NotYetDoneError(str(error)) from error


def _plan(options: argparse.Namespace) -> Any:
    """What was said of when to run."""
    given = {name: getattr(options, name) for name in _PLANS}
    if options.interval is not None:
        given["interval"] = timedelta(seconds=options.interval)
    return {name: value for name, value in given.items() if value is not None}


def _when(spec: ScheduleSpec) -> str:
    return spec.cron if spec.cron is not None else f"every {spec.interval}"


def _changed(session: Session, what: str, schedule: ScheduleDescription) -> None:
    following = schedule.next_run_at
    text = f"{what} {printable(schedule.schedule_id)}"
    text += f"; its next run is at {moment(following)}" if following else ""
    session.out.result(
        text,
        {
            "scheduleId": schedule.schedule_id,
            "status": str(schedule.status),
            "nextRunTime": following.isoformat() if following else None,
        },
    )


def _json(schedule: ScheduleDescription) -> str:
    spec = asdict(schedule.spec)
    times = {
        "createdTime": schedule.created_at,
        "lastUpdatedTime": schedule.modified_at,
        "nextRunTime": schedule.next_run_at,
        "lastRunTime": schedule.last_run_at,
    }
    return object_of(
        {
            "scheduleId": encode(schedule.schedule_id),
            "status": encode(str(schedule.status)),
            "orchestrator": encode(spec.pop("orchestrator")),
            "input": encode(spec.pop("input")),
            **{_camel(name): encode(value) for name, value in spec.items()},
            **{name: micros_of(time) if time else "null" for name, time in times.items()},
            "lastInstanceId": encode(schedule.last_instance_id),
            "runs": encode(schedule.runs),
            "trouble": encode(schedule.trouble),
        }
    )


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.title() for word in rest)
