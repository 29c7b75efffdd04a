"""start-new, raise-event, terminate, suspend, resume, rewind, restart and fork."""

from __future__ import annotations

import argparse

from durable.cli.errors import DONE, InstanceNotFinishedError
from durable.cli.output import printable
from durable.cli.session import Session
from durable.errors import InvalidRequestError


async def start_new(session: Session, options: argparse.Namespace) -> int:
    """Start an instance, which a worker carries out."""
    instance_id = await session.client.start_new(
        options.function_name,
        options.id,
        options.input,
        options.version,
        if_exists=options.if_exists,
        start_at=options.start_at,
        tags=dict(options.tag),
    )
    return _said(session, instance_id, f"Started {printable(options.function_name)} as")


async def raise_event(session: Session, options: argparse.Namespace) -> int:
    """Give an event to an instance."""
    await session.client.raise_event(options.id, options.event_name, options.event_data)
    return _said(session, options.id, f"Raised {printable(options.event_name)} to")


async def terminate(session: Session, options: argparse.Namespace) -> int:
    """End an instance, with `--recursive` its unfinished sub-orchestrations too."""
    await session.client.terminate(options.id, options.reason, recurse=options.recursive)
    return _said(session, options.id, "Terminating")


async def suspend(session: Session, options: argparse.Namespace) -> int:
    """Let an instance rest."""
    await session.client.suspend(options.id, options.reason)
    return _said(session, options.id, "Suspending")


async def resume(session: Session, options: argparse.Namespace) -> int:
    """Let an instance go on."""
    await session.client.resume(options.id, options.reason)
    return _said(session, options.id, "Resuming")


async def rewind(session: Session, options: argparse.Namespace) -> int:
    """Let a failed instance go on from before its failure."""
    try:
        await session.client.rewind(options.id, options.reason)
    except InvalidRequestError as error:
        raise InstanceNotFinishedError(str(error)) from error
    return _said(session, options.id, "Rewinding")


async def restart(session: Session, options: argparse.Namespace) -> int:
    """Start again with the same function and input."""
    instance_id = await session.client.restart(options.id, not options.same_id)
    return _said(session, instance_id, f"Restarted {printable(options.id)} as")


async def fork(session: Session, options: argparse.Namespace) -> int:
    """Start a new instance from a step of another."""
    instance_id = await session.client.fork(
        options.id,
        options.step,
        input_=options.input,
        new_instance_id=options.new_id,
        version=options.version,
        tags=dict(options.tag) if options.tag is not None else None,
    )
    text = f"Forked {printable(options.id)} from step {options.step} as"
    return _said(session, instance_id, text)


def _said(session: Session, instance_id: str, text: str) -> int:
    session.out.result(f"{text} {printable(instance_id)}", {"instanceId": instance_id})
    return DONE
