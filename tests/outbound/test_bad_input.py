"""What cannot be sent is refused where it is asked for, and nothing is scheduled."""

from __future__ import annotations

import json
import math
from datetime import timedelta
from typing import Any

import pytest

from durable.codec import encode
from durable.engine.context import DurableOrchestrationContext
from durable.errors import DefinitionError, InvalidRequestError
from durable.model.events import TaskScheduled
from durable.model.functions import ActivityDefinition, OrchestratorDefinition, Registry
from durable.model.http import (
    HTTP_ACTIVITY,
    DurableHttpRequest,
    DurableHttpResponse,
    HttpAnswer,
    ManagedIdentityTokenSource,
)
from durable.outbound import with_durable_http
from durable.outbound.sending import HttpSender
from tests.memory_hub import MemoryHub
from tests.outbound.service import settings

GOOD = "https://a.example/"
CYCLE: list[Any] = []
CYCLE.append(CYCLE)

BAD: list[tuple[tuple[Any, ...], dict[str, Any], str]] = [
    (("", GOOD), {}, "method"),
    (("GET POST", GOOD), {}, "method"),
    (("GET\r\nX: y", GOOD), {}, "method"),
    (("GÉT", GOOD), {}, "method"),
    ((None, GOOD), {}, "method"),
    (("connect", GOOD), {}, "CONNECT"),
    (("GET", ""), {}, "not absolute"),
    (("GET", "/orders"), {}, "not absolute"),
    (("GET", "//a.example/orders"), {}, "not absolute"),
    (("GET", "a.example/orders"), {}, "not absolute"),
    (("GET", "ftp://a.example/"), {}, "'ftp'"),
    (("GET", "file:///etc/passwd"), {}, "'file'"),
    (("GET", "javascript:alert(1)"), {}, "'javascript'"),
    (("GET", "https://"), {}, "no host"),
    (("GET", "https:///path"), {}, "no host"),
    (("GET", "https://a.example:0/"), {}, "no host and port"),
    (("GET", "https://a.example:99999/"), {}, "Port out of range"),
    (("GET", "https://a.example:x/"), {}, "Port"),
    (("GET", "https://[::1/"), {}, "Invalid IPv6"),
    (("GET", "https://a..example/"), {}, "is none"),
    (("GET", f"https://{'a' * 64}.example/"), {}, "is none"),
    (("GET", "https://user:pw@a.example/"), {}, "Authorization"),
    (("GET", "https://a.example/a b"), {}, "' '"),
    (("GET", "https://a.example/a\r\nHost: b"), {}, "'\\r'"),
    (("GET", "https://good.example\\@evil.example/"), {}, "quote it"),
    (("GET", "https://a.example/\ud800"), {}, "quote it"),
    (("GET", None), {}, "must be a str, not NoneType"),
    (("GET", b"https://a.example"), {}, "must be a str, not bytes"),
    (("GET", GOOD), {"headers": {"X": "a\r\nY: b"}}, "'\\r'"),
    (("GET", GOOD), {"headers": {"X": "a\nb"}}, "'\\n'"),
    (("GET", GOOD), {"headers": {"X": "a\0"}}, "'\\x00'"),
    (("GET", GOOD), {"headers": {"X": "ä"}}, "not ASCII"),
    (("GET", GOOD), {"headers": {"X": 1}}, "must be a str, not int"),
    (("GET", GOOD), {"headers": {"X: y": "z"}}, "name of a header"),
    (("GET", GOOD), {"headers": {"X\r\n": "z"}}, "name of a header"),
    (("GET", GOOD), {"headers": {"": "z"}}, "name of a header"),
    (("GET", GOOD), {"headers": {1: "z"}}, "name of a header"),
    (("GET", GOOD), {"headers": [("X", "y")]}, "must be a dict"),
    (("POST", GOOD, {1, object()}), {}, "cannot encode object"),
    (("POST", GOOD, {"a": math.nan}), {}, "NaN|nan"),
    (("POST", GOOD, {(1, 2): 2}), {}, "keys of a JSON object"),
    (("POST", GOOD, CYCLE), {}, "cycle"),
    (("POST", GOOD, {"a": 1}), {"is_raw_str": True}, "must be a str, not dict"),
    (("POST", GOOD), {"is_raw_str": True}, "must be a str, not NoneType"),
    (("POST", GOOD, "\ud800"), {"is_raw_str": True}, "UTF-8"),
    (("GET", GOOD), {"token_source": "https://graph.microsoft.com"}, "ManagedIdentityTokenSource"),
    (("GET", GOOD), {"timeout": timedelta(0)}, "timeout"),
    (("GET", GOOD), {"timeout": 30}, "timeout"),
]


