"""Durable HTTP as a chain of activities and timers: a request, and polls for as long as the
answer is 202 Accepted."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Protocol

from durable.codec import encode
from durable.engine.several import when_any
from durable.engine.tasks import DurableTask, MappedTask, TimerTask
from durable.errors import ActivityFailedError, HttpResponseRefusedError, InvalidRequestError
from durable.model.failure import FailureDetails
from durable.model.http import (
    HTTP_ACTIVITY,
    DurableHttpRequest,
    DurableHttpResponse,
    HttpAnswer,
    TokenSource,
    header_of,
)
from durable.model.origins import as_get, located, moved, without_header
from durable.model.retry import RetryPolicy

LEAST_WAIT = timedelta(seconds=1)
"""Between two polls, whatever the service asks for: each one is kept in history."""

_ACCEPTED = 202


class Calls(Protocol):
    """What is used of the orchestration's context."""

    @property
    def current_utc_datetime(self) -> datetime: ...

    def call_activity(
        self,
        name: str,
        input_: object = None,
        *,
        retry: RetryPolicy | None = None,
        expected_type: Any = None,
    ) -> DurableTask[Any]: ...

    def create_timer(self, fire_at: timedelta) -> TimerTask: ...


def http_request(
    method: str,
    uri: str,
    content: object,
    headers: Mapping[str, str] | None,
    token_source: TokenSource | None,
    *,
    is_raw_str: bool,
) -> DurableHttpRequest:
    """The request that an orchestrator asks for, its content as text.

    Raises InvalidRequestError, or PayloadError for content that has no JSON form.
    """
    if is_raw_str and not isinstance(content, str):
        raise InvalidRequestError(
            f"is_raw_str says that content is sent as it is, so content must be a str, not "
            f"{type(content).__name__}"
        )
    if content is None:
        return DurableHttpRequest(method, uri, None, headers, token_source)
    text = content if is_raw_str and isinstance(content, str) else encode(content)
    request = DurableHttpRequest(method, uri, text, headers, token_source)
    if header_of(request.headers, "content-type") is not None:
        return request
    kind = "text/plain; charset=utf-8" if is_raw_str else "application/json"
    typed = {**(request.headers or {}), "Content-Type": kind}
    return DurableHttpRequest(method, uri, text, typed, token_source)


def call_http(
    calls: Calls,
    request: DurableHttpRequest,
    *,
    asynchronous_pattern: bool,
    timeout: timedelta | None,
    retry: RetryPolicy | None,
) -> DurableTask[DurableHttpResponse]:
    """Send a request and, with `asynchronous_pattern`, poll; see the context's `call_http`."""
    if timeout is not None and (not isinstance(timeout, timedelta) or timeout <= timedelta(0)):
        raise InvalidRequestError(f"timeout must be a positive timedelta or None, not {timeout!r}")
    exchange = _Exchange(calls, request, polls=asynchronous_pattern, retry=retry)
    if timeout is None:
        return exchange.task
    timer = calls.create_timer(timeout)

    def settle(outer: MappedTask[DurableHttpResponse], first: DurableTask[Any]) -> None:
        if first.get_result() is timer:
            exchange.stop()
            outer.fail(TimeoutError(f"the HTTP call had not ended after {timeout}"))
            return
        timer.cancel()
        _pass_on(exchange.task, outer)

    return MappedTask(when_any([exchange.task, timer]), settle)


class _Exchange:
    """One request and its polls; each is an activity, and each wait a timer."""

    def __init__(
        self, calls: Calls, request: DurableHttpRequest, *, polls: bool, retry: RetryPolicy | None
    ) -> None:
        self._calls = calls
        self._request = request
        self._polls = polls
        self._retry = retry
        self._wait: TimerTask | None = None
        self._stopped = False
        self.task: MappedTask[DurableHttpResponse] = MappedTask(self._send(), self._step)

    def stop(self) -> None:
        """Poll no more; what is under way is left to itself."""
        self._stopped = True
        if self._wait is not None:
            self._wait.cancel()

    def _send(self) -> DurableTask[Any]:
        return self._calls.call_activity(
            HTTP_ACTIVITY, self._request, retry=self._retry, expected_type=HttpAnswer
        )

    def _step(
        self, outer: MappedTask[DurableHttpResponse], done: DurableTask[Any]
    ) -> DurableTask[Any] | None:
        if self._stopped:
            return None
        if self._wait is not None:
            self._wait = None
            return self._send()
        if done.is_failed:
            _pass_on(done, outer)
            return None
        answer: HttpAnswer = done.get_result()
        location = answer.response.header("Location")
        if not self._polls or answer.response.status_code != _ACCEPTED or location is None:
            outer.complete(answer.response)
            return None
        try:
            self._request = poll_request(self._request, answer.uri, location)
        except HttpResponseRefusedError as error:
            # as if the request had failed of it, which is how any other refusal arrives
            outer.fail(ActivityFailedError(str(error), FailureDetails.from_exception(error)))
            return None
        self._wait = self._calls.create_timer(wait_before(answer, self._calls.current_utc_datetime))
        return self._wait


def _pass_on(task: DurableTask[Any], outer: MappedTask[Any]) -> None:
    error = task._error
    if error is None:
        outer.complete(task.get_result())
    else:
        outer.fail(error)


def poll_request(request: DurableHttpRequest, base: str, location: str) -> DurableHttpRequest:
    """The GET that follows a 202 from `base`. Raises HttpResponseRefusedError for a Location
    that cannot be requested.

    The key of a function never goes along: the status has another one, in its URI.
    """
    asked = without_header(as_get(request), "x-functions-key")
    # what a redirect took the request away from has lost the credentials already
    asked = moved(asked, request.uri, base)
    return moved(asked, base, located(base, location))


def wait_before(answer: HttpAnswer, now: datetime) -> timedelta:
    """How long Retry-After asks to wait, in seconds or until a date; the interval of the
    settings when it does not."""
    text = (answer.response.header("Retry-After") or "").strip()
    wait = timedelta(seconds=answer.poll_interval)
    if text.isascii() and text.isdigit() and len(text) <= 9:
        wait = timedelta(seconds=int(text))
    elif text and not text.isdigit():
        until = _until(text, now)
        wait = wait if until is None else until
    return max(wait, LEAST_WAIT)


def _until(text: str, now: datetime) -> timedelta | None:
    try:
        date = parsedate_to_datetime(text)
        return (date if date.tzinfo else date.replace(tzinfo=UTC)) - now
    except (ValueError, OverflowError, IndexError, TypeError):
        return None
