"""Responses: JSON bodies, and errors as `{"error": …, "message": …}`."""

from __future__ import annotations

import logging
import math
import secrets
from collections.abc import Mapping

import azure.functions as func

from durable.codec import encode
from durable.errors import (
    AmbiguousAnswer,
    ContainerMissing,
    InstanceExistsError,
    InstanceFinishedError,
    InstanceNotFoundError,
    InvalidInstanceIdError,
    InvalidRequestError,
    PayloadError,
    PayloadTooLargeError,
    QueryFailedError,
    StorageError,
    Throttled,
    UnknownFormat,
    UnknownFunctionError,
    UnknownQueryError,
    UpdateRejectedError,
)

_log = logging.getLogger("durable.management")

_RETRY_AFTER = 5.0

_REFUSED: tuple[tuple[type[Exception], int, str], ...] = (
    (PayloadTooLargeError, 413, "PayloadTooLarge"),
    (PayloadError, 400, "InvalidPayload"),
    (InvalidInstanceIdError, 400, "InvalidInstanceId"),
    (UnknownQueryError, 404, "UnknownQuery"),
    (UnknownFunctionError, 400, "UnknownFunction"),
    (InvalidRequestError, 400, "InvalidRequest"),
    (InstanceNotFoundError, 404, "InstanceNotFound"),
    (InstanceExistsError, 409, "InstanceExists"),
    (InstanceFinishedError, 410, "InstanceFinished"),
    (QueryFailedError, 422, "QueryFailed"),
    (UpdateRejectedError, 422, "UpdateRejected"),
)


def answer(
    status: int, body: str = "", headers: Mapping[str, str] | None = None
) -> func.HttpResponse:
    """A response with a JSON text, or none, as its body; never to be cached."""
    return func.HttpResponse(
        body,
        status_code=status,
        mimetype="application/json",
        headers={"Cache-Control": "no-store", **(headers or {})},
    )


def refusal(
    status: int, error: str, message: str, headers: Mapping[str, str] | None = None
) -> func.HttpResponse:
    """An error: a name for programs and a text for people."""
    return answer(status, encode({"error": error, "message": message}), headers)


def refusal_of(error: Exception, operation: str) -> func.HttpResponse:
    """The response to an exception of `operation`. What the caller cannot have caused is logged,
    and told without details."""
    for kind, status, name in _REFUSED:
        if isinstance(error, kind):
            return refusal(status, name, str(error))
    if isinstance(error, StorageError):
        return _unavailable(error, operation)
    reference = secrets.token_hex(4)
    _log.error("management request %s failed (%s)", operation, reference, exc_info=error)
    return refusal(
        500,
        "InternalError",
        f"the request could not be handled; the app's log has the reason under {reference}",
    )


def _unavailable(error: StorageError, operation: str) -> func.HttpResponse:
    _log.warning("management request %s: %s: %s", operation, type(error).__name__, error)
    seconds = _RETRY_AFTER
    match error:
        case Throttled():
            seconds, text = error.retry_after, "the storage account is busy; try again"
        case AmbiguousAnswer():
            text = (
                "the storage account did not answer; the request may or may not have been "
                "carried out: look at the instance's status, or try again"
            )
        case ContainerMissing():
            text = "the task hub is not there, or is being deleted; try again later"
        case UnknownFormat():
            text = "a newer version of durable wrote this; ask an app that runs that version"
        case _:
            text = "the storage account cannot be used now; the app's log has the reason"
    headers = {"Retry-After": str(max(1, math.ceil(seconds)))}
    return refusal(503, "StorageUnavailable", text, headers)
