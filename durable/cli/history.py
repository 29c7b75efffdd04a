"""get-history."""

from __future__ import annotations

import argparse
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime

from durable.cli.errors import DONE
from durable.cli.output import printable
from durable.cli.session import Session
from durable.cli.timeline import Timeline, failure_text
from durable.cli.watching import heads, outcome
from durable.errors import InstanceNotFoundError
from durable.hub.hub import Hub
from durable.hub.reading import PayloadGone
from durable.hub.ringing import repeat
from durable.hub.rows import Head
from durable.management.history import history_json
from durable.management.status import status_json
from durable.model.events import Event, Turn

Events = list[tuple[datetime, Event]]


async def get_history(session: Session, options: argparse.Namespace) -> int:
    """Print what happened to an instance; with `--watch` also what happens until its end."""
    if session.out.as_json:
        return await _document(session, options)
    timeline, out, code = Timeline(session.out), session.out, DONE
    head: Head | None = None
    async for head, events in _followed(session.hub, options.id):
        for line in timeline.lines(events):
            out.line(line)
        if not options.watch:
            break
        code = outcome(head)
    if head is not None:
        name = f"{out.paint(printable(head.instance_id), 'bold')}  {printable(head.name)}"
        out.line(f"\n{name}  {out.status(head.runtime_status)}")
        if head.failure is not None:
            out.line(out.paint(failure_text(head.failure), "red"))
    return code


async def _document(session: Session, options: argparse.Namespace) -> int:
    code, client = DONE, session.client
    if options.watch:
        async for head in heads(session.hub, options.id):
            code = outcome(head)
    show_input, show_output = options.show_input is not False, options.show_output is not False
    found = await client.get_status(options.id, show_input=show_input)
    if found is None:
        raise InstanceNotFoundError(f"there is no instance {options.id!r}")
    events = await client.get_history(options.id, payloads=show_input or show_output)
    history = history_json(events, show_input=show_input, show_output=show_output, show_steps=True)
    if not show_output:
        found = replace(found, output=None)
    session.out.line(status_json(found, show_input=show_input, history=history))
    return code


async def _followed(hub: Hub, instance_id: str) -> AsyncIterator[tuple[Head, Events]]:
    """The head and the events so far, then after each change the head and the events since."""
    incarnation, following = "", 0
    async for head in heads(hub, instance_id):
        same = head.incarnation == incarnation
        first = max(head.base, following) if same else head.base
        try:
            turns = await _turns(hub, replace(head, base=first))
        except PayloadGone:
            # a new generation or a purge took it: then there is another head to follow
            now = await repeat(hub, lambda: hub.instances.head(instance_id))
            if now is not None and now.etag == head.etag:
                raise
            continue
        incarnation, following = head.incarnation, head.sequence
        events: Events = []
        for turn in turns:
            # how the last generation ended, for whoever saw the rest of it
            closing = turn.closing if same else ()
            events += [(turn.time, event) for event in (*closing, *turn.events)]
        yield head, events


async def _turns(hub: Hub, head: Head) -> list[Turn]:
    return [stored.turn for stored in await repeat(hub, lambda: hub.instances.history(head))]
