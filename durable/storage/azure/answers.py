"""From the SDK's exceptions to `durable.errors`, and which calls may be made again."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    DecodeError,
    HttpResponseError,
    ServiceRequestTimeoutError,
    ServiceResponseTimeoutError,
)
from azure.data.tables import TableTransactionError

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

TOTAL_SECONDS = 60.0
READ_PAUSES = (0.0, 0.1, 0.4)
SETUP_SECONDS = 60.0
SETUP_PAUSE = 1.0

_CONTAINER_CODES = frozenset(
    {"TableNotFound", "TableBeingDeleted", "QueueNotFound", "QueueBeingDeleted"}
)
_BEING_DELETED_CODES = frozenset({"TableBeingDeleted", "QueueBeingDeleted"})
_MESSAGE_CODES = frozenset({"MessageNotFound", "PopReceiptMismatch"})
_CODE = re.compile(r'"code"\s*:\s*"(\w+)"|<Code>(\w+)</Code>')


class NotFoundAnswer(Exception):
    """A 404 that the SDK would otherwise hide; for its `error_map`."""

    def __init__(self, response: Any = None) -> None:
        super().__init__("not found")
        self.error = HttpResponseError(response=response)


@contextlib.asynccontextmanager
async def answers() -> AsyncIterator[None]:
    """Around one request: raises a StorageError instead of what the SDK raises.

    An answer that cannot be understood counts as none, since the request was sent.
    """
    try:
        async with asyncio.timeout(TOTAL_SECONDS):
            yield
    except NotFoundAnswer as missing:
        raise _from_status(missing.error) from missing
    except DecodeError as error:
        raise AmbiguousAnswer(f"the answer cannot be read: {error.message}") from error
    except HttpResponseError as error:
        raise _from_status(error) from error
    except AzureError as error:
        raise AmbiguousAnswer(f"no answer: {error}") from error
    except TimeoutError as error:
        raise AmbiguousAnswer(f"no answer within {TOTAL_SECONDS:.0f} s") from error
    except (ValueError, LookupError, TypeError, AttributeError, SyntaxError) as error:
        raise AmbiguousAnswer(f"the answer cannot be read: {error!r}") from error


async def read(call: Callable[[], Awaitable[T]]) -> T:
    """Make a call that changes nothing; again after a lost connection or a failure of the
    service, but not after a time-out, which cost enough."""
    for pause in READ_PAUSES:
        try:
            return await call()
        except AmbiguousAnswer as error:
            if _timed_out(error):
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


def is_being_deleted(error: HttpResponseError) -> bool:
    """Whether a refused creation may succeed later."""
    return error_code(error) in _BEING_DELETED_CODES


def error_code(error: HttpResponseError) -> str:
    """The service's code, from wherever it arrived; "" when it sent none."""
    named = getattr(error, "error_code", None)
    if named:
        return str(getattr(named, "value", named))
    response: Any = error.response
    if response is None:
        return ""
    if header := response.headers.get("x-ms-error-code"):
        return str(header)
    try:
        found = _CODE.search(response.text())
    except (AttributeError, ValueError, RuntimeError):
        return ""
    return (found.group(1) or found.group(2)) if found else ""


def _from_status(error: HttpResponseError) -> StorageError:
    status, code = error.status_code, error_code(error)
    message = f"{status} {code}: {error.message}".strip()
    index = error.index if isinstance(error, TableTransactionError) else 0
    # The tables SDK raises an error of its own from that of the credential.
    if isinstance(error, ClientAuthenticationError) or isinstance(
        error.__cause__, ClientAuthenticationError
    ):
        return AccessDenied(message)
    if code in _CONTAINER_CODES:
        return ContainerMissing(message)
    if code in _MESSAGE_CODES:
        return MessageGone(message)
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
            return Throttled(message, retry_after=_retry_after(error))
        case int() if 400 <= status < 500 and status != 408:
            return StorageError(message)
        case _:
            return AmbiguousAnswer(message)


def _retry_after(error: HttpResponseError) -> float:
    response: Any = error.response
    try:
        return max(0.0, float(response.headers["Retry-After"]))
    except (AttributeError, LookupError, ValueError):
        return 1.0


def _timed_out(error: AmbiguousAnswer) -> bool:
    kinds = (TimeoutError, ServiceRequestTimeoutError, ServiceResponseTimeoutError)
    return isinstance(error.__cause__, kinds)
