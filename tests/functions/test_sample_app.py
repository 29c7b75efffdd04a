"""This repository's own app, as it would be deployed, under the test host."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest
from azure.data.tables.aio import TableServiceClient

from tests.functions.host.host import FUNCTION_KEY, FunctionsHost
from tests.functions.instances import delete_hub, ended
from tests.functions.worker_library import ROOT


@pytest.fixture
async def host(functions_host: Callable[..., FunctionsHost]) -> AsyncIterator[FunctionsHost]:
    hub = functions_host(ROOT).settings["HUB"]
    ledger = f"Ledger{hub}"
    name = {"AzureFunctionsJobHost__extensions__durableTask__hubName": hub}
    async with functions_host(ROOT, LEDGER_TABLE=ledger, **name) as made:
        yield made
    await delete_hub(made)
    connection = made.settings["AzureWebJobsStorage"]
    async with TableServiceClient.from_connection_string(connection) as tables:
        await tables.delete_table(ledger)


async def test_an_order_is_shipped_and_charged_once(host: FunctionsHost) -> None:
    types = {each["type"] for function in host.functions.values() for each in function.bindings}
    assert types <= {"httpTrigger", "http", "queueTrigger", "timerTrigger"}

    order = {"customer": "Ada", "lines": [{"sku": "book"}], "cancel_window_seconds": 1}
    started = await host.request("POST", "/api/orders", order, key=FUNCTION_KEY)
    assert started.status == 202, started.body
    status = await ended(host, started.json())
    assert status["runtimeStatus"] == "Completed"
    assert status["output"]["outcome"] == "shipped"
    shown = await host.request("GET", f"/api/orders/{status['instanceId']}", key=FUNCTION_KEY)
    charges = [each for each in shown.json()["entries"] if "charge" in str(each)]
    assert len(charges) == 1
