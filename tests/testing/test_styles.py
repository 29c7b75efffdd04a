"""Apps of each style, as they stand."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import azure.functions as func
import pytest

import durable as df
from durable.errors import ConfigurationError
from durable.testing import TestHub
from tests.compat.running import aliased

PATTERNS = Path(__file__).resolve().parent.parent / "patterns/apps"

pytestmark = [
    pytest.mark.filterwarnings(
        "ignore::durable.compat.warnings.DurableDeprecationWarning",
        "ignore::durable.compat.warnings.DurableFunctionsCompatibilityWarning",
    )
]
STYLES = ("one_x", "two_x")


@pytest.fixture(params=STYLES)
def module(request: pytest.FixtureRequest) -> Iterator[ModuleType]:
    """An app of another style, imported anew."""
    name = f"tests.compat.apps.{request.param}"
    with aliased():
        sys.modules.pop(name, None)
        yield importlib.import_module(name)
        sys.modules.pop(name, None)


async def test_a_module_of_durable_functions(module: ModuleType) -> None:
    async with TestHub(module) as hub:
        output = await hub.run("pipeline", ["Oslo", "Rome"])
        assert output["greetings"] == ["Hello Oslo", "Hello Rome"]
        assert output["last"] == "Hello you"
        assert [call.input for call in hub.calls("greet")] == ["Oslo", "Rome", "you"]
    async with TestHub(module.app, activities={"greet": lambda city: city.upper()}) as hub:
        assert (await hub.run("pipeline", ["Oslo"]))["greetings"] == ["OSLO"]


async def test_a_starter_is_called_with_the_client(module: ModuleType) -> None:
    async with TestHub(module) as hub:
        functions = {each.get_function_name(): each for each in module.app.get_functions()}
        request = func.HttpRequest(
            "POST", "/", route_params={"functionName": "pipeline"}, body=b'["Oslo"]'
        )
        answer = await functions["http_start"].get_user_function()(req=request)
        assert answer.status_code == 202
        assert (await hub.result("one"))["greetings"] == ["Hello Oslo"]


@pytest.mark.parametrize("style", ["one_x", "two_x", "native"])
async def test_a_strangers_app_by_its_place(style: str, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = PATTERNS / style
    monkeypatch.chdir(folder)
    for name in ("HUB", "STORE_KEY", "EXPORTS"):
        monkeypatch.setenv(name, "Test")
    names = [file.stem for file in folder.glob("*.py")]
    for name in names:
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.syspath_prepend(str(folder))
    with aliased():
        try:
            async with TestHub("function_app:app") as hub:
                claim = {"amount": 7, "patience": 48 * 3600}
                assert await hub.run("expense_claim", claim) == "escalated"
                instance_id = await hub.start("expense_claim", claim)
                await hub.wait_for(
                    instance_id, lambda it: it.custom_status == "waiting for the manager"
                )
                await hub.raise_event(instance_id, "Decision", {"approved": True})
                assert await hub.result(instance_id) == "approved"
                assert await hub.run("count_visits", "visits") == [5, 5]
        finally:
            # what it has activated is uninstalled: who imports it next needs it again
            for name in [*names, "durable.compat.activate"]:
                sys.modules.pop(name, None)


async def test_a_blueprint_alone() -> None:
    bp = df.Blueprint()

    @bp.activity_trigger(input_name="name")
    @bp.durable_client_input(client_name="client")
    async def start_another(name: str, client: Any) -> str:
        return str(await client.start_new("other", f"{name}-child"))

    @bp.activity_trigger(input_name="child")
    @bp.durable_client_input(client_name="client")
    def wait_for_it(child: str, client: Any) -> Any:
        return client.wait_for_completion(child).runtime_status

    @bp.orchestration_trigger(context_name="context")
    async def other(context: df.DurableOrchestrationContext) -> None:
        await context.create_timer(context.current_utc_datetime.replace(hour=1))

    @bp.orchestration_trigger(context_name="context")
    async def parent(context: df.DurableOrchestrationContext) -> Any:
        child = await context.call_activity(start_another, context.instance_id)
        return await context.call_activity(wait_for_it, child)

    async with TestHub(bp) as hub:
        assert await hub.run(parent) == "Completed"
        assert hub.now.hour == 1


async def test_what_is_no_app_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="runs a DFApp, a Blueprint, a module"):
        TestHub(7)
    with pytest.raises(ConfigurationError, match="has no function app"):
        TestHub(importlib.import_module("json"))
    with pytest.raises(ConfigurationError, match="the app has no durable functions"):
        TestHub(func.FunctionApp())
