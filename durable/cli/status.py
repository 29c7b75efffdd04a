"""get-runtime-status."""

from __future__ import annotations

import argparse
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from durable.cli.errors import DONE
from durable.cli.output import Output, ago, moment, printable, readable
from durable.cli.session import Session
from durable.cli.watching import heads, outcome
from durable.errors import InstanceNotFoundError
from durable.hub.reading import PayloadGone
from durable.hub.rows import Head
from durable.management.status import status_json
from durable.model.instance import InstanceStatus


async def get_runtime_status(session: Session, options: argparse.Namespace) -> int:
    """Print an instance's status; with `--watch` a line for each change first, until its end."""
    out = session.out
    code = await _watch(session, options.id) if options.watch else DONE
    show_input = options.show_input is not False
    found = await session.client.get_status(options.id, show_input=show_input, show_heartbeats=True)
    if found is None:
        raise InstanceNotFoundError(f"there is no instance {options.id!r}")
    if options.show_output is False:
        found = replace(found, output=None)
    if out.as_json:
        out.line(status_json(found, show_input=show_input))
        return code
    _print(out, found, options, session.hub.storage.clock.now())
    return code


async def _watch(session: Session, instance_id: str) -> int:
    """Follow the instance to its end; the exit code."""
    out, code, shown = session.out, DONE, ""
    async for head in heads(session.hub, instance_id):
        code = outcome(head)
        if out.as_json:
            continue
        text = await _custom_status(session, head)
        line = f"{out.status(head.runtime_status, 10)} {text}".rstrip()
        if line != shown:
            shown = line
            time = moment(head.time or head.created)
            out.line(f"{out.paint(time, 'dim')}  {out.fitted(line, len(time) + 2)}")
    if not out.as_json:
        out.line()
    return code


async def _custom_status(session: Session, head: Head) -> str:
    text: str | None = None
    # a later turn may have trimmed it
    with suppress(PayloadGone):
        text = await session.hub.instances.text(
            head.instance_id, head.incarnation, head.custom_status
        )
    return readable(text) if text is not None else ""


def _print(out: Output, found: InstanceStatus, options: argparse.Namespace, now: datetime) -> None:
    out.line(out.paint(printable(found.instance_id), "bold"))
    out.row("name", printable(found.name))
    out.row("status", out.status(found.runtime_status), whole=True)
    if found.waiting is not None:
        out.row("waits for", printable(found.waiting), whole=True)
    for title, time in (("created", found.created_time), ("updated", found.last_updated_time)):
        out.row(title, f"{moment(time)} ({ago(time, now)})")
    if found.scheduled_start_time is not None:
        out.row("scheduled", moment(found.scheduled_start_time))
    if found.version is not None:
        out.row("version", printable(found.version))
    if found.parent_instance_id is not None:
        out.row("parent", printable(found.parent_instance_id))
    if (fork := found.forked_from) is not None:
        out.row("forked", f"from step {fork.step} of {printable(fork.instance_id)}")
    for name, value in sorted(found.tags.items()):
        out.row("tag", printable(f"{name}={value}"))
    for each in found.heartbeats:
        attempt = f", attempt {each.attempt}" if each.attempt > 1 else ""
        title = f"{printable(each.activity)} (task {each.task_id}{attempt})"
        out.row("heartbeat", f"{title}: {readable(each.details)}")
    if found.failure is not None:
        out.row("failure", printable(str(found.failure)), whole=True)
    for title, payload, whole in (
        ("custom", found.custom_status, False),
        ("input", found.input, options.show_input),
        ("output", found.output, options.show_output),
    ):
        if payload is not None:
            out.row(title, readable(payload), whole=whole)
