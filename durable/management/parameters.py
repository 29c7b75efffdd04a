"""Query parameters and bodies of requests, read strictly."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlsplit

import azure.functions as func

from durable.codec import decode
from durable.errors import InvalidRequestError, PayloadError, PayloadTooLargeError
from durable.model.instance import MAX_INSTANCE_ID, OrchestrationRuntimeStatus, check_instance_id
from durable.model.unicode import is_unicode

IGNORED = frozenset({"taskhub", "connection", "code", "clientid"})
"""What callers of Durable Functions send too: hub, connection and key are not theirs to choose."""

CONTINUATION = "x-ms-continuation-token"
"""A header: of an answer that has a next page, and of the request for that."""

_MOMENT = re.compile(
    r"\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,7})?)?(Z|[+-]\d\d:?\d\d)?)?", re.ASCII
)
_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}", re.ASCII)
_LONGEST_TRACESTATE = 512
_WHOLE = re.compile(r"\d{1,9}", re.ASCII)
_SECONDS = re.compile(r"\d{1,9}(\.\d{1,9})?", re.ASCII)


class Query:
    """The query of a request by name, without regard to case; an empty value counts as absent.

    Each method raises InvalidRequestError that names the parameter and what it takes.
    """

    def __init__(self, params: Mapping[str, str], url: str = "") -> None:
        """`url` is the request's, which says what is given more than once: a host makes one
        value of it in `params`."""
        self._values = {name.lower(): value for name, value in params.items()}
        self._pairs = [
            (name.lower(), value)
            for name, value in parse_qsl(urlsplit(url).query, keep_blank_values=True)
        ]

    def text(self, name: str) -> str | None:
        """As given. Lone surrogates are refused: no storage takes them."""
        value = self._values.get(name.lower()) or None
        if value is not None and not is_unicode(value):
            raise InvalidRequestError(f"{name} is not valid Unicode")
        return value

    def flag(self, name: str, default: bool) -> bool:
        """`true` or `false`."""
        value = self.text(name)
        if value is None:
            return default
        if value.lower() not in ("true", "false"):
            raise InvalidRequestError(f"{name} is true or false, not {value[:40]!r}")
        return value.lower() == "true"

    def whole(self, name: str, low: int, high: int) -> int | None:
        """A whole number."""
        value = self.text(name)
        if value is None:
            return None
        if not _WHOLE.fullmatch(value) or not low <= int(value) <= high:
            raise InvalidRequestError(
                f"{name} is a whole number from {low} to {high}, not {value[:40]!r}"
            )
        return int(value)

    def seconds(self, name: str, high: float) -> float | None:
        """A number of seconds, fractions allowed."""
        value = self.text(name)
        if value is None:
            return None
        if not _SECONDS.fullmatch(value) or float(value) > high:
            raise InvalidRequestError(
                f"{name} is a number of seconds from 0 to {high:g}, not {value[:40]!r}"
            )
        return float(value)

    def json(self, name: str) -> object:
        """Plain JSON values, None when it is absent. Raises PayloadError for what is not JSON."""
        value = self.text(name)
        if value is None:
            return None
        try:
            return decode(value)
        except PayloadError as error:
            raise PayloadError(f"{name} is not acceptable as JSON: {error}") from error

    def moment(self, name: str) -> datetime | None:
        """A date, or date and time, in ISO 8601; UTC unless it has an offset."""
        value = self.text(name)
        if value is None:
            return None
        try:
            if not _MOMENT.fullmatch(value):
                raise ValueError
            moment = datetime.fromisoformat(value)
            return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        except (ValueError, OverflowError):
            hint = " (a + in a URL is written %2B)" if " " in value else ""
            raise InvalidRequestError(
                f"{name} is a time in ISO 8601, such as 2026-11-23T10:00:00Z, "
                f"not {value[:40]!r}{hint}"
            ) from None

    def statuses(self, name: str) -> list[OrchestrationRuntimeStatus]:
        """Names of runtime statuses, separated by commas."""
        value = self.text(name)
        known = {str(status).lower(): status for status in OrchestrationRuntimeStatus}
        found = []
        for item in value.split(",") if value is not None else ():
            status = known.get(item.strip().lower())
            if status is None:
                raise InvalidRequestError(
                    f"{name} holds {item.strip()[:40]!r}, which is no runtime status; there are "
                    + ", ".join(map(str, known.values()))
                )
            found.append(status)
        return found

    def prefix(self, name: str) -> str:
        """The beginning of an instance id, or "". Raises InvalidInstanceIdError when no id can
        begin so."""
        value = self.text(name)
        if value is None:
            return ""
        # white space may end a prefix, though not an id
        check_instance_id(value if len(value) >= MAX_INSTANCE_ID else value + "x")
        return value

    def tags(self, name: str) -> dict[str, str]:
        """`NAME=VALUE`, once for each tag."""
        value = self.text(name)
        if value is None:
            return {}
        values = [each for key, each in self._pairs if key == name.lower() and each]
        found: dict[str, str] = {}
        for each in values if len(values) > 1 else [value]:
            tag, mark, text = each.partition("=")
            if not tag or not mark:
                raise InvalidRequestError(f"{name} is NAME=VALUE, not {each[:40]!r}")
            if found.setdefault(tag, text) != text:
                raise InvalidRequestError(f"{name} gives {tag[:40]!r} two values")
        return found

    def refuse_others(self, names: Collection[str]) -> None:
        """For requests that a misspelt or empty filter would widen: only these, each filled."""
        known = {name.lower(): name for name in names}
        for name, value in [*self._values.items(), *self._pairs]:
            if name in IGNORED:
                continue
            if name not in known:
                raise InvalidRequestError(
                    f"there is no parameter {name[:40]!r} here; there are {', '.join(names)}"
                )
            if not value:
                raise InvalidRequestError(f"{known[name]} is empty: give a value or leave it out")


def period(query: Query, what: str = "createdTime") -> tuple[datetime | None, datetime | None]:
    """`createdTimeFrom` and `createdTimeTo`, or of `what`, the first not after the second."""
    start, end = query.moment(f"{what}From"), query.moment(f"{what}To")
    if start is not None and end is not None and start > end:
        raise InvalidRequestError(f"{what}From is after {what}To")
    return start, end


def page_token(request: func.HttpRequest, unseal: Callable[[str], str | None]) -> str | None:
    """The continuation token that a page before this one came with."""
    sealed = request.headers.get(CONTINUATION) or None
    token = unseal(sealed) if sealed is not None else None
    if sealed is not None and token is None:
        raise InvalidRequestError(f"{CONTINUATION} is not one that this task hub gave")
    return token


def trace_of(request: func.HttpRequest) -> tuple[str, str]:
    """`traceparent` and `tracestate` of a request, empty where they are absent or, as the W3C
    asks of who cannot read them, malformed."""
    parent = request.headers.get("traceparent", "").strip()
    match = _TRACEPARENT.fullmatch(parent)
    if match is None or match[1] == "ff" or not int(match[2], 16) or not int(match[3], 16):
        return "", ""
    state = request.headers.get("tracestate", "").strip()
    return parent, state if len(state) <= _LONGEST_TRACESTATE and state.isprintable() else ""


def json_body(request: func.HttpRequest, limit: int) -> object:
    """The request's body as plain JSON values, None when it is empty.

    Raises PayloadTooLargeError over `limit` bytes, PayloadError for what is not JSON.
    """
    body = request.get_body() or b""
    if len(body) > limit:
        raise PayloadTooLargeError(
            f"the body has {len(body):,} bytes; at most {limit:,} are allowed "
            "(extensions.durableTask.maxPayloadBytes in host.json)"
        )
    if not body and "chunked" in request.headers.get("transfer-encoding", "").lower():
        # the Functions host hands on chunked bodies empty: better no start than one without input
        raise InvalidRequestError("send the body with a Content-Length, not in chunks")
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise PayloadError(f"the body is not UTF-8 (byte {error.start})") from error
    if not text.strip():
        return None
    try:
        return decode(text)
    except PayloadError as error:
        raise PayloadError(f"the body is not acceptable as JSON: {error}") from error
