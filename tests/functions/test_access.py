"""Who gets in under a Functions host: every route with every kind of credential by every method.

The host compares function keys itself; which routes ask it to, and what links permit, is ours."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime

import pytest

from durable.hub.hub import Hub
from durable.management.links import LINK_OPERATIONS
from durable.storage.azure import Connection, open_storage
from tests.attack.credentials import INSTANCE, METHODS, NO_KEYS, patterns, tokens
from tests.attack.requests import path_of
from tests.functions.host.host import FUNCTION_KEY, HOSTNAME, FunctionsHost
from tests.functions.instances import delete_hub

ROOT = "/api/durabletask"
SERVED = ("GET", "POST", "DELETE")


@pytest.fixture
async def host(functions_host: Callable[..., FunctionsHost]) -> AsyncIterator[FunctionsHost]:
    async with functions_host("orders", CRASH_MARK="none") as made:
        for instance_id in (INSTANCE, "another"):
            path = f"{ROOT}/orchestrators/process_order/{instance_id}"
            given = {"amount": 1, "items": 0, "wait": 3600}
            assert (await made.request("POST", path, given, key=FUNCTION_KEY)).status == 202
        yield made
    await delete_hub(made)


async def test_by_key(host: FunctionsHost) -> None:
    for pattern, routes in patterns():
        path = f"{ROOT}/{path_of(next(iter(routes.values())), id=INSTANCE)}"
        for method in METHODS:
            for headers, query in NO_KEYS:
                refused = await host.request(method, path + query, headers=headers)
                said = (refused.status, refused.body)
                # the host knows of no other methods
                assert said == (401 if method in SERVED else 404, b""), (method, pattern, query)
            for key, query in ((FUNCTION_KEY, ""), (None, f"?code={FUNCTION_KEY}")):
                status = (await host.request(method, path + query, key=key)).status
                if method in SERVED:
                    assert (status == 405) is (method not in routes), (method, pattern, status)
                    assert status not in (401, 403, 500), (method, pattern, status)
                else:
                    assert status == 404


async def test_by_link(host: FunctionsHost) -> None:
    key = await link_key(host)
    permitted = set()
    for pattern, routes in patterns():
        path = path_of(next(iter(routes.values())), id=INSTANCE)
        for token in tokens(key, f"https://{HOSTNAME}/api", lambda: datetime.now(UTC)):
            for method in SERVED:
                route = routes.get(method)
                answer = await host.request(method, f"{ROOT}/links/{token.text}/{path}")
                may = route is not None and token.permits(route)
                assert (answer.status != 401) is may, (method, pattern, token, answer)
                assert answer.status != 500
                if may:
                    permitted.add(token.operation)
    assert permitted == LINK_OPERATIONS


async def test_what_a_caller_says_of_the_host_does_not_reach_links(host: FunctionsHost) -> None:
    said = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "Forwarded": "host=evil"}
    answer = await host.request(
        "POST",
        f"{ROOT}/orchestrators/process_order?taskHub=Stolen&connection=AccountName%3Devil",
        {"amount": 1, "items": 0},
        said,
        key=FUNCTION_KEY,
    )
    assert answer.status == 202
    assert b"evil" not in answer.body
    assert answer.body.count(f"https://{HOSTNAME}{ROOT}/links/".encode()) == len(LINK_OPERATIONS)


async def link_key(host: FunctionsHost) -> bytes:
    """What the hub signs links with."""
    storage = await open_storage(Connection.from_settings(host.settings))
    try:
        return (await Hub(storage.storage, host.settings["HUB"]).secret("links")).encode()
    finally:
        await storage.close()
