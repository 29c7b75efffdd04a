"""What an app shows the Functions host, without a host."""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, cast, get_type_hints

import azure.functions as func
import pytest
from azure.functions.queue import QueueMessage

import durable as df
from durable.client import DurableOrchestrationClient
from durable.errors import ConfigurationError, DefinitionError
from durable.functions.delivery import delivery_of
from durable.functions.folder import app_folder
from durable.host import DurableHost
from durable.hub.hub import Hub
from durable.hub.keys import HubNames
from durable.storage.memory import memory_storage


@pytest.fixture
def app(tmp_path: Path) -> df.DFApp:
    return app_in(tmp_path)


def app_in(folder: Path, **durable_task: Any) -> df.DFApp:
    extensions = {"durableTask": {"hubName": "MyHub", **durable_task}}
    (folder / "host.json").write_text(json.dumps({"version": "2.0", "extensions": extensions}))
    app = df.DFApp()
    app.durable.folder = folder
    return app


def by_name(app: df.DFApp) -> dict[str, list[dict[str, Any]]]:
    return {
        function.get_function_name() or "": [
            json.loads(each) for each in function.get_raw_bindings()
        ]
        for function in app.get_functions()
    }


def add_activity(app: df.DFApp | df.Blueprint, name: str = "act") -> None:
    @app.activity_trigger(input_name="value", activity=name)
    def activity(value: int) -> int:
        return value


def add_orchestrator(app: df.DFApp | df.Blueprint) -> None:
    @app.orchestration_trigger(context_name="context")
    async def orchestrate(context: df.DurableOrchestrationContext) -> None: ...


