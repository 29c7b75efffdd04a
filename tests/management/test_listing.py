"""GET and DELETE instances: filters, pages, purges."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from durable.storage.memory_tables import MemoryTables

from .conftest import World

TOKEN = "x-ms-continuation-token"


async def populate(world: World) -> None:
    """One instance a minute: a0 completed, a1 failed, b0 running, b1 pending."""
    await world.ended("echo", "a0", "in")
    world.clock.advance(60)
    await world.ended("fail", "a1")
    world.clock.advance(60)
    await world.client.start_new("work", "b0")
    await world.run("b0")
    world.clock.advance(60)
    await world.client.start_new("work", "b1")


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("", ["b1", "b0", "a1", "a0"]),
        ("instanceIdPrefix=a", ["a1", "a0"]),
        ("instanceIdPrefix=a0", ["a0"]),
        ("instanceIdPrefix=a0x", []),
        ("instanceIdPrefix=", ["b1", "b0", "a1", "a0"]),
        ("runtimeStatus=Failed", ["a1"]),
        ("runtimeStatus=completed,%20Pending", ["b1", "a0"]),
        ("runtimeStatus=Stuck", []),
        ("createdTimeFrom=2026-01-01T00:02:00Z", ["b1", "b0"]),
        ("createdTimeTo=2026-01-01T00:01:00Z", ["a1", "a0"]),
        ("createdTimeTo=2026-01-01T01:01:00%2B01:00", ["a1", "a0"]),
        ("createdTimeFrom=2026-01-01T00:02&createdTimeTo=2026-01-01T00:02:00.0000000Z", ["b0"]),
        ("createdTimeFrom=2026-01-01T00:00:30&createdTimeTo=2026-01-01T00:02:30.5Z", ["b0", "a1"]),
        ("createdTimeFrom=2026-01-01", ["b1", "b0", "a1", "a0"]),
        ("createdTimeFrom=2026-01-02&runtimeStatus=Failed", []),
        (
            "createdTimeFrom=0001-01-01T00:00:00Z&createdTimeTo=9999-12-31T23:59:59Z",
            ["b1", "b0", "a1", "a0"],
        ),
        ("createdTimeFrom=9999-12-31T23:59:59Z", []),
        ("top=1000&taskHub=x&connection=y&code=z", ["b1", "b0", "a1", "a0"]),
        ("name=work", ["b1", "b0"]),
        ("name=work&runtimeStatus=Running", ["b0"]),
        ("name=", ["b1", "b0", "a1", "a0"]),
        ("completedTimeFrom=2026-01-01T00:01:00Z", ["a1"]),
        ("completedTimeTo=2026-01-01T00:00:30Z", ["a0"]),
        ("completedTimeFrom=0001-01-01&completedTimeTo=9999-12-31", ["a1", "a0"]),
        ("completedTimeTo=0001-01-01", []),
        ("completedTimeTo=9999-12-31&runtimeStatus=Pending", []),
    ],
)
async def test_filters(world: World, query: str, ids: list[str]) -> None:
    await populate(world)
    answer = await world.call("GET", f"instances?{query}")
    assert answer.status == 200
    assert [status["instanceId"] for status in answer.json] == ids
    assert TOKEN not in answer.headers


async def test_items_are_statuses(world: World) -> None:
    await populate(world)
    shown = (await world.call("GET", "instances")).json
    for status in shown:
        alone = (await world.call("GET", f"instances/{status['instanceId']}")).json
        assert status == alone
    hidden = (await world.call("GET", "instances?showInput=false")).json
    assert [status["input"] for status in hidden] == [None] * 4
    assert shown[-1]["input"] == "in"


async def test_pages(world: World) -> None:
    await populate(world)
    found: list[str] = []
    headers: dict[str, str] = {}
    while True:
        answer = await world.call("GET", "instances?top=3", headers=headers)
        page = [status["instanceId"] for status in answer.json]
        assert len(page) <= 3
        found += page
        if TOKEN not in answer.headers:
            break
        headers = {TOKEN: answer.headers[TOKEN]}
    assert found == ["b1", "b0", "a1", "a0"]


async def test_a_page_may_be_empty_and_have_a_next(world: World) -> None:
    tables = world.storage.tables
    assert isinstance(tables, MemoryTables)
    await populate(world)
    tables._scan_limit = 1
    answer = await world.call("GET", "instances?instanceIdPrefix=a")
    assert answer.json == []
    answer = await world.call(
        "GET", "instances?instanceIdPrefix=a", headers={TOKEN: answer.headers[TOKEN]}
    )
    assert answer.status == 200


async def test_tokens_of_others_are_refused(world: World) -> None:
    await populate(world)
    token = (await world.call("GET", "instances?top=1")).headers[TOKEN]
    middle = len(token) // 2
    flipped = "A" if token[middle] != "A" else "B"
    for bad in (
        token[:middle] + flipped + token[middle + 1 :],
        token[:-1],
        token.partition(".")[2],
        '["i", ""]',
        "\u20ac",
        "x" * 5000,
    ):
        answer = await world.call("GET", "instances?top=1", headers={TOKEN: bad})
        assert (answer.status, answer.error) == (400, "InvalidRequest")
        assert TOKEN in answer.json["message"]


BAD_TIMES = [
    "yesterday",
    "2026-13-01",
    "2026-02-30T00:00:00Z",
    "2026-01-01T25:00:00Z",
    "20260101",
    "2026-W01-1",
    "2026-01-01 10:00:00",
    "2026-01-01T10",
    "2026-01-01T10:00:00 01:00",
    "2026-01-01T10:00:00+99:00",
    "2026-01-01T10:00:00.12345678Z",
    "0001-01-01T00:00:00+14:00",
    "2026-01-01Z",
    "1767225600",
    "٢٠٢٦-01-01",
]


@pytest.mark.parametrize("value", BAD_TIMES)
@pytest.mark.parametrize("name", ["createdTimeFrom", "createdTimeTo"])
@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_times_are_read_strictly(world: World, method: str, name: str, value: str) -> None:
    await world.ended("echo", "i")
    answer = await world.call(method, f"instances?{name}={quote(value)}")
    assert (answer.status, answer.error) == (400, "InvalidRequest")
    assert name in answer.json["message"]
    assert await world.client.get_status("i") is not None


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("top=0", "1 to 1000"),
        ("top=1001", "1 to 1000"),
        ("top=-1", "1 to 1000"),
        ("top=1.5", "1 to 1000"),
        ("top=%D9%A1", "1 to 1000"),
        ("runtimeStatus=Done", "Pending, Running, Completed"),
        ("runtimeStatus=Failed,", "no runtime status"),
        ("runtimeStatus=0", "no runtime status"),
        ("showInput=maybe", "true or false"),
        ("createdTimeFrom=2026-01-02&createdTimeTo=2026-01-01", "after"),
    ],
)
async def test_bad_filters(world: World, query: str, said: str) -> None:
    answer = await world.call("GET", f"instances?{query}")
    assert (answer.status, answer.error) == (400, "InvalidRequest")
    assert said in answer.json["message"]


@pytest.mark.parametrize("prefix", ["a%2Fb", "%27%20or%20%27", "%00", "@", "x" * 2000])
async def test_prefixes_that_no_id_has(world: World, prefix: str) -> None:
    answer = await world.call("GET", f"instances?instanceIdPrefix={prefix}")
    assert (answer.status, answer.error) == (400, "InvalidInstanceId")


async def test_purging_one(world: World) -> None:
    await world.ended("echo", "i", "x" * 20_000)
    answer = await world.call("DELETE", "instances/i")
    assert (answer.status, answer.json) == (200, {"instancesDeleted": 1})
    again = await world.call("DELETE", "instances/i")
    assert (again.status, again.error) == (404, "InstanceNotFound")
    assert (await world.call("GET", "instances")).json == []
    rows = await world.storage.tables.query(world.hub.names.history, [])
    assert rows.rows == []


async def test_what_has_not_ended_is_not_purged(world: World) -> None:
    await world.client.start_new("work", "i")
    answer = await world.call("DELETE", "instances/i")
    assert (answer.status, answer.error) == (409, "InstanceNotFinished")
    assert (await world.call("GET", "instances/i")).status == 202


@pytest.mark.parametrize(
    ("query", "left"),
    [
        ("createdTimeFrom=2025-01-01", ["b1", "b0"]),
        ("createdTimeFrom=2025-01-01&runtimeStatus=Failed", ["b1", "b0", "a0"]),
        ("createdTimeFrom=2025-01-01&runtimeStatus=failed,completed", ["b1", "b0"]),
        ("createdTimeFrom=2026-01-01T00:00:30Z", ["b1", "b0", "a0"]),
        ("createdTimeFrom=2025-01-01&name=echo", ["b1", "b0", "a1"]),
        ("createdTimeFrom=2025-01-01&instanceIdPrefix=a1&recursive=true", ["b1", "b0", "a0"]),
        ("createdTimeFrom=2025-01-01&completedTimeFrom=2026-01-01T00:01:00Z", ["b1", "b0", "a0"]),
        (
            "createdTimeFrom=2025-01-01&createdTimeTo=2026-01-01T00:00:30Z&code=x",
            ["b1", "b0", "a1"],
        ),
    ],
)
async def test_purging_by_filter(world: World, query: str, left: list[str]) -> None:
    await populate(world)
    answer = await world.call("DELETE", f"instances?{query}")
    assert (answer.status, answer.json) == (200, {"instancesDeleted": 4 - len(left)})
    assert [s["instanceId"] for s in (await world.call("GET", "instances")).json] == left


async def test_purging_nothing(world: World) -> None:
    await populate(world)
    for query in ("createdTimeFrom=2027-01-01", "createdTimeFrom=2025-01-01&runtimeStatus=Running"):
        answer = await world.call("DELETE", f"instances?{query}")
        assert (answer.status, answer.error) == (404, "InstanceNotFound")
    assert len((await world.call("GET", "instances")).json) == 4


async def test_a_purge_trusts_the_instance_and_not_the_list(world: World) -> None:
    await world.client.start_new("work", "i")
    await world.client.terminate("i")
    settle = world.hub.projection.settle
    world.hub.projection.settle = _nothing  # type: ignore[method-assign]
    await world.run("i")
    world.hub.projection.settle = settle  # type: ignore[method-assign]
    # the list still says Pending
    answer = await world.call(
        "DELETE", "instances?createdTimeFrom=2025-01-01&runtimeStatus=Pending"
    )
    assert answer.status == 404
    assert (await world.call("GET", "instances/i")).json["runtimeStatus"] == "Terminated"


async def _nothing(head: object) -> None:
    return None


@pytest.mark.parametrize(
    "query",
    [
        "",
        "createdTimeTo=2027-01-01",
        "createdTimeFrom=",
        "createdTimeFrom=2025-01-01&createdTimeTo=",
        "createdTimeFrom=2025-01-01&runtimeStatus=",
        "createdTimeFrom=2025-01-01&runtimeStatuses=Failed",
        "createdTimeFrom=2025-01-01&instanceId=b",
        "createdTimeFrom=2025-01-01&instanceIdPrefix=",
        "createdTimeFrom=2025-01-01&tag=team",
        "createdTimeFrom=2025-01-01&tag=",
        "createdTimeFrom=2025-01-01&tag=&tag=a=b",
        "createdTimeFrom=2025-01-01&tag==x",
        "createdTimeFrom=2025-01-01&recursive=yes",
        "createdTimeFrom=2025-01-01&completedTimeFrom=2026-02-01&completedTimeTo=2026-01-01",
        "createdTimeFrom=2025-01-01&runtimeStatus=Ended",
    ],
)
async def test_a_purge_that_would_take_more_than_meant_is_refused(world: World, query: str) -> None:
    await populate(world)
    answer = await world.call("DELETE", f"instances?{query}")
    assert (answer.status, answer.error) == (400, "InvalidRequest")
    assert len((await world.call("GET", "instances")).json) == 4


async def test_tags_in_status_and_filter(world: World) -> None:
    await populate(world)
    world.clock.advance(60)
    await world.client.start_new("echo", "t", tags={"team": "a=b", "ü": "☃"})
    shown = (await world.call("GET", "instances/t")).json
    assert shown["tags"] == {"team": "a=b", "ü": "☃"}
    assert "tags" not in (await world.call("GET", "instances/a0")).json
    for query, ids in (
        ("tag=team=a=b", ["t"]),
        ("tag=team=a", []),
        (f"tag={quote('ü=☃')}&runtimeStatus=Pending", ["t"]),
        ("tag=", ["t", "b1", "b0", "a1", "a0"]),
    ):
        answer = await world.call("GET", f"instances?{query}")
        assert [status["instanceId"] for status in answer.json] == ids
    refused = await world.call("GET", "instances?tag=team")
    assert (refused.status, refused.error) == (400, "InvalidRequest")


async def test_counts(world: World) -> None:
    assert (await world.call("GET", "counts")).json == {}
    await populate(world)
    for query, expected in (
        ("", {"Completed": 1, "Failed": 1, "Pending": 1, "Running": 1}),
        ("?name=work", {"Pending": 1, "Running": 1}),
        ("?instanceIdPrefix=a&runtimeStatus=failed,running", {"Failed": 1}),
        ("?tag=x=y&code=z", {}),
    ):
        answer = await world.call("GET", f"counts{query}")
        assert (answer.status, answer.json) == (200, expected)
    for query in ("status=Failed", "name=", "createdTimeFrom=soon"):
        refused = await world.call("GET", f"counts?{query}")
        assert (refused.status, refused.error) == (400, "InvalidRequest")


async def test_a_start_at_a_later_time(world: World) -> None:
    answer = await world.call(
        "POST", "orchestrators/echo/later?startAt=2026-01-01T00:10:00%2B00:00"
    )
    assert answer.status == 202
    shown = await world.call("GET", "instances/later")
    assert (shown.status, shown.json["runtimeStatus"]) == (202, "Pending")
    assert shown.json["scheduledStartTime"] == "2026-01-01T00:10:00Z"
    refused = await world.call("POST", "orchestrators/echo/other?startAt=later")
    assert (refused.status, refused.error) == (400, "InvalidRequest")
    assert (await world.call("GET", "instances/other")).status == 404
