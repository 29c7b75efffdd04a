"""Paths and methods that are not there, storage that fails, and what an error may tell."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import azure.functions as func
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from durable.errors import (
    AccessDenied,
    AmbiguousAnswer,
    ContainerMissing,
    DurableError,
    StorageError,
    Throttled,
)
from durable.management.links import LINK_OPERATIONS
from durable.management.open_api import open_api
from durable.management.table import ROUTES

from .conftest import ROOT, World

SECRET = "AccountKey=hush"


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "nothing",
        "instance/i",
        "instances/i/unknown",
        "instances//terminate",
        "instances/i/raiseEvent",
        "instances/i/raiseEvent/",
        "instances/i/raiseEvent/a/b",
        "orchestrators",
        "links/1.x/instances/i",
        "entities/a/b/c",
        "{name}",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
async def test_unknown_paths(world: World, method: str, path: str) -> None:
    answer = await world.call(method, path)
    assert (answer.status, answer.error) == (404, "NotFound")


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", "orchestrators/work", "POST"),
        ("DELETE", "orchestrators/work/i", "POST"),
        ("PUT", "instances/i", "DELETE, GET"),
        ("POST", "instances", "DELETE, GET"),
        ("GET", "instances/i/terminate", "POST"),
        ("PATCH", "entities/a/b", "DELETE, GET, POST"),
        ("HEAD", "instances/i", "DELETE, GET"),
        ("OPTIONS", "openapi.json", "GET"),
    ],
)
async def test_wrong_methods(world: World, method: str, path: str, allow: str) -> None:
    answer = await world.call(method, path)
    assert (answer.status, answer.error) == (405, "MethodNotAllowed")
    assert answer.headers["Allow"] == allow


CALLS = [
    ("GET", "instances/i"),
    ("GET", "instances"),
    ("POST", "orchestrators/work/j"),
    ("DELETE", "instances/i"),
    ("DELETE", "instances?createdTimeFrom=2025-01-01"),
    ("POST", "instances/i/raiseEvent/go"),
    ("POST", "instances/i/terminate"),
    ("POST", "instances/i/restart"),
]


def break_tables(world: World, monkeypatch: pytest.MonkeyPatch, make: Callable[[], Any]) -> None:
    """Every call of the tables raises, and waiting between repeats takes no time."""

    async def broken(*args: object, **options: object) -> None:
        raise make()

    async def at_once(seconds: float) -> None:
        return None

    for name in ("get", "query", "transact"):
        monkeypatch.setattr(world.storage.tables, name, broken)
    monkeypatch.setattr(world.clock, "sleep", at_once)


@pytest.mark.parametrize(
    ("make", "seconds"),
    [
        (lambda: AmbiguousAnswer(SECRET), "5"),
        (lambda: Throttled(SECRET, retry_after=2.2), "3"),
        (lambda: ContainerMissing(SECRET), "5"),
        (lambda: AccessDenied(SECRET), "5"),
        (lambda: StorageError(SECRET), "5"),
    ],
)
@pytest.mark.parametrize(("method", "path"), CALLS)
async def test_trouble_with_storage(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    method: str,
    path: str,
    make: Callable[[], Exception],
    seconds: str,
) -> None:
    await world.client.start_new("work", "i")
    break_tables(world, monkeypatch, make)
    with caplog.at_level(logging.WARNING, "durable.management"):
        answer = await world.call(method, path)
    assert (answer.status, answer.error) == (503, "StorageUnavailable")
    assert answer.headers["Retry-After"] == seconds
    assert "hush" not in answer.text
    assert "hush" in caplog.text


async def test_a_hub_that_is_not_there(world: World) -> None:
    await world.hub.delete()
    for method, path in CALLS:
        answer = await world.call(method, path)
        assert (answer.status, answer.error) == (503, "StorageUnavailable")
        assert "Test" not in answer.text


@pytest.mark.parametrize("error", [RuntimeError(SECRET), DurableError(SECRET), KeyError(SECRET)])
@pytest.mark.parametrize(("method", "path"), CALLS)
async def test_the_unexpected_is_logged_and_not_told(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    method: str,
    path: str,
    error: Exception,
) -> None:
    await world.client.start_new("work", "i")
    break_tables(world, monkeypatch, lambda: error)
    with caplog.at_level(logging.ERROR, "durable.management"):
        answer = await world.call(method, path)
    assert (answer.status, answer.error) == (500, "InternalError")
    assert "hush" not in answer.text
    (record,) = caplog.records
    assert record.exc_info is not None
    assert record.exc_info[1] is error
    assert str(record.args[1]) in answer.json["message"]  # type: ignore[index]


async def test_links_answer_errors_the_same_way(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.client.start_new("work", "i")
    url = world.links.payload("i")["statusQueryGetUri"]
    break_tables(world, monkeypatch, lambda: RuntimeError(SECRET))
    answer = await world.follow("GET", url)
    assert (answer.status, answer.error) == (500, "InternalError")
    assert "hush" not in answer.text


SEGMENT = st.sampled_from(
    ["instances", "orchestrators", "entities", "work", "i", "raiseEvent", "terminate", "restart"]
) | st.text(max_size=8)
NAME = st.sampled_from([parameter.name for route in ROUTES for parameter in route.query])
VALUE = st.sampled_from(["true", "1", "0.0", "2026-01-01", "Failed", "9" * 40]) | st.text(
    st.characters(), max_size=12
)


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    method=st.sampled_from(["GET", "POST", "DELETE", "PUT"]),
    segments=st.lists(SEGMENT, max_size=5),
    params=st.dictionaries(NAME.filter(lambda name: name != "timeout"), VALUE, max_size=4),
    headers=st.dictionaries(st.just("x-ms-continuation-token"), VALUE, max_size=1),
    body=st.binary(max_size=20) | st.sampled_from([b"", b"null", b"[1]", b"{"]),
)
async def test_no_request_is_an_internal_error(
    method: str,
    segments: list[str],
    params: dict[str, str],
    headers: dict[str, str],
    body: bytes,
) -> None:
    world = World()
    await world.hub.create(app="test")
    await world.client.start_new("work", "i")
    path = "/".join(segments)
    request = func.HttpRequest(method, f"{ROOT}/x", headers=headers, params=params, body=body)
    answer = await world.api.handle(request, path)
    assert answer.status_code in (200, 202, 400, 404, 405, 409, 410)
    assert (await world.api.handle_link(request, path)).status_code == 401


async def test_the_document_describes_the_routes_that_are_served(world: World) -> None:
    answer = await world.call("GET", "openapi.json")
    assert answer.status == 200
    document = answer.json
    assert document == open_api(ROUTES, ROOT)
    assert document["openapi"] == "3.0.3"
    assert document["servers"] == [{"url": ROOT}]
    described = {
        (method.upper(), path.removeprefix("/"))
        for path, methods in document["paths"].items()
        for method in methods
    }
    assert described == {(route.method, route.pattern) for route in ROUTES}
    operations = [o for methods in document["paths"].values() for o in methods.values()]
    ids = [operation["operationId"] for operation in operations]
    assert len(set(ids)) == len(ids) == len(ROUTES)
    for path, methods in document["paths"].items():
        for operation in methods.values():
            in_path = [p["name"] for p in operation["parameters"] if p["in"] == "path"]
            assert [f"{{{name}}}" for name in in_path] == [
                part for part in path.split("/") if part.startswith("{")
            ]
            assert operation["responses"]
    purge = document["paths"]["/instances"]["delete"]["parameters"]
    assert [p["name"] for p in purge if p["required"]] == ["createdTimeFrom"]
    start = document["paths"]["/orchestrators/{name}/{id}"]["post"]
    links = start["responses"]["202"]["links"]
    assert links["terminate"]["parameters"] == {"id": "$response.body#/id"}
    asking = {"query", "update"}
    assert {link["operationId"] for link in links.values()} == {*LINK_OPERATIONS, "fork", *asking}
    assert "application/json" in start["requestBody"]["content"]
    assert {"202", "400", "409", "413"} <= set(start["responses"])


async def test_documented_parameters_are_those_that_are_read(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from durable.management import parameters

    await world.client.start_new("work", "i")
    plain, read = parameters.Query.text, set[str]()

    def noting(self: parameters.Query, name: str) -> str | None:
        read.add(name)
        return plain(self, name)

    monkeypatch.setattr(parameters.Query, "text", noting)
    for route in ROUTES:
        read.clear()
        path = route.pattern.format(name="work", id="i", eventName="go", key="k")
        query = "?createdTimeFrom=2025-01-01" if route.operation == "purgeBy" else ""
        query = "?op=get" if route.operation == "signalEntity" else query
        # there is no worker that answers
        query = "?timeout=0" if route.operation in ("query", "update") else query
        await world.call(route.method, path + query)
        assert read == {parameter.name for parameter in route.query}, route.operation
