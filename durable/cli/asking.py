"""query and update."""

from __future__ import annotations

import argparse

from durable.cli.errors import DONE, NotYetDoneError
from durable.cli.session import Session
from durable.codec import encode


async def query(session: Session, options: argparse.Namespace) -> int:
    """Print what an instance answers, which a worker has to find out."""
    try:
        found = await session.client.query(
            options.id, options.name, options.input, timeout=options.timeout
        )
    except TimeoutError as error:
        raise NotYetDoneError(str(error)) from error
    return _said(session, options.id, found)


async def update(session: Session, options: argparse.Namespace) -> int:
    """Give an instance an update, and print its answer."""
    try:
        found = await session.client.update(
            options.id,
            options.name,
            options.data,
            timeout=options.timeout,
            update_id=options.update_id,
        )
    except TimeoutError as error:
        raise NotYetDoneError(str(error)) from error
    return _said(session, options.id, found)


def _said(session: Session, instance_id: str, found: object) -> int:
    session.out.result(encode(found), {"instanceId": instance_id, "answer": found})
    return DONE
