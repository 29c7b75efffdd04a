"""Queries and updates over HTTP: answers, refusals, and what comes too late."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import azure.functions as func
import pytest

from durable.client import DurableOrchestrationClient
from durable.engine.context import DurableOrchestrationContext as Context
from durable.management import LinkSigner, ManagementApi
from tests.management.conftest import BASE, KEY, Answer
from tests.memory_hub import MemoryHub


class Asked(MemoryHub):
    """A cart behind the API."""

    async def send(self, method: str, target: str, body: object = None, raw: bytes = b"") -> Answer:
        """One request, while things happen."""
        url = urlsplit(target)
        request = func.HttpRequest(
            method,
            f"{BASE}/durabletask/{target}",
            params=dict(parse_qsl(url.query)),
            body=json.dumps(body).encode() if body is not None else raw,
        )
        task = asyncio.ensure_future(self.api.handle(request, url.path))
        await self.until(task.done)
        response = task.result()
        return Answer(response.status_code, response.headers, response.get_body().decode())

    async def __aenter__(self) -> Any:
        await super().__aenter__()
        links = LinkSigner(KEY, BASE, now=self.clock.now)
        runtime = self.runtimes[0]
        client = DurableOrchestrationClient(
            self.hub, ringer=runtime.ringer, answerer=runtime.queries, max_payload=50_000
        )
        self.api = ManagementApi(client, links)
        await self.client.start_new("cart", "c")
        await self.run(1)
        return self


@pytest.fixture
async def hub() -> AsyncIterator[Asked]:
    hub = Asked()

    @hub.orchestrator
    async def cart(context: Context) -> Any:
        items: list[str] = []
        context.set_query_handler("items", lambda: items)
        context.set_query_handler("part", lambda count: items[:count])

        @context.on_update("add")
        def add(item: str) -> int:
            if item in items:
                raise ValueError(f"{item} is there")
            items.append(item)
            return len(items)

        await context.wait_for_external_event("end")

    async with hub:
        yield hub


async def test_what_is_asked_is_answered(hub: Asked) -> None:
    for item in ("a", "b"):
        answer = await hub.send("POST", "instances/c/updates/add", item)
    assert (answer.status, answer.json) == (200, 2)
    answer = await hub.send("GET", "instances/c/queries/items")
    assert (answer.status, answer.json) == (200, ["a", "b"])
    answer = await hub.send("GET", "instances/c/queries/part?input=1")
    assert (answer.status, answer.json) == (200, ["a"])


async def test_a_refusal_has_its_reason(hub: Asked) -> None:
    await hub.send("POST", "instances/c/updates/add", "a")
    refused = await hub.send("POST", "instances/c/updates/add", "a")
    assert (refused.status, refused.error) == (422, "UpdateRejected")
    assert "ValueError: a is there" in refused.json["message"]
    failed = await hub.send("GET", "instances/c/queries/part?input=%22x%22")
    assert (failed.status, failed.error) == (422, "QueryFailed")
    unknown = await hub.send("GET", "instances/c/queries/total")
    assert (unknown.status, unknown.error) == (404, "UnknownQuery")
    assert "'items', 'part'" in unknown.json["message"]


async def test_an_update_that_takes_longer_is_asked_for_again(hub: Asked) -> None:
    await hub.client.suspend("c")
    await hub.run(1)
    late = await hub.send("POST", "instances/c/updates/add?timeout=2&updateId=mine", "a")
    assert (late.status, late.json) == (202, {"updateId": "mine"})
    unnamed = await hub.send("POST", "instances/c/updates/add?timeout=0", "b")
    assert unnamed.status == 202
    await hub.client.resume("c")
    path = "instances/c/updates/add?updateId="
    for update_id, count in (("mine", 1), (unnamed.json["updateId"], 2)):
        again = await hub.send("POST", path + update_id, "whatever")
        assert (again.status, again.json) == (200, count)


@pytest.mark.parametrize(
    ("method", "target", "raw", "status", "error"),
    [
        ("GET", "instances/none/queries/items", b"", 404, "InstanceNotFound"),
        ("POST", "instances/none/updates/add", b"", 404, "InstanceNotFound"),
        ("GET", "instances/%20/queries/items", b"", 400, "InvalidInstanceId"),
        ("GET", "instances/c/queries/items?input=%7B", b"", 400, "InvalidPayload"),
        ("GET", "instances/c/queries/items?timeout=231", b"", 400, "InvalidRequest"),
        ("GET", f"instances/c/queries/items?input=%22{'x' * 16_000}%22", b"", 413, "Payload"),
        ("POST", "instances/c/updates/add", b"{", 400, "InvalidPayload"),
        ("POST", "instances/c/updates/add", b"1" * 50_001, 413, "PayloadTooLarge"),
        ("POST", f"instances/c/updates/add?updateId={'x' * 201}", b"", 400, "InvalidRequest"),
        ("POST", "instances/c/queries/items", b"", 405, "MethodNotAllowed"),
        ("GET", "instances/later/queries/items?timeout=1", b"", 409, "NotAnswered"),
        ("POST", "instances/ended/updates/add", b"1", 410, "InstanceFinished"),
    ],
)
async def test_what_cannot_be_answered(
    hub: Asked, method: str, target: str, raw: bytes, status: int, error: str
) -> None:
    await hub.client.start_new("cart", "later", start_at=timedelta(hours=1))
    await hub.client.start_new("cart", "ended")
    await hub.client.raise_event("ended", "end")
    await hub.wait("ended")
    answer = await hub.send(method, target, raw=raw)
    assert answer.status == status
    assert answer.error.startswith(error)
