"""From the SDK's exceptions to `durable.errors`."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from typing import Any

from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    DecodeError,
    HttpResponseError,
    ServiceRequestTimeoutError,
    ServiceResponseTimeoutError,
)
from azure.data.tables import TableTransactionError

from durable.errors import AccessDenied, AmbiguousAnswer, StorageError
from durable.storage.azure import timing
from durable.storage.azure.answers import BEING_DELETED_CODES, error_of, understanding

_CODE = re.compile(r'"code"\s*:\s*"(\w+)"|<Code>(\w+)</Code>')


class NotFoundAnswer(Exception):
    """A 404 that the SDK would otherwise hide; for its `error_map`."""

    def __init__(self, response: Any = None) -> None:
        super().__init__("not found")
        self.error = HttpResponseError(response=response)


@contextlib.asynccontextmanager
async def answers() -> AsyncIterator[None]:
    """Around one request: raises a StorageError instead of what the SDK raises."""
    try:
        with understanding():
            async with asyncio.timeout(timing.TOTAL_SECONDS):
                yield
    except NotFoundAnswer as missing:
        raise _from_sdk(missing.error) from missing
    except DecodeError as error:
        raise AmbiguousAnswer(f"the answer cannot be read: {error.message}") from error
    except HttpResponseError as error:
        raise _from_sdk(error) from error
    except (ServiceRequestTimeoutError, ServiceResponseTimeoutError) as error:
        raise AmbiguousAnswer(f"no answer: {error}") from TimeoutError(str(error))
    except AzureError as error:
        raise AmbiguousAnswer(f"no answer: {error}") from error
    except TimeoutError as error:
        raise AmbiguousAnswer(f"no answer within {timing.TOTAL_SECONDS:.0f} s") from error


def is_being_deleted(error: HttpResponseError) -> bool:
    """Whether a refused creation may succeed later."""
    return error_code(error) in BEING_DELETED_CODES


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


def _from_sdk(error: HttpResponseError) -> StorageError:
    status, code = error.status_code, error_code(error)
    message = f"{status} {code}: {error.message}".strip()
    # The tables SDK raises an error of its own from that of the credential.
    if isinstance(error, ClientAuthenticationError) or isinstance(
        error.__cause__, ClientAuthenticationError
    ):
        return AccessDenied(message)
    headers = getattr(error.response, "headers", None) or {}
    return error_of(
        status,
        code,
        message,
        index=error.index if isinstance(error, TableTransactionError) else 0,
        retry_after=headers.get("Retry-After"),
    )
