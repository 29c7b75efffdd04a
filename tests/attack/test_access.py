"""Who gets in at a worker's socket: every route with every kind of credential by every method."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
import yarl

from durable.hub.hub import Hub
from durable.management import LinkRefusedError, LinkSigner
from durable.management.links import LINK_OPERATIONS
from durable.management.table import ROUTES
from durable.ports import Delete
from durable.worker.access import KeyAccess, Keys
from durable.worker.http import bind
from durable.worker.worker import DEFAULT_HOST
from tests.attack.credentials import (
    FIELDS,
    FUNCTION_KEY,
    INSTANCE,
    METHODS,
    NO_KEYS,
    patterns,
    token_of,
    tokens,
)
from tests.attack.requests import path_of
from tests.attack.serving import listening, unanswered
from tests.management.conftest import BASE, KEY, World

BASES = ("api/durabletask", "runtime/webhooks/durabletask")
KEYS = Keys(FUNCTION_KEY, "the-master-key")
Fetch = Callable[..., Awaitable[tuple[int, str]]]


@asynccontextmanager
async def serving(world: World) -> AsyncIterator[Fetch]:
    """The management API of `world` as a worker that asks for keys serves it."""
    timeout = aiohttp.ClientTimeout(total=20)
    async with (
        listening(world, KeyAccess(KEYS)) as port,
        aiohttp.ClientSession(timeout=timeout) as session,
    ):

        async def fetch(
            method: str, target: str, headers: dict[str, str] | None = None
        ) -> tuple[int, str]:
            url = yarl.URL(f"http://127.0.0.1:{port}/{target}", encoded=True)
            async with session.request(method, url, headers=headers) as response:
                return response.status, await response.text()

        yield fetch


@pytest.fixture
async def world() -> World:
    made = unanswered(World())
    await made.hub.create(app="test")
    await made.client.start_new("work", INSTANCE)
    await made.client.start_new("work", "another")
    return made


@pytest.mark.parametrize("base", BASES)
async def test_by_key(world: World, base: str) -> None:
    async with serving(world) as fetch:
        for pattern, routes in patterns():
            path = f"{base}/{path_of(next(iter(routes.values())), id=INSTANCE)}"
            for method in METHODS:
                for headers, query in NO_KEYS:
                    status, said = await fetch(method, path + query, headers)
                    assert (status, said) == (401, ""), (method, pattern, headers, query)
                for headers, query in (
                    ({"x-functions-key": KEYS.function}, ""),
                    ({"X-Functions-Key": KEYS.master}, ""),
                    ({}, f"?code={KEYS.function}"),
                ):
                    status, said = await fetch(method, path + query, headers)
                    known = method in routes
                    assert (status == 405) is not known, (method, pattern, status)
                    assert status not in (401, 403, 500), (method, pattern, said)


async def test_by_link(world: World) -> None:
    permitted = set()
    async with serving(world) as fetch:
        for number, (pattern, routes) in enumerate(patterns()):
            path = path_of(next(iter(routes.values())), id=INSTANCE)
            for token in tokens(KEY, BASE, world.clock.now):
                base = BASES[number % 2]
                for method in METHODS:
                    route = routes.get(method)
                    status, said = await fetch(method, f"{base}/links/{token.text}/{path}")
                    may = route is not None and token.permits(route)
                    assert (status != 401) is may, (method, pattern, token, status, said)
                    assert status != 500
                    if may:
                        permitted.add(token.operation)
    assert permitted == LINK_OPERATIONS == FIELDS.keys()


async def test_who_deletes_their_key_ends_all_links(world: World) -> None:
    def opened() -> Hub:
        return Hub(world.hub.storage, world.hub.names.hub)

    async def signer(hub: Hub) -> LinkSigner:
        return LinkSigner((await hub.secret("links")).encode(), BASE, now=world.clock.now)

    before = await signer(opened())
    token = token_of(before, INSTANCE, "status")
    (await signer(opened())).verify(token, "status", INSTANCE)
    deleted = [Delete("key:links")]
    await world.hub.storage.tables.transact(world.hub.names.hub_table, "hub", deleted)
    # who has read it goes on until it is restarted
    before.verify(token, "status", INSTANCE)
    with pytest.raises(LinkRefusedError):
        (await signer(opened())).verify(token, "status", INSTANCE)


async def test_a_link_says_nothing_of_what_there_is(world: World) -> None:
    token = token_of(world.links, "another", "status")
    async with serving(world) as fetch:
        answers = {
            await fetch("GET", f"{BASES[0]}/links/{token}/instances/{each}")
            for each in (INSTANCE, "nobody", "%ff", "x" * 300, "a%2Fb")
        }
    assert len(answers) == 1
    assert answers.pop()[0] == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "evil.example:1@app.example"},
        {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "gopher"},
        {"Forwarded": "host=evil.example;proto=gopher", "X-Host": "evil.example"},
        {"X-Original-Host": "evil.example", "DISGUISED-HOST": "evil.example"},
    ],
    ids=lambda headers: next(iter(headers.values())) + str(len(headers)),
)
async def test_what_a_caller_says_of_the_host_does_not_reach_links(
    world: World, headers: dict[str, str]
) -> None:
    by_key = {**headers, "x-functions-key": KEYS.function}
    async with serving(world) as fetch:
        status, said = await fetch("POST", "api/durabletask/orchestrators/work", by_key)
        assert status == 202
        assert "evil" not in said
        assert "gopher" not in said
        assert said.count(f"{BASE}/durabletask/links/") == len(FIELDS)
        own = urlsplit(BASE)
        status, said = await fetch("GET", "api/durabletask/openapi.json", by_key)
        assert own.netloc in said
        assert "evil" not in said


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
async def test_hub_and_connection_never_come_from_a_caller(world: World, method: str) -> None:
    tables: Any = world.storage.tables
    before = set(tables._tables)
    chosen = "taskHub=Stolen&connection=AccountName%3Devil&tasKhub=Other&systemKey=x"
    by_key = {"x-functions-key": KEYS.function}
    async with serving(world) as fetch:
        for route in (each for each in ROUTES if each.method == method):
            path = path_of(route, id=INSTANCE, name="work")
            plain = await fetch(method, f"{BASES[0]}/{path}", by_key)
            steered = await fetch(method, f"{BASES[0]}/{path}?{chosen}", by_key)
            assert "Stolen" not in steered[1]
            assert "evil" not in steered[1]
            # what a first call changes may show in the second; both are of this hub
            assert {plain[0], steered[0]} <= {200, 202, 400, 404, 409, 410}
    assert set(tables._tables) == before


def test_a_worker_is_bound_to_loopback_unless_told_otherwise() -> None:
    assert DEFAULT_HOST == "127.0.0.1"
    sockets = bind(DEFAULT_HOST, 0)
    try:
        assert [each.getsockname()[0] for each in sockets] == ["127.0.0.1"]
    finally:
        for each in sockets:
            each.close()
