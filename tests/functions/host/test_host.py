"""The test host itself, on an app without anything durable."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from azure.storage.queue.aio import QueueClient, QueueServiceClient

from tests.functions.host.host import FUNCTION_KEY, FunctionsHost
from tests.functions.host.queues import Backoff
from tests.functions.host.worker import binary

Make = Callable[..., FunctionsHost]
PATIENCE = 30.0


@pytest.fixture
async def host(functions_host: Make) -> AsyncIterator[FunctionsHost]:
    made = functions_host("plain")
    async with QueueServiceClient.from_connection_string(
        made.settings["AzureWebJobsStorage"]
    ) as service:
        await service.create_queue(made.resolve("%QUEUE%").lower())
        async with made:
            yield made
        await service.delete_queue(made.resolve("%QUEUE%").lower())


@pytest.fixture
async def queue(host: FunctionsHost) -> AsyncIterator[QueueClient]:
    async with QueueServiceClient.from_connection_string(
        host.settings["AzureWebJobsStorage"]
    ) as service:
        yield service.get_queue_client(host.resolve("%QUEUE%").lower())


async def seen(host: FunctionsHost) -> list[dict[str, Any]]:
    said = (await host.request("GET", "/api/seen")).json()
    return [each for each in said["seen"] if "body" in each]


async def received(host: FunctionsHost, *, succeeded: int = 0, poisoned: int = 0) -> None:
    """Wait until so many messages came to an end."""
    async with asyncio.timeout(PATIENCE):
        await host.listeners["receive"].until(
            lambda it: it.succeeded >= succeeded and it.poisoned >= poisoned
        )


async def test_a_message_goes_from_an_output_binding_to_its_function(host: FunctionsHost) -> None:
    sent = await host.request("POST", "/api/send", "Grüße", key=FUNCTION_KEY)
    await received(host, succeeded=1)
    assert sent.status == 202
    (message,) = await seen(host)
    assert bytes.fromhex(message["body"]).decode() == "Grüße"
    assert message["count"] == 1


async def test_a_body_that_is_no_text_arrives_as_it_is(
    host: FunctionsHost, queue: QueueClient
) -> None:
    await queue.send_message(binary(b"\xff\x00")["bytes"])
    await received(host, succeeded=1)
    (message,) = await seen(host)
    assert message["body"] == "ff00"


async def test_a_failing_message_is_tried_again_and_then_poison(
    host: FunctionsHost, queue: QueueClient
) -> None:
    await queue.send_message(binary(b"fail")["bytes"])
    await received(host, poisoned=1)
    assert [each["count"] for each in await seen(host)] == [1, 2, 3]
    assert await taken(host, queue) == [binary(b"fail")["bytes"]]


async def test_what_is_no_base64_is_poison_without_an_invocation(
    host: FunctionsHost, queue: QueueClient
) -> None:
    await queue.send_message("not base64!")
    await received(host, poisoned=1)
    assert await seen(host) == []
    assert await taken(host, queue) == ["not base64!"]


async def test_fields_of_a_json_body_overwrite_the_metadata(
    host: FunctionsHost, queue: QueueClient
) -> None:
    await queue.send_message(binary(b'{"id": "mine", "dequeueCount": 7}')["bytes"])
    await received(host, succeeded=1)
    (message,) = await seen(host)
    assert (message["id"], message["count"]) == ("mine", 7)


async def test_at_most_a_batch_and_the_threshold_run_at_once(
    host: FunctionsHost, queue: QueueClient
) -> None:
    for _ in range(12):
        await queue.send_message(binary(b"slow 0.3")["bytes"])
    await received(host, succeeded=12)
    said = (await host.request("GET", "/api/seen")).json()
    assert 2 <= said["most_at_once"] <= 4 + 1


async def test_a_worker_that_dies_is_started_again_and_gets_the_message(
    host: FunctionsHost, queue: QueueClient
) -> None:
    await queue.send_message(binary(b"die")["bytes"])
    await received(host, succeeded=1)
    assert host.listeners["receive"].failed == 1
    assert [each["count"] for each in await seen(host)] == [2]


async def test_a_killed_host_keeps_its_messages_hidden_until_the_lease_ends(
    functions_host: Make,
) -> None:
    first, second = functions_host("plain", lease=3), functions_host("plain", lease=3)
    name = first.resolve("%QUEUE%").lower()
    async with QueueServiceClient.from_connection_string(
        first.settings["AzureWebJobsStorage"]
    ) as service:
        await service.create_queue(name)
        async with first:
            await service.get_queue_client(name).send_message(binary(b"slow 6")["bytes"])
            # Longer than a lease, so that it was renewed.
            await asyncio.sleep(4)
            killed = time.monotonic()
            await first.kill()
        async with second:
            await received(second, succeeded=1)
            assert time.monotonic() - killed > 1 + 0.5
            assert [each["count"] for each in await seen(second)] == [2]
        await service.delete_queue(name)


SLEEPERS = """
import asyncio

