"""POST orchestrators/{name}/{id?}."""

from __future__ import annotations

import asyncio
from urllib.parse import quote

import pytest

from durable.client import DurableOrchestrationClient
from durable.management import ManagementApi

from .conftest import MAX_PAYLOAD, ROOT, Answer, World


async def test_a_start_answers_with_links(world: World) -> None:
    answer = await world.call("POST", "orchestrators/work/order-1?version=2.0", {"a": [1, None]})
    assert answer.status == 202
    assert answer.headers["Retry-After"] == "10"
    assert answer.headers["Location"] == answer.json["statusQueryGetUri"]
    assert answer.json == world.links.payload("order-1")
    status = await world.client.get_status("order-1")
    assert status is not None
    assert (status.name, status.input, status.version) == ("work", '{"a":[1,null]}', "2.0")


async def test_without_an_id_there_is_a_random_one(world: World) -> None:
    first = await world.call("POST", "/orchestrators/work/")
    second = await world.call("POST", "orchestrators/work")
    assert first.status == second.status == 202
    assert first.json["id"] != second.json["id"]
    for answer in (first, second):
        status = await world.client.get_status(answer.json["id"])
        assert status is not None
        assert status.input is None


async def test_ids_and_names_are_percent_decoded_once(world: World) -> None:
    answer = await world.call("POST", "Orchestrators/%77ork/caf%C3%A9%201+1")
    assert answer.json["id"] == "café 1+1"
    assert (await world.call("GET", "instances/caf%C3%A9%201+1")).json["name"] == "work"
    assert (await world.call("GET", "instances/café 1+1")).json["name"] == "work"


async def test_an_unfinished_instance_of_the_id_is_a_conflict(world: World) -> None:
    await world.call("POST", "orchestrators/work/i", "first")
    again = await world.call("POST", "orchestrators/work/i", "second")
    assert (again.status, again.error) == (409, "InstanceExists")
    assert "Pending" in again.json["message"]
    assert (await world.call("GET", "instances/i")).json["input"] == "first"


async def test_a_finished_instance_of_the_id_is_replaced(world: World) -> None:
    await world.ended("echo", "i", "first")
    assert (await world.call("POST", "orchestrators/work/i", "second")).status == 202
    assert (await world.call("GET", "instances/i")).json["input"] == "second"


async def test_an_unknown_orchestrator_is_refused_by_name(world: World) -> None:
    answer = await world.call("POST", "orchestrators/nobody/i")
    assert (answer.status, answer.error) == (400, "UnknownFunction")
    assert "nobody" in answer.json["message"]
    assert "echo, fail, sleep, work" in answer.json["message"]
    assert await world.client.get_status("i") is None


@pytest.mark.parametrize(
    ("encoded", "said"),
    [
        ("a%2Fb", "'/'"),
        ("a%5Cb", "'\\\\'"),
        ("a%23b", "'#'"),
        ("a%3Fb", "'?'"),
        ("a%25b", "'%'"),
        ("a%2541", "'%'"),
        ("a%22b", "'\"'"),
        ("a%27b", '"\'"'),
        ("a%00b", "\\x00"),
        ("a%0Ab", "\\n"),
        ("%20", "white space"),
        ("%20a", "white space"),
        ("@entity@key", "reserved"),
        ("x" * 2000, "2000 characters"),
    ],
)
@pytest.mark.parametrize(
    ("method", "pattern"),
    [
        ("POST", "orchestrators/work/{}"),
        ("GET", "instances/{}"),
        ("GET", "instances/{}?showHistory=true"),
        ("DELETE", "instances/{}"),
        ("POST", "instances/{}/raiseEvent/go"),
        ("POST", "instances/{}/terminate"),
        ("POST", "instances/{}/suspend"),
        ("POST", "instances/{}/resume"),
        ("POST", "instances/{}/restart"),
        ("POST", "instances/{}/fork"),
    ],
)
async def test_bad_ids_are_refused_with_the_rule(
    world: World, method: str, pattern: str, encoded: str, said: str
) -> None:
    answer = await world.call(method, pattern.format(encoded))
    assert (answer.status, answer.error) == (400, "InvalidInstanceId")
    assert said in answer.json["message"]
    assert [s async for s in world.client.list_instances()] == []


