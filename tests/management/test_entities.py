"""The entity routes, over a hub in memory that runs them."""

from __future__ import annotations

import json
from typing import Any

import azure.functions as func
import pytest

from durable.engine.entities import EntityContext
from durable.management import LinkSigner, ManagementApi
from durable.model.functions import OrchestratorDefinition
from durable.runtime.activities import activity_context
from tests.memory_hub import MemoryHub

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Site:
    """A hub with a counter, and its API."""

    def __init__(self) -> None:
        self.hub = MemoryHub()

        @self.hub.entity
        def counter(context: EntityContext) -> None:
            if context.operation_name == "delete":
                context.delete_state()
            else:
                context.set_state(context.get_state(default=0) + context.get_input())

    async def call(
        self,
        method: str,
        path: str,
        query: dict[str, str] | None = None,
        body: bytes = b"",
        headers: dict[str, str] | None = None,
    ) -> tuple[int, Any, dict[str, str]]:
        links = LinkSigner(b"k" * 32, "https://app.example", now=self.hub.clock.now)
        api = ManagementApi(self.hub.client, links)
        request = func.HttpRequest(
            method,
            f"https://app.example/{path}",
            params=query or {},
            headers=headers or {},
            body=body,
        )
        answer = await api.handle(request, path)
        await self.hub.run(5)
        text = answer.get_body().decode()
        return answer.status_code, json.loads(text) if text else None, dict(answer.headers)


async def test_operations_are_sent_and_states_read() -> None:
    site = Site()
    async with site.hub:
        assert (await site.call("GET", "entities/counter/a"))[0] == 404
        status, body, _ = await site.call("POST", "entities/Counter/a", {"op": "add"}, b"5")
        assert (status, body) == (202, None)
        assert (await site.call("GET", "entities/counter/a"))[:2] == (200, 5)
        assert (await site.call("DELETE", "entities/counter/a"))[0] == 202
        assert (await site.call("GET", "entities/counter/a"))[0] == 404


async def test_a_dollar_is_the_empty_key() -> None:
    site = Site()
    async with site.hub:
        assert (await site.call("POST", "entities/counter/$", {"op": "add"}, b"2"))[0] == 202
        assert (await site.call("GET", "entities/counter/$"))[:2] == (200, 2)
        _, (listed,), _ = await site.call("GET", "entities")
        assert listed["entityId"] == {"name": "counter", "key": ""}


async def test_lists_have_pages_and_filters() -> None:
    site = Site()
    async with site.hub:
        for key in "abc":
            await site.call("POST", f"entities/counter/{key}", {"op": "add"}, b"1")
        found, token = [], ""
        for _ in range(5):
            headers = {"x-ms-continuation-token": token} if token else {}
            status, body, answered = await site.call(
                "GET", "entities/counter", {"top": "2", "fetchState": "true"}, headers=headers
            )
            assert status == 200
            found += [(each["entityId"]["key"], each["state"]) for each in body]
            token = answered.get("x-ms-continuation-token", "")
            if not token:
                break
        assert found == [("a", 1), ("b", 1), ("c", 1)]
        assert (await site.call("GET", "entities/other"))[:2] == (200, [])
        _, body, _ = await site.call("GET", "entities", {"lastOperationTimeFrom": "2300-01-01"})
        assert body == []
        _, body, _ = await site.call("GET", "entities")
        assert [each["state"] for each in body] == [None] * 3


@pytest.mark.parametrize(
    ("method", "path", "query", "body", "error"),
    [
        ("POST", "entities/counter/a", {}, b"1", "InvalidRequest"),
        ("POST", "entities/counter/a", {"op": "add"}, b"{", "InvalidPayload"),
        ("POST", "entities/nothing/a", {"op": "add"}, b"1", "UnknownFunction"),
        ("POST", "entities/counter/a'b", {"op": "add"}, b"1", "InvalidInstanceId"),
        ("GET", "entities/a@b/c", {}, b"", "InvalidInstanceId"),
        ("GET", "entities", {"top": "0"}, b"", "InvalidRequest"),
        ("GET", "entities", {"fetchState": "maybe"}, b"", "InvalidRequest"),
    ],
)
async def test_bad_requests(
    method: str, path: str, query: dict[str, str], body: bytes, error: str
) -> None:
    site = Site()
    async with site.hub:
        status, answer, _ = await site.call(method, path, query, body)
        assert (status, answer["error"]) == (400, error)
        assert (await site.call("GET", "entities"))[1] == []


@pytest.mark.parametrize(
    ("parent", "state", "seen"),
    [
        (PARENT, "a=1", [PARENT, "a=1"]),
        (PARENT, "x" * 513, [PARENT, ""]),
        ("00-00000000000000000000000000000000-b7ad6b7169203331-01", "a=1", ["", ""]),
        ("nonsense", "a=1", ["", ""]),
    ],
)
async def test_the_trace_of_a_start_reaches_its_activities(
    parent: str, state: str, seen: list[str]
) -> None:
    site = Site()
    traces: list[list[str]] = []

    @site.hub.activity
    def note(value: int) -> None:
        context = activity_context()
        traces.append([context.traceparent, context.tracestate])

    @site.hub.queued_activity
    def note_too(value: int) -> None:
        note(value)

    async def child(context: Any) -> None:
        await context.call_activity("note", 1)
        await context.call_activity("note_too", 1)

    async def parent_(context: Any) -> None:
        await context.call_sub_orchestrator("child")

    site.hub.registry.add(OrchestratorDefinition("child", child))
    site.hub.registry.add(OrchestratorDefinition("parent", parent_))
    async with site.hub:
        headers = {"traceparent": parent, "tracestate": state}
        assert (await site.call("POST", "orchestrators/parent/p", headers=headers))[0] == 202
        await site.hub.wait("p")
        assert traces == [seen, seen]
