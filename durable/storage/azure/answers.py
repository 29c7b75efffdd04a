"""What an answer, or none, becomes in `durable.errors`, and which calls may be made again."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

from durable.errors import (
    AccessDenied,
    AmbiguousAnswer,
    ContainerMissing,
    MessageGone,
    RowChanged,
    RowExists,
    RowMissing,
    StorageError,
    Throttled,
)

T = TypeVar("T")

READ_PAUSES = (0.0, 0.1, 0.4)
SETUP_SECONDS = 60.0
SETUP_PAUSE = 1.0

BEING_DELETED_CODES = frozenset({"TableBeingDeleted", "QueueBeingDeleted"})
_CONTAINER_CODES = frozenset({"TableNotFound", "QueueNotFound"}) | BEING_DELETED_CODES
_MESSAGE_CODES = frozenset({"MessageNotFound", "PopReceiptMismatch"})
_UNREADABLE = (
    ValueError,
    OverflowError,
    LookupError,
    TypeError,
    AttributeError,
    SyntaxError,
)
_CREDENTIAL_CODES = frozenset({"AuthenticationFailed", "InvalidAuthenticationInfo"})


def error_of(
    status: int | None, code: str, message: str, *, index: int = 0, retry_after: str | None = None
) -> StorageError:
    """The error of an answer that is no success. `code` is the service's, "" when it sent none;
    `index` is of the operation in a transaction, `retry_after` the header."""
    if code in _CONTAINER_CODES:
        return ContainerMissing(message)
    if code in _MESSAGE_CODES:
        return MessageGone(message)
    if code in _CREDENTIAL_CODES:
        return AccessDenied(message)
    match status:
        case 401 | 403:
            return AccessDenied(message)
        case 404:
            return RowMissing(message, index=index)
        case 409 if code in ("EntityAlreadyExists", ""):
            return RowExists(message, index=index)
        case 412:
            return RowChanged(message, index=index)
        case 429 | 503:
            return Throttled(message, retry_after=_seconds(retry_after))
        case int() if 400 <= status < 500 and status != 408:
            return StorageError(message)
        case _:
            return AmbiguousAnswer(message)


@contextlib.contextmanager
def understanding() -> Iterator[None]:
    """Around the reading of an answer: one that cannot be understood counts as none, since the
    request was sent."""
    try:
        yield
    except _UNREADABLE as error:
        raise AmbiguousAnswer(f"the answer cannot be read: {error!r}") from error
    except RecursionError as error:
        raise AmbiguousAnswer("the answer cannot be read: it is nested too deeply") from error


async def read(call: Callable[[], Awaitable[T]]) -> T:
    """Make a call that changes nothing; again after a lost connection or a failure of the
    service, but not after a time-out, which cost enough."""
    for pause in READ_PAUSES:
        try:
            return await call()
        except AmbiguousAnswer as error:
            if isinstance(error.__cause__, TimeoutError):
                raise
            await asyncio.sleep(pause)
    return await call()


async def set_up(call: Callable[[], Awaitable[None]]) -> None:
    """Make an idempotent call, again for up to a minute while the container is being deleted,
    the service is busy, or no answer comes."""
    deadline = asyncio.get_running_loop().time() + SETUP_SECONDS
    while True:
        try:
            return await call()
        except (ContainerMissing, Throttled, AmbiguousAnswer):
            if asyncio.get_running_loop().time() + SETUP_PAUSE > deadline:
                raise
        await asyncio.sleep(SETUP_PAUSE)


def _seconds(retry_after: str | None) -> float:
    try:
        return max(0.0, float(retry_after or ""))
    except ValueError:
        return 1.0
