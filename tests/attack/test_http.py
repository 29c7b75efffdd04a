"""Hostile requests to every route: refused or served, never a 500, a stack trace or silence."""

from __future__ import annotations

import asyncio
import json
import os
from collections import Counter
from urllib.parse import parse_qsl, unquote

import azure.functions as func

from durable.hub.payloads import Spill
from durable.hub.rows import Head
from durable.management.table import ROUTES
from durable.model.entities import EntityId
from durable.model.functions import EntityDefinition
from tests.attack.requests import Sent, hostile_requests
from tests.attack.serving import unanswered
from tests.management.conftest import World

REQUESTS = int(os.environ.get("DURABLE_REQUESTS", "5000"))
SEED = int(os.environ.get("DURABLE_SEED", "1"))
SECONDS = 5.0
PER_WORLD = 250
KNOWN = {
    "id": ("waits", "done", "failed"),
    "name": ("work", "echo", "counter"),
    "key": ("a", "$"),
    "eventName": ("go",),
    "op": ("add",),
    "timeout": ("0",),
    "createdTimeFrom": ("2020-01-01T00:00:00Z",),
    "top": ("1", "10"),
    "runtimeStatus": ("Running", "Completed"),
    "recursive": ("true", "false"),
}


async def new_world() -> World:
    """With an instance that waits, two that have ended, and an entity."""
    made = unanswered(World())
    await made.hub.create(app="test")
    made.registry.add(EntityDefinition("counter", lambda context: None))
    await made.client.start_new("work", "waits")
    await made.ended("echo", "done", {"a": 1})
    await made.ended("fail", "failed")
    entity, life = EntityId("counter", "a"), "ab" * 8
    await made.client.signal_entity(entity, "add", 1)
    head = Head(str(entity), "counter", life, life, "Running", made.clock.now(), input="1")
    await made.hub.instances.create(head, Spill(life, "nonce"))
    return made


async def test_requests_by_key_and_by_link() -> None:
    seen: Counter[int] = Counter()
    reached: set[str] = set()
    for number, sent in enumerate(hostile_requests(SEED, REQUESTS, KNOWN)):
        if number % PER_WORLD == 0:
            world = await new_world()
        status = await _answer(world, sent, by_link=number // len(ROUTES) % 7 == 0)
        seen[status] += 1
        if sent.route is None:
            continue
        # there is no worker that could answer a query, which is a conflict
        if status < 300 or (sent.route.operation == "query" and status == 409):
            reached.add(sent.route.operation)
    # not all of it was turned away at the door
    assert reached >= {route.operation for route in ROUTES}, seen
    assert {200, 202, 400, 401, 404, 405} <= seen.keys(), seen


async def _answer(world: World, sent: Sent, *, by_link: bool) -> int:
    """The status of an answer that gives nothing away."""
    path, _, query = sent.target.partition("?")
    # as a host hands it on: decoded, but for the slashes
    path = unquote(path.replace("%2F", "%252F"), errors="replace")
    if by_link:
        link = world.links.payload("waits")["statusQueryGetUri"]
        path = f"{link.split('/links/')[1].split('/')[0]}/{path}"
    request = func.HttpRequest(
        sent.method,
        f"https://evil.example/{sent.target}",
        headers=sent.headers,
        params=dict(parse_qsl(query, keep_blank_values=True)),
        body=sent.body,
    )
    async with asyncio.timeout(SECONDS):
        response = await (world.api.handle_link if by_link else world.api.handle)(request, path)
    text, status = response.get_body().decode(), int(response.status_code)
    told = f"{sent.method} {sent.target[:300]} {sent.body[:80]!r}: {status} {text[:500]}"
    assert "Traceback" not in text, told
    assert 'File "' not in text, told
    assert "evil.example" not in text + str(response.headers), told
    if status >= 500:
        # that of an instance which has failed, where it was asked for
        assert status == 500, told
        assert "returnInternalServerErrorOnFailure" in sent.target, told
        assert json.loads(text)["runtimeStatus"] == "Failed", told
    elif status >= 400:
        assert set(json.loads(text)) == {"error", "message"}, told
    return status