import azure.functions as func

app = func.FunctionApp()
for number in range(5):

    async def sleep(msg: func.QueueMessage) -> None:
        await asyncio.sleep(600)

    sleep.__name__ = f"sleep_{number}"
    queue = f"%QUEUE%-{number}"
    app.queue_trigger(arg_name="msg", queue_name=queue, connection="AzureWebJobsStorage")(sleep)
"""


async def test_a_killed_host_shows_no_message_of_any_queue(
    functions_host: Make, tmp_path: Path
) -> None:
    (tmp_path / "function_app.py").write_text(SLEEPERS)
    often = {"queues": {"maxPollingInterval": "00:00:01"}}
    settings = {"version": "2.0", "extensions": often}
    (tmp_path / "host.json").write_text(json.dumps(settings))
    host = functions_host(tmp_path)
    connection = host.settings["AzureWebJobsStorage"]
    async with QueueServiceClient.from_connection_string(connection) as service, host:
        queues = [service.get_queue_client(listener.queue) for listener in host.listeners.values()]
        for each in queues:
            await each.create_queue()
            for _ in range(4):
                await each.send_message(binary(b"")["bytes"])
        async with asyncio.timeout(PATIENCE):
            while any(listener.running < 4 for listener in host.listeners.values()):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        await host.kill()
        shown = [message for each in queues async for message in each.receive_messages()]
        for each in queues:
            await each.delete_queue()
    assert not shown


async def test_timers_run_and_can_be_run(host: FunctionsHost) -> None:
    await host.run_timer("tick", past_due=True)
    async with asyncio.timeout(PATIENCE):
        ticks: list[bool] = []
        while len(ticks) < 2:
            said = (await host.request("GET", "/api/seen")).json()
            ticks = [each["timer"] for each in said["seen"] if "timer" in each]
            await asyncio.sleep(0.05)
    assert ticks.count(True) == 1


async def test_requests_go_to_the_first_match_by_name_with_a_key(host: FunctionsHost) -> None:
    specific = await host.request("GET", "/api/items/a%20b%2Fc/two")
    optional = await host.request("GET", "/api/items/x")
    rest = await host.request("GET", "/api/what/ever")
    assert specific.json() == {"item": "a b%2Fc", "part": "two"}
    assert optional.json() == {"item": "x"}
    assert (rest.status, rest.body) == (207, b"rest of what/ever")
    assert (await host.request("GET", "/api/x?boom=1")).status == 500
    assert (await host.request("DELETE", "/api/send")).status == 404
    assert (await host.request("POST", "/api/send", "x")).status == 401


def test_back_off_grows_from_100_ms_and_a_message_resets_it() -> None:
    backoff = Backoff(2.0)
    delays = [backoff.next_delay(found=False) for _ in range(12)]
    assert 0.18 <= delays[0] <= 0.22
    assert 0.74 <= delays[3] <= 1.06
    assert delays[-1] == 2.0
    assert backoff.next_delay(found=True) == 0.1
    assert backoff.next_delay(found=False) < 0.23


async def taken(host: FunctionsHost, queue: QueueClient) -> list[str]:
    """The texts in the poison queue, which is removed with them."""
    async with QueueServiceClient.from_connection_string(
        host.settings["AzureWebJobsStorage"]
    ) as service:
        poison = service.get_queue_client(f"{queue.queue_name}-poison")
        texts = [str(each.content) async for each in poison.receive_messages()]
        await service.delete_queue(poison.queue_name)
        return texts