@pytest.mark.parametrize("path", ["orchestrators/work/a%ff", "instances/%C3", "instances/a\udc80"])
async def test_paths_that_are_not_utf_8_are_refused(world: World, path: str) -> None:
    method = "POST" if path.startswith("o") else "GET"
    assert (await world.call(method, path)).error == "InvalidRequest"


BAD_BODIES = [
    (b"{", 400, "InvalidPayload"),
    (b"hello", 400, "InvalidPayload"),
    (b'{"a": NaN}', 400, "InvalidPayload"),
    (b"[Infinity]", 400, "InvalidPayload"),
    (b"[1e999]", 400, "InvalidPayload"),
    (b"[" * 40_000 + b"]" * 40_000, 400, "InvalidPayload"),
    (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, 400, "InvalidPayload"),
    (b"9" * 5_000, 400, "InvalidPayload"),
    (b'"\xff"', 400, "InvalidPayload"),
    (b'"' + b"x" * MAX_PAYLOAD + b'"', 413, "PayloadTooLarge"),
    (b" " * (MAX_PAYLOAD + 1), 413, "PayloadTooLarge"),
    # short as it came, too long as it is stored
    ('"' + "ä" * (MAX_PAYLOAD // 4) + '"', 413, "PayloadTooLarge"),
]


@pytest.mark.parametrize(("body", "status", "error"), BAD_BODIES)
@pytest.mark.parametrize("path", ["orchestrators/work/new", "instances/old/raiseEvent/go"])
async def test_bad_bodies_leave_nothing_behind(
    world: World, path: str, body: bytes | str, status: int, error: str
) -> None:
    await world.client.start_new("work", "old")
    raw = body.encode() if isinstance(body, str) else body
    answer = await world.call("POST", path, raw=raw)
    assert (answer.status, answer.error) == (status, error)
    assert len(answer.json["message"]) < 300
    assert await world.client.get_status("new") is None
    head = await world.hub.instances.head("old")
    assert head is not None
    assert (await world.hub.instances.inbox(head)).rows == []


@pytest.mark.parametrize(
    ("raw", "stored"),
    [
        (b"", None),
        (b" \r\n", None),
        (b"null", None),
        (b"\xef\xbb\xbf[1]", "[1]"),
        (b'"\\ud800"', '"\\ud800"'),
        (b"1.0", "1.0"),
    ],
)
async def test_acceptable_bodies(world: World, raw: bytes, stored: str | None) -> None:
    assert (await world.call("POST", "orchestrators/work/i", raw=raw)).status == 202
    status = await world.client.get_status("i")
    assert status is not None
    assert status.input == stored


async def test_a_chunked_body_that_arrived_empty_is_no_null(world: World) -> None:
    headers = {"Transfer-Encoding": "chunked"}
    answer = await world.call("POST", "orchestrators/work/i", raw=b"", headers=headers)
    assert (answer.status, answer.error) == (400, "InvalidRequest")
    assert await world.client.get_status("i") is None


@pytest.mark.parametrize(
    "query",
    [
        "timeout=soon",
        "timeout=-1",
        "timeout=231",
        "timeout=nan",
        "timeout=1e3",
        "timeout=١",
        "timeout=5&pollingInterval=x",
        "timeout=5&pollingInterval=6",
        "version=" + "1" * 201,
        "version=\udc80",
    ],
)
async def test_bad_parameters_start_nothing(world: World, query: str) -> None:
    answer = await world.call("POST", f"orchestrators/work/i?{query}")
    assert (answer.status, answer.error) == (400, "InvalidRequest")
    assert await world.client.get_status("i") is None


async def start_and_wait(world: World, name: str, *, run: bool, seconds: float) -> Answer:
    """Start with a timeout of 5 s, maybe end the instance, and let `seconds` pass."""
    path = f"orchestrators/{name}/i?timeout=5&pollingInterval=1&taskHub=x&connection=y&code=z"
    request = asyncio.create_task(world.call("POST", path, {"n": 1}))
    await world.clock.asleep.wait()
    if run:
        await world.run("i")
    end = world.clock.monotonic() + seconds
    while not request.done() and world.clock.monotonic() < end:
        world.clock.advance(0.05)
        for _ in range(20):
            await asyncio.sleep(0)
    return await asyncio.wait_for(request, 5)


async def test_waiting_gives_the_output(world: World) -> None:
    answer = await start_and_wait(world, "echo", run=True, seconds=1)
    assert (answer.status, answer.json) == (200, {"n": 1})


async def test_waiting_gives_the_status_of_a_failure(world: World) -> None:
    answer = await start_and_wait(world, "fail", run=True, seconds=1)
    assert answer.status == 500
    assert answer.json["output"] == "Orchestrator function 'fail' failed: no luck"
    assert answer.json["failure"] == {"type": "ValueError", "message": "no luck"}


async def test_waiting_too_long_gives_links(world: World) -> None:
    answer = await start_and_wait(world, "work", run=False, seconds=6)
    assert answer.status == 202
    assert answer.headers["Location"].startswith(f"{ROOT}/links/")
    assert world.clock.monotonic() == pytest.approx(5, abs=0.1)


async def test_waiting_tells_a_termination(world: World) -> None:
    await world.client.start_new("work", "i")
    path = "orchestrators/work/j?timeout=5"
    request = asyncio.create_task(world.call("POST", path))
    await world.clock.asleep.wait()
    await world.client.terminate("j", "enough")
    await world.run("j")
    world.clock.advance(1)
    answer = await asyncio.wait_for(request, 5)
    assert answer.status == 200
    assert (answer.json["runtimeStatus"], answer.json["output"]) == ("Terminated", "enough")


async def test_a_client_without_a_registry_leaves_names_to_the_workers(world: World) -> None:
    client = DurableOrchestrationClient(world.hub)
    world.api = ManagementApi(client, world.links)
    assert (await world.call("POST", "orchestrators/elsewhere/i")).status == 202
    assert (await world.call("GET", "instances/i")).json["name"] == "elsewhere"


async def test_tags_of_a_start(world: World) -> None:
    query = f"tag=team=a=b&tag={quote('ü=☃, two')}&Tag=empty=&tag=team=a=b"
    started = await world.call("POST", f"orchestrators/echo/tagged?{query}")
    assert started.status == 202
    shown = (await world.call("GET", "instances/tagged")).json
    assert shown["tags"] == {"team": "a=b", "ü": "☃, two", "empty": ""}
    one = await world.call("POST", "orchestrators/echo/one?tag=team=a=b")
    assert one.status == 202
    for asked, found in (
        ("tag=team=a=b", {"one", "tagged"}),
        ("tag=team=a=b&tag=empty=", {"tagged"}),
        ("tag=team=a=b&tag=empty=x", set[str]()),
    ):
        listed = await world.call("GET", f"instances?{asked}")
        assert {each["instanceId"] for each in listed.json} == found


@pytest.mark.parametrize(
    "query",
    ["tag=team", "tag==x", "tag=a=b&tag=team", "tag=a=b&tag=a=c", f"tag=a={'x' * 4000}"],
)
async def test_tags_that_are_none_start_nothing(world: World, query: str) -> None:
    refused = await world.call("POST", f"orchestrators/echo/tagged?{query}")
    assert (refused.status, refused.error) == (400, "InvalidRequest")
    assert (await world.call("GET", "instances/tagged")).status == 404
