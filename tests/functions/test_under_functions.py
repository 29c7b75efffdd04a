"""A durable app under the test host: the real worker library, queue triggers, Azurite."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from azure.storage.queue.aio import QueueServiceClient

from tests.functions.host.host import FUNCTION_KEY, HOSTNAME, FunctionsHost
from tests.functions.host.worker import binary
from tests.functions.instances import PATIENCE, delete_hub, ended

Make = Callable[..., FunctionsHost]


@pytest.fixture
async def host(functions_host: Make, tmp_path: Path) -> AsyncIterator[FunctionsHost]:
    async with functions_host("orders", CRASH_MARK=str(tmp_path / "crashed")) as made:
        yield made
    await delete_hub(made)


async def begin(host: FunctionsHost, **order: Any) -> dict[str, str]:
    """Start an order over HTTP; the links of the answer."""
    started = await host.request("POST", "/api/orders", order, key=FUNCTION_KEY)
    assert started.status == 202, started.body
    links: dict[str, str] = started.json()
    return links


async def test_the_host_is_shown_plain_triggers_only(host: FunctionsHost) -> None:
    bindings = {
        name: {binding["type"]: binding for binding in function.bindings}
        for name, function in host.functions.items()
    }
    assert {name: sorted(types) for name, types in bindings.items()} == {
        "alive": ["http", "httpTrigger"],
        "by_queue": ["queueTrigger"],
        "charge": ["queueTrigger"],
        "durable_control_00": ["queueTrigger"],
        "durable_control_01": ["queueTrigger"],
        "durable_http": ["queueTrigger"],
        "durable_links": ["http", "httpTrigger"],
        "durable_management": ["http", "httpTrigger"],
        "durable_sweeper": ["timerTrigger"],
        "ship": ["queueTrigger"],
        "start": ["http", "httpTrigger"],
    }
    assert bindings["charge"]["queueTrigger"]["queueName"] == "%HUB%-dx-charge"
    assert bindings["charge"]["queueTrigger"]["dataType"] == "BINARY"
    assert bindings["durable_control_01"]["queueTrigger"]["queueName"] == "%HUB%-dx-control-01"


async def test_an_order_completes(host: FunctionsHost) -> None:
    links = await begin(host, amount=30, items=3)
    status = await ended(host, links)
    assert status["runtimeStatus"] == "Completed"
    assert status["output"] == ["charged 30", "shipped 0", "shipped 1", "shipped 2"]
    # the last one's function returns once its result is stored
    async with asyncio.timeout(10):
        await host.listeners["ship"].until(lambda ship: ship.succeeded == 3)
    assert links["statusQueryGetUri"].startswith(f"https://{HOSTNAME}/api/durabletask/links/")


async def test_what_may_run_in_place_takes_no_hop(host: FunctionsHost) -> None:
    await ended(host, await begin(host, amount=1, items=0))
    started = time.monotonic()
    links = [await begin(host, amount=1, items=0) for _ in range(5)]
    for each in links:
        assert (await ended(host, each))["runtimeStatus"] == "Completed"
    assert time.monotonic() - started < 5
    assert host.listeners["charge"].succeeded == 0


async def test_a_durable_timer_wakes_the_app_by_its_queue(host: FunctionsHost) -> None:
    links = await begin(host, amount=2, items=1, wait=3)
    status = await ended(host, links)
    assert status["output"] == ["charged 2", "shipped 0"]


async def test_a_queue_function_starts_an_order(host: FunctionsHost) -> None:
    name = host.listeners["by_queue"].queue
    connection = host.settings["AzureWebJobsStorage"]
    async with QueueServiceClient.from_connection_string(connection) as queues:
        await queues.create_queue(name)
        await put(host, name, b"order-7")
        async with asyncio.timeout(PATIENCE):
            await host.listeners["by_queue"].until(lambda it: it.succeeded == 1)
        await queues.delete_queue(name)
    path = "/api/durabletask/instances/order-7"
    status = await ended(host, {"statusQueryGetUri": f"{path}?code={FUNCTION_KEY}"})
    assert status["output"] == ["charged 1", "shipped 0"]


async def test_management_needs_the_key_and_a_link_only_its_signature(host: FunctionsHost) -> None:
    links = await begin(host, amount=1, items=0)
    await ended(host, links)
    path = f"/api/durabletask/instances/{links['id']}"
    assert (await host.request("GET", path)).status == 401
    assert (await host.request("GET", path, key=FUNCTION_KEY)).status == 200
    forged = links["statusQueryGetUri"].replace(links["id"], "another")
    assert (await host.request("GET", forged)).status == 401


async def test_the_worker_dies_in_an_activity_and_the_order_completes(
    host: FunctionsHost, tmp_path: Path
) -> None:
    links = await begin(host, amount=5, items=1, crash=1)
    status = await ended(host, links)
    assert (tmp_path / "crashed").exists()
    assert status["output"] == ["charged 5", "shipped 0"]


async def test_a_death_in_a_queue_function_loses_nothing_where_one_failure_is_poison(
    functions_host: Make, tmp_path: Path
) -> None:
    queues = "AzureFunctionsJobHost__extensions__queues__"
    settings = {
        f"{queues}maxDequeueCount": "1",
        f"{queues}batchSize": "1",
        f"{queues}newBatchThreshold": "0",
        "CRASH_MARK": str(tmp_path / "crashed"),
    }
    async with functions_host("orders", **settings) as host:
        links = await begin(host, amount=5, items=1, wait=2, crash=1)
        status = await ended(host, links)
        assert (tmp_path / "crashed").exists()
        assert status["output"] == ["charged 5", "shipped 0"]
    await delete_hub(host)


async def test_a_killed_host_and_another_instance_goes_on(
    functions_host: Make, tmp_path: Path
) -> None:
    mark = str(tmp_path / "crashed")
    async with (
        functions_host("orders", CRASH_MARK=mark) as first,
        functions_host("orders", CRASH_MARK=mark) as second,
    ):
        links = [await begin(first, amount=n, items=2) for n in range(5)]
        await first.kill()
        for n, each in enumerate(links):
            status = await ended(second, each)
            assert status["output"] == [f"charged {n}", "shipped 0", "shipped 1"]
    await delete_hub(second)


async def test_the_sweeper_runs_as_a_timer_function(host: FunctionsHost) -> None:
    await host.run_timer("durable_sweeper", past_due=True)


async def test_what_is_no_message_of_ours_is_a_dead_letter_and_not_poison(
    host: FunctionsHost,
) -> None:
    await ended(host, await begin(host, amount=1, items=0))
    control = host.listeners["durable_control_00"]
    before = control.succeeded
    await put(host, control.queue, b"\xff\xfe", b"[]", b'{"id": "x"}', b'{"v": 99}')
    async with asyncio.timeout(PATIENCE):
        await control.until(lambda it: it.succeeded + it.poisoned == before + 4)
    assert control.poisoned == 0


async def test_a_body_that_breaks_the_workers_own_metadata_is_poison(host: FunctionsHost) -> None:
    """The worker fails on it before any function is called, so the host's limit is what ends it."""
    await ended(host, await begin(host, amount=1, items=0))
    control = host.listeners["durable_control_00"]
    await put(host, control.queue, b'{"DequeueCount": "many"}')
    async with asyncio.timeout(PATIENCE):
        await control.until(lambda it: it.poisoned == 1)


async def put(host: FunctionsHost, queue: str, *bodies: bytes) -> None:
    connection = host.settings["AzureWebJobsStorage"]
    async with QueueServiceClient.from_connection_string(connection) as queues:
        for body in bodies:
            await queues.get_queue_client(queue).send_message(binary(body)["bytes"])
