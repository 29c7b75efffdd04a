"""Clients whose methods block, for plain functions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from typing import Any, TypeVar

import pytest

import durable as df
from durable.compat.client import DurableFunctionsClient
from durable.compat.sync_client import SyncDurableFunctionsClient, TaskHubGrpcClient
from durable.compat.task_hub_client import AsyncTaskHubGrpcClient
from durable.compat.v2.grpc import AzureFunctionsDefaultClientInterceptorImpl
from durable.compat.v2.serialization import DEFAULT_FUNCTIONS_DATA_CONVERTER
from durable.errors import ConfigurationError, InvalidRequestError
from tests.compat.running import hub_of
from tests.memory_hub import MemoryHub

T = TypeVar("T")


def functions() -> df.DFApp:
    app = df.DFApp()

    @app.orchestration_trigger(context_name="context")
    def order(context: Any) -> Generator[Any, Any, Any]:
        return (yield context.wait_for_external_event("go"))

    return app


async def in_a_thread(hub: MemoryHub, work: Callable[[], T]) -> T:
    """What `work` returns, while things happen: a client may have to wait for the clock."""
    working = asyncio.ensure_future(asyncio.to_thread(work))
    while not working.done():
        await hub.run(0.1)
    return await working


async def test_methods_block_in_a_thread() -> None:
    async with hub_of(functions()) as hub:
        client = SyncDurableFunctionsClient(hub.client)

        def work() -> Any:
            client.start_new("order", "one")
            client.raise_event("one", "go", {"a": 1})
            return client.get_status("one").instance_id

        assert await in_a_thread(hub, work) == "one"
        await hub.wait("one")
        assert await in_a_thread(hub, lambda: client.get_status("one").output) == {"a": 1}
        found = await in_a_thread(
            hub, lambda: [each.instance_id for each in client.list_instances()]
        )
        assert found == ["one"]
        assert client.max_payload == hub.client.max_payload
        assert "start_new" in dir(client)
        assert client.native_client is hub.client


async def test_a_client_from_the_address_of_the_injected_one() -> None:
    async with hub_of(functions()) as hub:
        client = DurableFunctionsClient(hub.client)
        interceptor = AzureFunctionsDefaultClientInterceptorImpl(
            client.taskHubName, client.requiredQueryStringParameters
        )

        def work() -> Any:
            with TaskHubGrpcClient(
                host_address=client.rpcBaseUrl,
                interceptors=[interceptor],
                data_converter=DEFAULT_FUNCTIONS_DATA_CONVERTER,
                default_version="2",
            ) as blocking:
                return blocking.schedule_new_orchestration("order", instance_id="one")

        assert await in_a_thread(hub, work) == "one"
        status = await hub.client.get_status("one")
        assert status is not None
        assert status.version == "2"
        again = AsyncTaskHubGrpcClient(host_address=client.rpcBaseUrl)
        assert again.native_client is hub.client


async def test_it_does_not_block_its_own_loop() -> None:
    async with hub_of(functions()) as hub:
        client = SyncDurableFunctionsClient(hub.client)
        with pytest.raises(InvalidRequestError, match="plain function"):
            client.get_status("one")


@pytest.mark.parametrize("kind", [TaskHubGrpcClient, AsyncTaskHubGrpcClient])
def test_another_address_is_refused(kind: Any) -> None:
    with pytest.raises(ConfigurationError, match="rpcBaseUrl"):
        kind(host_address="localhost:4001")


async def test_errors_are_those_of_the_client() -> None:
    async with hub_of(functions()) as hub:
        client = SyncDurableFunctionsClient(DurableFunctionsClient(hub.client))
        with pytest.raises(df.InstanceNotFoundError):
            await in_a_thread(hub, lambda: client.terminate("nobody"))
        with pytest.raises(AttributeError):
            _ = client.nothing_of_that_name