async def test_each_is_an_error_at_the_call() -> None:
    hub = MemoryHub()
    asked: list[DurableHttpRequest] = []
    said: list[str] = []

    async def send(request: DurableHttpRequest) -> HttpAnswer:
        asked.append(request)
        return HttpAnswer(DurableHttpResponse(200), request.uri, 1)

    hub.registry.add(ActivityDefinition(HTTP_ACTIVITY, send, "request"))

    @hub.orchestrator
    async def careless(context: DurableOrchestrationContext) -> object:
        said.clear()
        for arguments, options, _ in BAD:
            with pytest.raises(InvalidRequestError) as caught:
                context.call_http(*arguments, **options)
            said.append(str(caught.value))
        return (await context.call_http("GET", GOOD)).status_code

    async with hub:
        await hub.client.start_new("careless", "one")
        status = await hub.wait("one")
        history = [type(event) for _, event in await hub.client.get_history("one")]
    assert status.output == "200", status.failure
    for (arguments, options, part), message in zip(BAD, said, strict=True):
        found = any(each in message for each in part.split("|"))
        assert found, f"{arguments} {options}: {message}"
        assert "pw@" not in message
    assert asked == [DurableHttpRequest("GET", GOOD)]
    assert history.count(TaskScheduled) == 1


@pytest.mark.parametrize("resource", ["", "a b", "a\nb", None, 1])
def test_a_token_source_needs_a_resource(resource: Any) -> None:
    with pytest.raises(InvalidRequestError, match="resource"):
        ManagedIdentityTokenSource(resource)


CONTENT: list[tuple[Any, bool, str | None, str | None]] = [
    (None, False, None, None),
    ("text", False, '"text"', "application/json"),
    ("text", True, "text", "text/plain; charset=utf-8"),
    ("", True, "", "text/plain; charset=utf-8"),
    ("", False, '""', "application/json"),
    ({"ä": [1, None]}, False, '{"\\u00e4":[1,null]}', "application/json"),
    (0, False, "0", "application/json"),
]


@pytest.mark.parametrize(("content", "raw", "text", "kind"), CONTENT)
async def test_content_is_json_or_as_it_is(
    content: Any, raw: bool, text: str | None, kind: str | None
) -> None:
    hub = MemoryHub()
    asked: list[DurableHttpRequest] = []

    async def send(request: DurableHttpRequest) -> HttpAnswer:
        asked.append(request)
        return HttpAnswer(DurableHttpResponse(200), request.uri, 1)

    hub.registry.add(ActivityDefinition(HTTP_ACTIVITY, send, "request"))

    @hub.orchestrator
    async def sending(context: DurableOrchestrationContext) -> None:
        await context.call_http("POST", GOOD, content, is_raw_str=raw)
        await context.call_http("POST", GOOD, content, {"content-type": "x/y"}, is_raw_str=raw)

    async with hub:
        await hub.client.start_new("sending", "one")
        assert (await hub.wait("one")).failure is None
    first, typed = asked
    assert first.content == typed.content == text
    assert (first.headers or {}).get("Content-Type") == kind
    assert typed.headers == {"content-type": "x/y"}


def test_values_survive_json() -> None:
    source = ManagedIdentityTokenSource("api://jobs")
    request = DurableHttpRequest("put", GOOD, "{}", {"A": "b"}, source)
    data = request.to_json()
    assert data == {
        "method": "PUT",
        "uri": GOOD,
        "content": "{}",
        "headers": {"A": "b"},
        "tokenSource": {"resource": "api://jobs", "kind": "AzureManagedIdentity"},
    }
    assert DurableHttpRequest.from_json(json.loads(json.dumps(data))) == request
    assert DurableHttpRequest.from_json(DurableHttpRequest("GET", GOOD).to_json()) == (
        DurableHttpRequest("GET", GOOD)
    )
    response = DurableHttpResponse(202, {"A": "b"}, "c")
    assert DurableHttpResponse.from_json(response.to_json()) == response
    assert DurableHttpResponse.from_json({"statusCode": 202, "headers": {"A": "b"}}) == (
        DurableHttpResponse(202, {"A": "b"})
    )
    assert dict(response) == {"statusCode": 202, "headers": {"A": "b"}, "content": "c"}
    assert response["status_code"] == 202
    assert "location" not in response
    assert json.loads(encode(response)) == response.to_json()
    answer = HttpAnswer(response, GOOD, 0.5)
    assert HttpAnswer.from_json(json.loads(json.dumps(answer.to_json()))) == answer


def test_the_activity_is_there_for_orchestrators_only() -> None:
    sender = HttpSender(settings())
    registry = Registry()
    registry.add(ActivityDefinition("greet", lambda name: name))
    assert list(with_durable_http(registry, sender).activities) == ["greet"]
    registry.add(OrchestratorDefinition("hello", lambda context: 1))
    whole = with_durable_http(registry, sender)
    assert list(whole.activities) == ["greet", HTTP_ACTIVITY]
    assert list(registry.activities) == ["greet"]
    assert whole.activity(HTTP_ACTIVITY).is_async
    # another host of the same app has a sender of its own
    assert list(with_durable_http(registry, HttpSender(settings())).activities)[1:] == [
        HTTP_ACTIVITY
    ]
    registry.add(ActivityDefinition(HTTP_ACTIVITY, lambda name: name))
    with pytest.raises(DefinitionError, match=HTTP_ACTIVITY):
        with_durable_http(registry, sender)
