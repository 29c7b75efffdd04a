"""get-dead-letters, retry-dead-letters and discard-dead-letters."""

from __future__ import annotations

import argparse
from collections.abc import AsyncIterator, Awaitable, Callable

from durable.cli.arguments import token_text
from durable.cli.errors import DONE, UsageError
from durable.cli.output import ago, printable
from durable.cli.paging import paged
from durable.cli.purging import confirm
from durable.cli.session import Session
from durable.client import DeadLetter
from durable.codec import encode
from durable.errors import DeadLetterNotFoundError
from durable.management.json_text import array_of, micros_of, object_of


async def get_dead_letters(session: Session, options: argparse.Namespace) -> int:
    """Print messages that could not be applied, oldest first."""
    out = session.out

    async def page(top: int, token: str | None) -> tuple[list[DeadLetter], str | None]:
        return await session.client.list_dead_letters_page(top=top, token=token)

    found, token = await paged(options, page)
    following = token_text(token) if token is not None else None
    if out.as_json:
        letters = array_of(_json(each) for each in found)
        out.document({"deadLetters": letters, "continuationToken": encode(following)})
        return DONE
    now = session.hub.storage.clock.now()
    rows = [
        (each.key, ago(each.time, now), each.queue, printable(each.reason), _text(each))
        for each in found
    ]
    out.listed(("ID", "BURIED", "QUEUE", "REASON", "MESSAGE"), rows, "dead letter", following)
    return DONE


async def retry_dead_letters(session: Session, options: argparse.Namespace) -> int:
    """Put messages back into their queues."""
    done = await _each(session, options, session.client.retry_dead_letter)
    session.out.result(f"Dead letters put back: {done}", {"retried": done})
    return DONE


async def discard_dead_letters(session: Session, options: argparse.Namespace) -> int:
    """Forget messages for good; all of them after a question."""
    if options.all:
        confirm(session, options, f"discard all dead letters of hub {session.hub.names.hub}")
    done = await _each(session, options, session.client.discard_dead_letter)
    session.out.result(f"Dead letters discarded: {done}", {"discarded": done})
    return DONE


def check_chosen(options: argparse.Namespace) -> None:
    """Raises UsageError unless either ids or all were asked for."""
    if bool(options.id) == options.all:
        raise UsageError("say which: --id, or --all")


async def _each(
    session: Session, options: argparse.Namespace, act: Callable[[str], Awaitable[None]]
) -> int:
    """How many were acted on. One that is gone is an error only where it was named."""
    done = 0
    async for key in _chosen(session, options):
        try:
            await act(key)
        except DeadLetterNotFoundError:
            if options.id:
                raise
            continue
        done += 1
    return done


async def _chosen(session: Session, options: argparse.Namespace) -> AsyncIterator[str]:
    if options.id:
        for key in dict.fromkeys(options.id):
            yield key
        return
    # what is buried while this goes on, a message that was put back maybe, waits for the next
    until = session.hub.storage.clock.now()
    async for letter in session.client.list_dead_letters():
        if letter.time > until:
            return
        yield letter.key


def _text(letter: DeadLetter) -> str:
    return printable(letter.body.decode(errors="backslashreplace"))


def _json(letter: DeadLetter) -> str:
    return object_of(
        {
            "id": encode(letter.key),
            "queue": encode(letter.queue),
            "time": micros_of(letter.time),
            "reason": encode(letter.reason),
            "size": encode(letter.size),
            "message": encode(letter.body.decode(errors="backslashreplace")),
        }
    )
