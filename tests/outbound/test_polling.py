"""202 Accepted: polls by durable timers, until the answer, a failure or the time is there."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import partial
from typing import Any

import pytest

from durable.engine.context import DurableOrchestrationContext
from durable.engine.http_polling import wait_before
from durable.model.events import Event, TimerCanceled, TimerCreated
from durable.model.functions import ActivityDefinition
from durable.model.http import (
    HTTP_ACTIVITY,
    DurableHttpRequest,
    DurableHttpResponse,
    HttpAnswer,
    ManagedIdentityTokenSource,
)
from durable.model.instance import OrchestrationRuntimeStatus
from durable.model.retry import RetryPolicy
from tests.memory_hub import MemoryHub

COMPLETED, FAILED = OrchestrationRuntimeStatus.COMPLETED, OrchestrationRuntimeStatus.FAILED
JOB, STATUS = "https://jobs.example/start", "https://jobs.example/status/1"
SECRETS = {"Authorization": "Bearer x", "Cookie": "a=1", "X-Api-Key": "k"}


def accepted(location: str = STATUS, **headers: str) -> DurableHttpResponse:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return DurableHttpResponse(202, {"location": location, **named}, "")


DONE = DurableHttpResponse(200, {}, "done")
Answers = list[DurableHttpResponse | Exception]


@dataclass
class Remote:
    """Stands for the activity: answers each URI in order, the last answer for ever."""

    hub: MemoryHub
    answers: dict[str, Answers] = field(default_factory=dict)
    asked: list[tuple[float, DurableHttpRequest]] = field(default_factory=list)
    moved: dict[str, str] = field(default_factory=dict)
    """Where a URI redirects to."""
    poll_interval: float = 30
    seconds_taken: float = 0
    begun: datetime | None = None
    history: list[type[Event]] = field(default_factory=list)

    async def send(self, request: DurableHttpRequest) -> HttpAnswer:
        now = self.hub.clock.now()
        self.begun = self.begun or now
        self.asked.append(((now - self.begun).total_seconds(), request))
        if self.seconds_taken:
            await self.hub.clock.sleep(self.seconds_taken)
        answers = self.answers[request.uri]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        return HttpAnswer(answer, self.moved.get(request.uri, request.uri), self.poll_interval)

    def has_been_asked(self, count: int) -> bool:
        return len(self.asked) >= count

    @property
    def seconds(self) -> list[int]:
        """When each request was sent, after the first one."""
        return [round(second) for second, _ in self.asked]

    @property
    def requests(self) -> list[DurableHttpRequest]:
        return [request for _, request in self.asked]


@pytest.fixture
def remote() -> Remote:
    hub = MemoryHub()
    remote = Remote(hub)
    hub.registry.add(ActivityDefinition(HTTP_ACTIVITY, remote.send, "request"))
    return remote


Call = Callable[[DurableOrchestrationContext], Any]


async def outcome(remote: Remote, call: Call) -> tuple[OrchestrationRuntimeStatus, Any]:
    """What becomes of an orchestrator that awaits one call: its status, and the response or the
    type of the error that its code meets."""

    async def calling(context: DurableOrchestrationContext) -> object:
        try:
            return await call(context)
        except Exception as error:
            details = getattr(error, "details", None)
            return {"error": type(error).__name__, "because": details and details.error_type}

    remote.hub.orchestrator(calling)
    async with remote.hub as hub:
        await hub.client.start_new("calling", "one")
        status = await hub.wait("one")
        assert await hub.messages() == 0, "something was left over"
        remote.history = [type(event) for _, event in await hub.client.get_history("one")]
    return status.runtime_status, json.loads(status.output or "null")


async def test_a_response_of_any_status_is_the_result(remote: Remote) -> None:
    remote.answers[JOB] = [DurableHttpResponse(503, {"Retry-After": "5"}, "later")]
    status, output = await outcome(remote, lambda context: context.call_http("get", JOB))
    assert status is COMPLETED
    assert output == {"status_code": 503, "headers": {"Retry-After": "5"}, "content": "later"}
    assert remote.requests == [DurableHttpRequest("GET", JOB)]


async def test_the_orchestrator_gets_a_response(remote: Remote) -> None:
    remote.answers[JOB] = [DurableHttpResponse(200, {"ETag": '"1"'}, '{"a": 1}')]

    async def call(context: DurableOrchestrationContext) -> object:
        response = await context.call_http("GET", JOB)
        assert type(response) is DurableHttpResponse
        return [response.status_code, response.header("etag"), response.json()]

    assert await outcome(remote, call) == (COMPLETED, [200, '"1"', {"a": 1}])


async def test_a_generator_gets_a_response_too(remote: Remote) -> None:
    remote.answers[JOB] = [DONE]

    @remote.hub.orchestrator
    def yielding(context: DurableOrchestrationContext) -> Any:
        response = yield context.call_http("GET", JOB)
        return response.content

    async with remote.hub as hub:
        await hub.client.start_new("yielding", "one")
        assert (await hub.wait("one")).output == '"done"'


async def test_it_polls_until_the_answer_is_another(remote: Remote) -> None:
    remote.answers[JOB] = [accepted("status/1", Retry_After="100")]
    remote.answers[STATUS] = [
        accepted("/status/1", RETRY_AFTER="7"),
        accepted(STATUS),
        DurableHttpResponse(404, {}, "gone"),
    ]
    status, output = await outcome(
        remote, lambda context: context.call_http("POST", JOB, {"n": 1}, {"X-Trace": "7"})
    )
    assert (status, output["status_code"]) == (COMPLETED, 404)
    assert remote.seconds == [0, 100, 107, 137]
    first, *polls = remote.requests
    assert (first.method, first.content) == ("POST", '{"n":1}')
    assert first.headers == {"X-Trace": "7", "Content-Type": "application/json"}
    assert polls == [DurableHttpRequest("GET", STATUS, None, {"X-Trace": "7"})] * 3


async def test_a_date_says_when_too(remote: Remote) -> None:
    date = remote.hub.clock.now() + timedelta(minutes=3)
    remote.answers[JOB] = [accepted(Retry_After=format_datetime(date, usegmt=True))]
    remote.answers[STATUS] = [DONE]
    await outcome(remote, lambda context: context.call_http("GET", JOB))
    assert abs(remote.seconds[1] - 180) <= 1


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, 30),
        ("", 30),
        ("12", 12),
        (" 12 ", 12),
        ("0", 1),
        ("-5", 30),
        ("1.5", 30),
        ("soon", 30),
        ("9" * 30, 30),
        ("١٢", 30),
        ("Thu, 01 Jan 2026 00:01:00 GMT", 60),
        ("Thu, 01 Jan 2026 01:01:00 +0100", 60),
        ("Thu, 01 Jan 2026 00:01:00", 60),
        ("Thu, 01 Jan 2026 00:00:00 GMT", 1),
        ("Mon, 01 Jan 1990 00:00:00 GMT", 1),
        ("Thu, 45 Jan 2026 00:00:00 GMT", 30),
    ],
)
def test_what_retry_after_means(text: str | None, seconds: float) -> None:
    headers = {} if text is None else {"retry-after": text}
    answer = HttpAnswer(DurableHttpResponse(202, headers), JOB, 30)
    assert wait_before(answer, datetime(2026, 1, 1, tzinfo=UTC)) == timedelta(seconds=seconds)


async def test_the_interval_is_that_of_the_settings_when_it_was_answered(remote: Remote) -> None:
    remote.poll_interval = 90
    remote.answers = {JOB: [accepted()], STATUS: [DONE]}
    await outcome(remote, lambda context: context.call_http("GET", JOB))
    assert remote.seconds == [0, 90]


@pytest.mark.parametrize(
    "answer", [accepted(), DurableHttpResponse(202), DurableHttpResponse(201, {"Location": "/x"})]
)
async def test_what_is_not_polled(remote: Remote, answer: DurableHttpResponse) -> None:
    remote.answers[JOB] = [answer]
    wanted = "location" not in answer.headers
    status, output = await outcome(
        remote, lambda context: context.call_http("GET", JOB, asynchronous_pattern=wanted)
    )
    assert (status, output["status_code"]) == (COMPLETED, answer.status_code)
    assert len(remote.asked) == 1


async def test_polls_within_the_origin_keep_credentials_but_no_function_key(remote: Remote) -> None:
    remote.answers = {JOB: [accepted("https://JOBS.example:443/status/1")]}
    remote.answers["https://JOBS.example:443/status/1"] = [DONE]
    source = ManagedIdentityTokenSource("api://jobs")
    headers = {**SECRETS, "X-Functions-Key": "k"}
    await outcome(remote, lambda context: context.call_http("GET", JOB, None, headers, source))
    first, poll = remote.requests
    assert (first.headers, first.token_source) == (headers, source)
    assert (poll.headers, poll.token_source) == (SECRETS, source)


@pytest.mark.parametrize(
    "elsewhere",
    ["http://jobs.example/s", "https://jobs.example:8443/s", "https://evil.example/s"],
)
async def test_credentials_stay_behind_at_another_origin(remote: Remote, elsewhere: str) -> None:
    """And do not come back, when polling does."""
    remote.answers = {JOB: [accepted(elsewhere)], elsewhere: [accepted(STATUS)], STATUS: [DONE]}
    source = ManagedIdentityTokenSource("api://jobs")
    headers = {**SECRETS, "X-Trace": "7"}
    await outcome(remote, lambda context: context.call_http("GET", JOB, None, headers, source))
    for poll in remote.requests[1:]:
        assert (poll.headers, poll.token_source) == ({"X-Trace": "7"}, None)


async def test_a_location_is_seen_from_where_the_answer_came(remote: Remote) -> None:
    remote.moved[JOB] = "https://other.example/a/start"
    remote.answers = {JOB: [accepted("status")], "https://other.example/a/status": [DONE]}
    await outcome(remote, lambda context: context.call_http("GET", JOB, None, SECRETS))
    assert remote.requests[1].uri == "https://other.example/a/status"
    assert remote.requests[1].headers == {}


@pytest.mark.parametrize("location", ["file:///etc/passwd", "http://a:b@c/", "http://[", "ssh:a"])
async def test_a_location_that_cannot_be_asked_fails_the_call(
    remote: Remote, location: str
) -> None:
    remote.answers[JOB] = [accepted(location)]
    status, output = await outcome(remote, lambda context: context.call_http("GET", JOB))
    assert (status, output["error"]) == (COMPLETED, "ActivityFailedError")
    assert output["because"] == "durable.errors.HttpResponseRefusedError"
    assert len(remote.asked) == 1


RETRY = RetryPolicy(
    first_retry_interval=timedelta(seconds=10),
    max_number_of_attempts=3,
    retry_if=lambda failure: failure.is_caused_by(ConnectionError),
)


async def test_a_failed_poll_is_retried_and_not_the_request(remote: Remote) -> None:
    remote.answers = {JOB: [accepted()], STATUS: [ConnectionError("no"), ConnectionError("no")]}
    remote.answers[STATUS].append(DONE)
    status, output = await outcome(
        remote, lambda context: context.call_http("POST", JOB, "x", retry=RETRY)
    )
    assert (status, output["content"]) == (COMPLETED, "done")
    assert [request.method for request in remote.requests] == ["POST", "GET", "GET", "GET"]
    assert remote.seconds == [0, 30, 40, 50]


async def test_a_failure_tells_its_type_after_the_retries(remote: Remote) -> None:
    remote.answers[JOB] = [ConnectionError("no")]
    status, output = await outcome(
        remote, lambda context: context.call_http("GET", JOB, retry=RETRY)
    )
    assert status is COMPLETED
    assert output == {"error": "ActivityFailedError", "because": "ConnectionError"}
    assert remote.seconds == [0, 10, 20]


async def test_an_unretried_failure_fails_the_orchestration(remote: Remote) -> None:
    remote.answers[JOB] = [ConnectionError("no")]

    @remote.hub.orchestrator
    async def failing(context: DurableOrchestrationContext) -> object:
        return await context.call_http("GET", JOB)

    async with remote.hub as hub:
        await hub.client.start_new("failing", "one")
        status = await hub.wait("one")
    assert status.runtime_status is FAILED
    assert status.failure is not None
    assert status.failure.is_caused_by(ConnectionError)


async def test_polling_ends_with_the_timeout(remote: Remote) -> None:
    remote.answers = {JOB: [accepted()], STATUS: [accepted()]}

    async def call(context: DurableOrchestrationContext) -> object:
        begun = context.current_utc_datetime
        with pytest.raises(TimeoutError, match="0:01:40"):
            await context.call_http("GET", JOB, timeout=timedelta(seconds=100))
        waited = context.current_utc_datetime - begun
        await context.create_timer(timedelta(hours=1))
        return round(waited.total_seconds())

    assert await outcome(remote, call) == (COMPLETED, 100)
    assert remote.seconds == [0, 30, 60, 90]
    assert remote.history.count(TimerCanceled) == 1


async def test_a_request_that_is_under_way_then_is_not_polled(remote: Remote) -> None:
    remote.answers = {JOB: [accepted()]}
    remote.seconds_taken = 15

    async def call(context: DurableOrchestrationContext) -> object:
        with pytest.raises(TimeoutError, match="0:00:10"):
            await context.call_http("GET", JOB, timeout=timedelta(seconds=10))
        await context.create_timer(timedelta(hours=1))
        return "went on"

    assert await outcome(remote, call) == (COMPLETED, "went on")
    assert len(remote.asked) == 1
    assert remote.history.count(TimerCreated) == 2


async def test_a_call_in_time_leaves_no_timer(remote: Remote) -> None:
    remote.answers = {JOB: [accepted()], STATUS: [DONE]}
    begun = remote.hub.clock.now()
    status, output = await outcome(
        remote, lambda context: context.call_http("GET", JOB, timeout=timedelta(days=30))
    )
    assert (status, output["content"]) == (COMPLETED, "done")
    assert remote.hub.clock.now() - begun < timedelta(hours=1)
    assert remote.history.count(TimerCanceled) == 1


async def test_a_failure_before_the_timeout_is_the_failure(remote: Remote) -> None:
    remote.answers[JOB] = [ConnectionError("no")]
    _, output = await outcome(
        remote, lambda context: context.call_http("GET", JOB, timeout=timedelta(days=30))
    )
    assert output == {"error": "ActivityFailedError", "because": "ConnectionError"}


async def test_calls_run_side_by_side(remote: Remote) -> None:
    one, two = "https://a.example/", "https://b.example/"
    remote.answers = {one: [accepted(STATUS, Retry_After="50")], STATUS: [DONE]}
    remote.answers[two] = [accepted(f"{two}s", Retry_After="20")]
    remote.answers[f"{two}s"] = [DurableHttpResponse(200, {}, "two")]

    async def call(context: DurableOrchestrationContext) -> object:
        calls = [context.call_http("GET", uri) for uri in (one, two)]
        return [response.content for response in await context.when_all(calls)]

    assert await outcome(remote, call) == (COMPLETED, ["done", "two"])
    assert remote.seconds == [0, 0, 20, 50]


async def test_polling_goes_on_in_another_process(remote: Remote) -> None:
    remote.answers = {JOB: [accepted()], STATUS: [accepted(), accepted(), DONE]}

    @remote.hub.orchestrator
    async def calling(context: DurableOrchestrationContext) -> object:
        return (await context.call_http("POST", JOB)).content

    async with remote.hub as hub:
        await hub.client.start_new("calling", "one")
        for count in (1, 2, 3):
            await hub.until(partial(remote.has_been_asked, count))
            await hub.run(5)
            await hub.kill(hub.runtimes[0])
            await hub.add_runtime()
        assert (await hub.wait("one")).output == '"done"'
    assert [request.method for request in remote.requests].count("POST") == 1