def add_client(app: df.DFApp | df.Blueprint, **where: str) -> None:
    @app.route(route="start")
    @app.durable_client_input(client_name="client", **where)
    async def start(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> str:
        return f"{req.method} {client}"


def test_an_activity_is_a_queue_function_of_its_name(app: df.DFApp) -> None:
    add_activity(app, "sendMail")
    (binding,) = by_name(app)["sendMail"]
    assert binding == {
        "type": "queueTrigger",
        "direction": "IN",
        "name": "message",
        "queueName": binding["queueName"],
        "connection": "AzureWebJobsStorage",
        "dataType": "BINARY",
    }
    assert binding["queueName"].startswith("myhub-dx-sendmail-")


def test_an_activity_with_priorities_has_three_queue_functions(app: df.DFApp) -> None:
    @app.activity_trigger(input_name="value", concurrency=2, priority_enabled=True)
    def ship(value: int) -> int:
        return value

    queues = {name: each[0].get("queueName") for name, each in by_name(app).items()}
    names = HubNames("myhub").lanes("ship", priorities=True)
    assert (queues["ship-high"], queues["ship"], queues["ship-low"]) == names
    assert names[1] == "myhub-dx-ship"
    assert len(set(names)) == 3
    assert all(len(name) <= 63 for name in names)


def test_control_queues_are_as_many_as_host_json_says(tmp_path: Path) -> None:
    app = app_in(tmp_path, storageProvider={"partitionCount": 3, "connectionName": "Other"})
    add_orchestrator(app)
    control = {name: each[0] for name, each in by_name(app).items() if "control" in name}
    assert [each["queueName"] for each in control.values()] == [
        "myhub-dx-control-00",
        "myhub-dx-control-01",
        "myhub-dx-control-02",
    ]
    assert {each["connection"] for each in control.values()} == {"Other"}


def test_a_hub_by_a_setting_is_left_to_the_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("Stage_Hub", "Resolved")
    app = app_in(tmp_path, hubName="%Stage_Hub%")
    add_activity(app)
    names = {each["queueName"] for (each, *_) in by_name(app).values() if "queueName" in each}
    assert names == {"%Stage_Hub%-dx-act", "%Stage_Hub%-dx-control-00"}


def test_what_an_app_needs_is_added(app: df.DFApp) -> None:
    management = {"durable_links", "durable_management"}
    runs = {"durable_control_00", "durable_sweeper"}
    assert by_name(app) == {}
    add_client(app)
    assert set(by_name(app)) == {"start"} | management
    add_activity(app)
    assert set(by_name(app)) == {"start", "act"} | management | runs
    assert app.durable.builtin == {"act"} | management | runs
    add_orchestrator(app)
    assert set(by_name(app)) == {"start", "act", "durable_http"} | management | runs
    assert by_name(app)["durable_http"][0]["queueName"] == "myhub-dx-durable-http"


def test_indexing_again_changes_nothing(app: df.DFApp) -> None:
    add_activity(app)
    add_orchestrator(app)
    add_client(app)
    assert by_name(app) == by_name(app)


def test_management_is_open_only_by_a_setting(
    app: df.DFApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_orchestrator(app)

    def levels() -> list[str]:
        return [
            by_name(app)[name][0]["authLevel"] for name in ("durable_links", "durable_management")
        ]

    assert levels() == ["ANONYMOUS", "FUNCTION"]
    monkeypatch.setenv("DURABLE_MANAGEMENT_ANONYMOUS", "true")
    assert levels() == ["ANONYMOUS", "ANONYMOUS"]


def test_blueprints_compose(app: df.DFApp) -> None:
    blueprint: Callable[[], func.Blueprint] = func.Blueprint
    inner, outer, plain = df.Blueprint(), df.Blueprint(), blueprint()
    add_activity(inner)
    add_client(outer)

    @plain.timer_trigger(arg_name="timer", schedule="0 0 * * * *")
    def tick(timer: func.TimerRequest) -> None: ...

    outer.register_blueprint(inner)
    outer.register_functions(plain)
    app.register_blueprint(outer)
    add_orchestrator(app)
    names = set(by_name(app)) - {"durable_links", "durable_management"}
    own = {"durable_control_00", "durable_http", "durable_sweeper"}
    assert names == {"act", "start", "tick"} | own
    assert set(app.durable.registry.activities) == {"act"}


def test_apps_are_not_registered(app: df.DFApp) -> None:
    with pytest.raises(TypeError):
        app.register_functions(df.DFApp())
    with pytest.raises(TypeError):
        df.Blueprint().register_functions(df.DFApp())


def test_a_durable_blueprint_in_a_plain_app_is_an_error_that_says_so() -> None:
    plain, blueprint = func.FunctionApp(), df.Blueprint()
    add_client(blueprint)
    plain.register_functions(blueprint)
    with pytest.raises(DefinitionError, match=r"durable\.DFApp"):
        plain.get_functions()


Decorate = Callable[[df.DFApp], list[Callable[[Any], Any]]]


@pytest.mark.parametrize(
    "order", [(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)]
)
async def test_the_client_is_given_whatever_the_order(
    app: df.DFApp, order: tuple[int, ...]
) -> None:
    decorators = [
        app.route(route="start"),
        app.durable_client_input(client_name="client"),
        app.function_name("begin"),
    ]

    async def start(
        req: func.HttpRequest, client: df.DurableOrchestrationClient, context: func.Context
    ) -> str:
        return f"{req.method} {client.native_client} {context}"

    decorated: Any = start
    for index in order:
        decorated = decorators[index](decorated)
    native = DurableOrchestrationClient(Hub(memory_storage(), "Hub"))
    app.durable.attach(cast(DurableHost, SimpleNamespace(client=native)))
    (begin, *_) = app.get_functions()
    shown = begin.get_user_function()
    assert begin.get_function_name() == "begin"
    assert inspect.iscoroutinefunction(shown)
    assert list(inspect.signature(shown).parameters) == ["req", "context"]
    assert set(get_type_hints(shown)) == {"req", "context", "return"}
    request = func.HttpRequest("GET", "/", body=b"")
    assert await shown(req=request, context="ctx") == f"GET {native} ctx"


async def test_a_sync_starter_that_raises_stop_iteration_ends(app: df.DFApp) -> None:
    @app.route(route="start")
    @app.durable_client_input(client_name="client")
    def start(req: func.HttpRequest, client: Any) -> str:
        return next(iter(()))

    native = DurableOrchestrationClient(Hub(memory_storage(), "Hub"))
    app.durable.attach(cast(DurableHost, SimpleNamespace(client=native)))
    (begin, *_) = app.get_functions()
    call: Any = begin.get_user_function()
    with pytest.raises(RuntimeError, match="raised StopIteration"):
        await asyncio.wait_for(call(req=func.HttpRequest("GET", "/", body=b"")), 5)


def test_a_client_of_another_hub_is_refused(app: df.DFApp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAME", "myhub")
    add_client(app, task_hub="%SAME%", connection_name="AzureWebJobsStorage")
    assert "start" in by_name(app)
    other = df.DFApp()
    other.durable.folder = app.durable.folder
    add_client(other, task_hub="Elsewhere")
    with pytest.raises(DefinitionError, match="task_hub='Elsewhere', and this app has 'MyHub'"):
        other.get_functions()


def test_an_activity_has_no_binding_or_host_retry(app: df.DFApp) -> None:
    @app.queue_output(arg_name="out", queue_name="q", connection="c")
    @app.activity_trigger(input_name="value")
    def wrong(value: int, out: object = None) -> None: ...

    with pytest.raises(DefinitionError, match=r"wrong: .*has the binding 'queue' too"):
        app.get_functions()

    other = df.DFApp()
    other.durable.folder = app.durable.folder

    @other.retry(strategy="fixed_delay", max_retry_count="3", delay_interval="00:00:01")
    @other.activity_trigger(input_name="value")
    def retried(value: int) -> None: ...

    with pytest.raises(DefinitionError, match=r"retried: .*RetryPolicy"):
        other.get_functions()


def test_a_binding_of_durable_functions_is_refused(app: df.DFApp) -> None:
    @app.generic_trigger(arg_name="context", type="orchestrationTrigger")
    def old(context: str) -> None: ...

    with pytest.raises(DefinitionError, match=r"function 'old' .*'orchestrationTrigger'"):
        app.get_functions()


def test_what_prevents_indexing_is_logged(
    app: df.DFApp, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    add_activity(app)
    (tmp_path / "host.json").write_text("{")
    with pytest.raises(ConfigurationError):
        app.get_functions()
    assert "cannot be indexed" in caplog.text
    assert "host.json" in caplog.text


def test_http_streams_leave_no_management(app: df.DFApp, monkeypatch: pytest.MonkeyPatch) -> None:
    base = SimpleNamespace(HttpV2FeatureChecker=SimpleNamespace(http_v2_enabled=lambda: True))
    monkeypatch.setitem(sys.modules, "azurefunctions.extensions.base", cast(ModuleType, base))
    add_orchestrator(app)
    assert "durable_management" not in by_name(app)


def advised(
    app: df.DFApp, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> str:
    monkeypatch.setitem(sys.modules, "azure_functions_worker", ModuleType("worker"))
    caplog.set_level(logging.WARNING, "durable.functions")
    app.get_functions()
    app.get_functions()
    return caplog.text


def test_slow_settings_are_named_once(
    app: df.DFApp, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    add_activity(app)
    text = advised(app, monkeypatch, caplog)
    assert text.count("maxPollingInterval is 0:01:00") == 1
    assert text.count("maxDequeueCount is 5") == 1


def test_the_settings_of_this_repository_are_not_slow(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    app = df.DFApp()
    app.durable.folder = Path(__file__).parent.parent.parent
    add_activity(app)
    assert advised(app, monkeypatch, caplog) == ""


@pytest.mark.parametrize(
    ("name", "route", "said"),
    [
        ("all", "{*path}", "takes requests for the management API"),
        ("all", "{tenant}/{*path}", "takes requests for the management API"),
        ("z_all", "{*path}", None),
        ("all", "things/{id}", None),
        ("zebra", "durabletask/mine", "gets no requests"),
    ],
)
def test_routes_that_collide_are_named(
    app: df.DFApp,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    name: str,
    route: str,
    said: str | None,
) -> None:
    add_client(app)

    @app.function_name(name)
    @app.route(route=route)
    def function(req: func.HttpRequest) -> str:
        return ""

    text = advised(app, monkeypatch, caplog)
    assert (said in text) if said else (repr(name) not in text)


def test_the_folder_is_that_of_host_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("module_of_an_app")
    (tmp_path / "inner").mkdir()
    module.__file__ = str(tmp_path / "inner" / "module.py")
    app = vars(module)["app"] = df.DFApp()
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.chdir(tmp_path / "inner")
    assert app_folder(app, {}) != tmp_path
    (tmp_path / "host.json").write_text("{}")
    assert app_folder(app, {}) == tmp_path
    (tmp_path / "inner" / "host.json").write_text("{}")
    assert app_folder(app, {}) == tmp_path / "inner"
    assert app_folder(app, {"AzureWebJobsScriptRoot": str(tmp_path)}) == tmp_path


def test_a_delivery_is_what_the_queue_said() -> None:
    delivery = delivery_of(message(b'{"v": 1}', "abc", 3))
    assert (delivery.body, delivery.message_id, delivery.dequeue_count) == (b'{"v": 1}', "abc", 3)


@pytest.mark.parametrize(
    "body", [b'{"id": "known"}', b'{"Id": 1}', b'{"\\u0069d": "known"}', b'{"dequeueCOUNT": 1}']
)
def test_a_body_that_overwrites_its_metadata_is_taken_as_redelivered(body: bytes) -> None:
    first, second = (delivery_of(message(body, "known", 1)) for _ in range(2))
    assert first.dequeue_count == 2
    assert len({"known", first.message_id, second.message_id}) == 3


def message(body: bytes, message_id: str, count: int) -> func.QueueMessage:
    made: Callable[..., func.QueueMessage] = QueueMessage
    return made(id=message_id, body=body, dequeue_count=count)
