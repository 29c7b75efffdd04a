"""Apps of each style as they stand in a folder: imported, indexed and run."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import azure.functions as func
import pytest

import durable as df
from durable.codec import decode
from durable.compat.client import DurableFunctionsClient
from durable.compat.sync_client import SyncDurableFunctionsClient
from durable.compat.v1.handles import Entity, Orchestrator, orchestrator_generator_wrapper
from durable.compat.v2.worker import TaskHubGrpcWorker
from durable.errors import ConfigurationError, DefinitionError
from durable.host import DurableHost
from tests.compat.running import aliased, run
from tests.memory_hub import MemoryHub

STYLES = ["one_x", "two_x", "plain"]
EXPECTED = {"greetings": ["Hello Rome", "Hello Oslo"], "total": 20, "last": "Hello you"}


class Links:
    def payload(self, instance_id: str) -> dict[str, str]:
        return {"id": instance_id, "statusQueryGetUri": f"http://links/{instance_id}"}


@pytest.fixture(params=STYLES)
def module(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    name = f"tests.compat.apps.{request.param}"
    (tmp_path / "host.json").write_text('{"version": "2.0"}')
    with aliased():
        sys.modules.pop(name, None)
        module: Any = importlib.import_module(name)
        durable = vars(module.app).setdefault("durable", df.DFApp().durable)
        durable.folder = tmp_path
        yield module
    sys.modules.pop(name, None)


async def test_an_app_runs_unchanged(module: Any) -> None:
    functions = {each.get_function_name(): each for each in module.app.get_functions()}
    kinds = {name: each.get_trigger().type for name, each in functions.items()}
    assert kinds["http_start"] == kinds["http_status"] == "httpTrigger"
    assert kinds["greet"] == kinds["durable_control_00"] == "queueTrigger"
    hub = MemoryHub()
    hub.registry = module.app.durable.registry
    async with hub:
        hub.client._links = Links()
        module.app.durable.attach(cast(DurableHost, SimpleNamespace(client=hub.client)))
        start, status = (functions[n].get_user_function() for n in ("http_start", "http_status"))
        body = json.dumps(["Rome", "Oslo"]).encode()
        params = {"functionName": "pipeline"}
        response = await start(req=_request(params, body))
        assert response.status_code == 202
        ended = await hub.wait("one")
        assert decode(ended.output) == EXPECTED
        answer = await status(req=_request({"id": "one"}))
        assert answer.get_body().decode().lower() == "completed"


def test_an_app_is_indexed_any_number_of_times(module: Any) -> None:
    first, second = (
        [each.get_function_name() for each in module.app.get_functions()] for _ in range(2)
    )
    assert first == second
    assert set(module.app.durable.registry.orchestrators) == {"pipeline"}
    assert set(module.app.durable.registry.entities) == {"tally"}


def _request(params: dict[str, str], body: bytes = b"") -> func.HttpRequest:
    return func.HttpRequest("POST", "http://localhost/api", route_params=params, body=body)


def test_the_plain_function_is_found_as_unit_tests_of_such_apps_do() -> None:
    app = df.DFApp()

    @app.orchestration_trigger(context_name="context")
    def chain(context: Any) -> Any:
        one = yield context.call_activity("act", 1)
        try:
            yield context.call_activity("act", one)
        except ValueError as error:
            return [one, str(error)]

    @app.entity_trigger(context_name="context")
    def entity(context: Any) -> None: ...

    @app.route(route="x")
    @app.durable_client_input(client_name="client")
    async def start(req: Any, client: Any) -> None: ...

    tasks = iter([SimpleNamespace(result="one"), SimpleNamespace(result=ValueError("so"))])
    context = SimpleNamespace(call_activity=lambda *_: next(tasks))
    builder: Any = chain
    generator = builder.build().get_user_function().orchestrator_function(context)
    *_, last = orchestrator_generator_wrapper(generator)
    assert last == ["one", "so"]
    for decorated, attribute in ((entity, "entity_function"), (start, "client_function")):
        built: Any = decorated
        assert callable(getattr(built.build().get_user_function(), attribute))


@pytest.mark.parametrize("kind", [Orchestrator, Entity])
def test_functions_of_function_json_say_what_to_do(kind: Any) -> None:
    main = kind.create(lambda context: None)
    with pytest.raises(DefinitionError, match=r"function_app\.py"):
        main("context")


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        (None, DurableFunctionsClient),
        (df.DurableOrchestrationClient, df.DurableOrchestrationClient),
        (DurableFunctionsClient, DurableFunctionsClient),
        (SyncDurableFunctionsClient, SyncDurableFunctionsClient),
    ],
)
async def test_a_client_is_what_the_function_asks_for(
    annotation: Any, expected: type, tmp_path: Path
) -> None:
    app = df.DFApp()
    app.durable.folder = tmp_path

    async def start(req: func.HttpRequest, client: Any) -> Any:
        return client

    if annotation is None:
        del start.__annotations__["client"]
    else:
        start.__annotations__["client"] = annotation
    app.route(route="x")(app.durable_client_input(client_name="client")(start))
    hub = MemoryHub()
    async with hub:
        app.durable.attach(cast(DurableHost, SimpleNamespace(client=hub.client)))
        (shown,) = [f for f in app.get_functions() if f.get_function_name() == "start"]
        assert type(await shown.get_user_function()(req=None)) is expected


@pytest.mark.parametrize("client_above", [True, False])
async def test_an_activity_may_have_a_client(client_above: bool, tmp_path: Path) -> None:
    app = df.DFApp()
    app.durable.folder = tmp_path
    trigger = app.activity_trigger(input_name="prefix")
    binding = app.durable_client_input(client_name="client")

    def count(prefix: str, client: Any) -> int:
        return len(client.get_status_by(instance_id_prefix=prefix))

    binding(trigger(count)) if client_above else trigger(binding(count))

    @app.orchestration_trigger(context_name="context")
    def ask(context: Any) -> Any:
        return (yield context.call_activity("count", context.instance_id))

    app.get_functions()
    hub = MemoryHub()
    hub.registry = app.durable.registry
    async with hub:
        app.durable.attach(cast(DurableHost, SimpleNamespace(client=hub.client)))
        instance_id = await hub.client.start_new("ask")
        assert (await hub.wait(instance_id)).output == "1"


def test_an_activity_whose_second_parameter_nothing_fills_is_refused(tmp_path: Path) -> None:
    app = df.DFApp()
    app.durable.folder = tmp_path

    @app.activity_trigger(input_name="value")
    def wanting(value: int, client: Any) -> None: ...

    with pytest.raises(DefinitionError, match="'client' can have none"):
        app.get_functions()


async def test_what_a_durabletask_worker_collects_is_an_app() -> None:
    def act(ctx: Any, input: int) -> int:
        return input + 1

    def orchestrate(ctx: Any, input: int) -> Any:
        return (yield ctx.call_activity(act, input=input))

    with TaskHubGrpcWorker(host_address="localhost:4001") as worker:
        assert worker.add_activity(act) == "act"
        assert worker.add_orchestrator(orchestrate) == "orchestrate"
        assert worker.add_entity(lambda ctx, given: given, name="Some") == "some"
        with pytest.raises(ConfigurationError, match="durable start"):
            worker.start()
    assert await run(worker.app, "orchestrate", 1) == 2


async def test_an_activity_may_ask_for_its_invocation() -> None:
    app = df.DFApp()

    @app.activity_trigger(input_name="name")
    def greet(name: str, context: func.Context) -> list[str]:
        assert context.invocation_id
        return [name, context.function_name]

    @app.orchestration_trigger(context_name="context")
    def hello(context: Any) -> Any:
        return (yield context.call_activity("greet", "you"))

    assert await run(app, "hello") == ["you", "greet"]
