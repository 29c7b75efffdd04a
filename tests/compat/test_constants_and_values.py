"""Constants and small values of 1.x, as apps use them beside the decorators."""

from __future__ import annotations

import json
from collections.abc import Generator
from datetime import UTC, datetime
from typing import Any

import pytest

from durable.compat import apps
from durable.compat.client import DurableFunctionsClient
from tests.compat.running import aliased, hub_of, outcome

Code = Generator[Any, Any, Any]
BINDING = {
    "taskHubName": "Orders",
    "creationUrls": {"createNewInstancePostUri": "http://localhost:7071/start"},
    "managementUrls": {"id": "INSTANCEID", "statusQueryGetUri": "http://localhost:7071/INSTANCEID"},
    "rpcBaseUrl": "http://127.0.0.1:17071/durabletask/",
    "baseUrl": "http://localhost:7071/runtime/webhooks/durabletask",
}


def functions() -> apps.DFApp:
    app = apps.DFApp()
    calls: list[str] = []

    @app.activity_trigger(input_name="name")
    def unsteady(name: str) -> int:
        calls.append(name)
        if len(calls) < 3:
            raise OSError("not yet")
        return len(calls)

    @app.orchestration_trigger(context_name="context")
    def patient(context: Any) -> Code:
        with aliased():
            from azure.durable_functions.models import (  # type: ignore[import-untyped]
                RetryOptions,
            )
        options = RetryOptions(5_000, max_number_of_attempts=3)
        began = context.current_utc_datetime
        tries = yield context.call_activity("unsteady", "x", retry=options)
        return [tries, (context.current_utc_datetime - began).total_seconds() >= 10]

    @app.entity_trigger(context_name="context", entity_name="Basket")
    def basket(context: Any) -> None:
        if context.operation_name == "fill":
            context.set_state({"apples": context.get_input()})
        else:
            context.destruct_on_exit()

    return app


async def test_times_are_written_and_read_by_the_format_of_1x() -> None:
    with aliased():
        from azure.durable_functions.constants import (  # type: ignore[import-untyped]
            DATETIME_STRING_FORMAT,
        )
    async with hub_of(functions()) as hub:
        await hub.client.start_new("patient", "one")
        shown = (await DurableFunctionsClient(hub.client).get_status("one")).to_json()
        created = datetime.strptime(shown["createdTime"], DATETIME_STRING_FORMAT)
        assert created.replace(tzinfo=UTC) == hub.clock.now()
        assert created.strftime(DATETIME_STRING_FORMAT) == shown["createdTime"]


def test_bindings_are_named_as_in_function_json() -> None:
    with aliased():
        from azure.durable_functions import constants  # type: ignore[import-untyped]
    bindings = [
        {"name": "context", "type": constants.ORCHESTRATION_TRIGGER, "direction": "in"},
        {"name": "input", "type": constants.ACTIVITY_TRIGGER, "direction": "in"},
        {"name": "context", "type": constants.ENTITY_TRIGGER, "direction": "in"},
        {"name": "client", "type": constants.DURABLE_CLIENT, "direction": "in"},
    ]
    assert [each["type"] for each in bindings] == [
        "orchestrationTrigger",
        "activityTrigger",
        "entityTrigger",
        "durableClient",
    ]
    assert f"http://{constants.DEFAULT_LOCAL_HOST}" == constants.DEFAULT_LOCAL_ORIGIN


def test_a_clients_binding_is_read_from_its_text() -> None:
    with aliased():
        from azure.durable_functions import models
        from azure.durable_functions.models.DurableOrchestrationBindings import (  # type: ignore[import-untyped]
            DurableOrchestrationBindings,
        )
        from azure.durable_functions.models.FunctionContext import (  # type: ignore[import-untyped]
            FunctionContext,
        )
    assert models.DurableOrchestrationBindings is DurableOrchestrationBindings
    found = DurableOrchestrationBindings.from_json(json.dumps(BINDING))
    assert (found.task_hub_name, found.rpc_base_url) == ("Orders", BINDING["rpcBaseUrl"])
    assert found.creation_urls == BINDING["creationUrls"]
    assert found.management_urls == BINDING["managementUrls"]
    assert isinstance(found.client_data, FunctionContext)
    assert found.client_data.baseUrl == BINDING["baseUrl"]
    assert DurableOrchestrationBindings("hub", {}, {}).rpc_base_url is None
    with pytest.raises(TypeError, match="creationUrls"):
        DurableOrchestrationBindings.from_json('{"taskHubName": "Orders"}')


async def test_an_entitys_state_as_a_client_reads_it() -> None:
    with aliased():
        import azure.durable_functions as original
        from azure.durable_functions.models.EntityStateResponse import (  # type: ignore[import-untyped]
            EntityStateResponse,
        )
    basket = original.EntityId("Basket", "mine")
    async with hub_of(functions()) as hub:
        client = DurableFunctionsClient(hub.client)
        missing = await client.read_entity_state(basket)
        assert isinstance(missing, EntityStateResponse)
        assert (missing.entity_exists, missing.entity_state) == (False, None)
        await client.signal_entity(basket, "fill", 3)
        await hub.run(1)
        filled = await client.read_entity_state(basket, "TEST", "AzureWebJobsStorage")
        assert (filled.entity_exists, filled.entity_state) == (True, {"apples": 3})
        await client.signal_entity(entityId=basket, operation_name="empty")
        await hub.run(1)
        assert not (await client.read_entity_state(entityId=basket)).entity_exists


async def test_retry_options_of_the_models() -> None:
    with aliased():
        from azure.durable_functions.models import RetryOptions
    given = RetryOptions(first_retry_interval_in_milliseconds=1500, max_number_of_attempts=2)
    assert (given.first_retry_interval_in_milliseconds, given.max_number_of_attempts) == (1500, 2)
    assert given.to_json() == {"firstRetryIntervalInMilliseconds": 1500, "maxNumberOfAttempts": 2}
    for wrong in (0, -1):
        with pytest.raises(ValueError, match="first_retry_interval_in_milliseconds"):
            RetryOptions(wrong, 2)
    async with hub_of(functions()) as hub:
        assert await outcome(hub, "patient") == [3, True]


def test_token_sources_are_told_by_their_base() -> None:
    with aliased():
        import azure.durable_functions as original
        from azure.durable_functions.internal.compat import token_source  # type: ignore
        from azure.durable_functions.models.TokenSource import (  # type: ignore[import-untyped]
            TokenSource,
        )
    source = original.ManagedIdentityTokenSource("https://graph.microsoft.com/")
    assert TokenSource is original.TokenSource is token_source.TokenSource
    assert isinstance(source, TokenSource)
    assert source.to_json() == {"resource": source.resource, "kind": "AzureManagedIdentity"}

    class OwnSource(TokenSource):  # type: ignore[misc]
        def to_json(self) -> dict[str, str]:
            return {"resource": "https://example.org", "kind": "Own"}

    request = original.models.DurableHttpRequest("GET", "https://example.org", None, None, source)
    assert request.to_json()["tokenSource"] == source.to_json()
    assert isinstance(OwnSource(), TokenSource)
