"""What warns, where, how often, and what does not."""

from __future__ import annotations

import asyncio
import inspect
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import azure.functions as func
import pytest

import durable as df
from durable.compat import warnings as ours
from durable.compat.client import DurableFunctionsClient, DurableOrchestrationClient
from durable.compat.sync_client import SyncDurableFunctionsClient, TaskHubGrpcClient
from durable.compat.task_hub_client import AsyncTaskHubGrpcClient
from durable.compat.warnings import (
    DurableDeprecationWarning,
    DurableFunctionsCompatibilityWarning,
)
from durable.errors import DefinitionError
from tests.compat.running import hub_of
from tests.memory_hub import MemoryHub
from tools.processes import ROOT


@pytest.fixture(autouse=True)
def _nothing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ours, "_told", set())


@contextmanager
def recorded() -> Iterator[list[warnings.WarningMessage]]:
    """With filters that let each warning through, each time."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        yield found


def line_of(function: Callable[..., Any], text: str) -> int:
    """Where a line of a function is in this file."""
    lines, first = inspect.getsourcelines(function)
    return first + next(at for at, line in enumerate(lines) if text in line)


def shown(found: list[warnings.WarningMessage]) -> list[tuple[str, int]]:
    assert {each.filename for each in found} <= {__file__}
    return [(str(each.message).split("(")[0].split()[0], each.lineno) for each in found]


async def test_an_orchestrator_is_told_once_for_each_line_however_often_it_is_replayed() -> None:
    app, tries, runs = df.DFApp(), [0], [0]

    @app.activity_trigger(input_name="value")
    def flaky(value: int) -> int:
        tries[0] += 1
        if tries[0] < 3:
            raise ValueError("not yet")
        return value + 1

    @app.orchestration_trigger(context_name="context")
    def inner(context: Any) -> Any:
        yield context.create_timer(context.current_utc_datetime + timedelta(hours=1))
        return 1

    def flow(context: Any) -> Any:
        runs[0] += 1
        options = df.RetryOptions(1000, 3)
        one = yield context.call_activity_with_retry("flaky", options, 1)
        two = yield context.call_sub_orchestrator_with_retry("inner", options)
        yield context.wait_for_external_event("go")
        return one + two

    app.orchestration_trigger(context_name="context")(flow)
    with recorded() as found:
        async with hub_of(app) as hub:
            for each in ("a", "b"):
                await hub.client.start_new("flow", each)
            await hub.run(5)
            await hub.kill(hub.runtimes[0])
            await hub.add_runtime()
            await hub.run(4000)
            for each in ("a", "b"):
                await hub.outside.raise_event(each, "go")
                assert (await hub.wait(each)).output == "3"
    assert runs[0] > 2
    assert shown(found) == [
        ("RetryOptions", line_of(flow, "RetryOptions(")),
        ("call_activity_with_retry", line_of(flow, "call_activity_with_retry(")),
        ("call_sub_orchestrator_with_retry", line_of(flow, "call_sub_orchestrator_with_retry(")),
    ]
    assert {each.category for each in found} == {DurableDeprecationWarning}


async def old_calls(client: Any) -> None:
    for _ in range(3):
        await client.get_status_all()
        await client.get_status_by(instance_id_prefix="a")


async def test_awaited_methods_name_the_line_that_awaits_them() -> None:
    async with MemoryHub() as hub:
        with recorded() as found:
            await old_calls(DurableFunctionsClient(hub.client))
    assert shown(found) == [
        ("get_status_all", line_of(old_calls, "get_status_all")),
        ("get_status_by", line_of(old_calls, "get_status_by")),
    ]


async def test_blocking_methods_name_the_line_that_waits() -> None:
    async with MemoryHub() as hub:
        client = SyncDurableFunctionsClient(hub.client)

        def work() -> None:
            for _ in range(2):
                client.get_status_all()

        with recorded() as found:
            await asyncio.to_thread(work)
    assert shown(found) == [("get_status_all", line_of(work, "get_status_all"))]


async def test_clients_that_need_not_be_made() -> None:
    async with MemoryHub() as hub:
        client = DurableFunctionsClient(hub.client)

        def make() -> None:
            DurableOrchestrationClient(client)
            TaskHubGrpcClient(host_address=client.rpcBaseUrl)
            AsyncTaskHubGrpcClient(host_address=client.rpcBaseUrl)

        with recorded() as found:
            make()
    first, *others = found
    assert "can be used as it is" in str(first.message)
    assert all("durable_client_input" in str(each.message) for each in others)
    assert [each.lineno for each in found] == [
        line_of(make, text) for text in ("Orchestration", " TaskHub", "Async")
    ]


@pytest.mark.parametrize("kind", [df.Orchestrator, df.Entity])
def test_function_json_apps_are_told_at_once_and_by_durable_functions_own_category(
    kind: Any,
) -> None:
    def main(context: Any) -> None:
        """Never called."""

    with pytest.warns(DurableFunctionsCompatibilityWarning, match=r"function_app\.py") as found:
        handle = kind.create(main)
    assert found[0].filename == __file__
    with pytest.raises(DefinitionError, match=r"function_app\.py"):
        handle(None)


def test_an_error_stays_one() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(2):
            with pytest.raises(DurableDeprecationWarning):
                df.RetryOptions(1000, 3)


def test_methods_are_still_coroutine_functions_for_mocks() -> None:
    assert inspect.iscoroutinefunction(DurableFunctionsClient.get_status_by)
    assert list(inspect.signature(df.RetryOptions).parameters) == [
        "first_retry_interval_in_milliseconds",
        "max_number_of_attempts",
    ]


async def test_a_native_app_sees_none(tmp_path: Path) -> None:
    (tmp_path / "host.json").write_text('{"version": "2.0"}')
    app = df.DFApp()
    app.durable.folder = tmp_path

    @app.activity_trigger(input_name="value")
    async def act(value: int) -> int:
        return value + 1

    @app.orchestration_trigger(context_name="context")
    async def flow(context: df.DurableOrchestrationContext) -> int:
        retry = df.RetryPolicy(first_retry_interval=timedelta(seconds=1), max_number_of_attempts=3)
        return int(await context.call_activity(act, 1, retry=retry))

    @app.route(route="start")
    @app.durable_client_input(client_name="client")
    async def begin(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> Any:
        instance_id = await client.start_new(flow)
        assert not (await client.get_status(instance_id)).output
        return [each.instance_id async for each in client.list_instances()]

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        async with hub_of(app) as hub:
            app.durable.attach(cast(Any, SimpleNamespace(client=hub.client)))
            start, *_ = app.get_functions()
            request = func.HttpRequest("GET", "/", body=b"")
            (instance_id,) = await start.get_user_function()(req=request)
            assert (await hub.wait(instance_id)).output == "2"


@pytest.mark.parametrize(
    ("options", "is_shown"), [([], True), (["-W", "ignore::DeprecationWarning"], False)]
)
def test_the_layer_shows_them_unless_python_was_told_otherwise(
    tmp_path: Path, options: list[str], is_shown: bool
) -> None:
    (tmp_path / "app.py").write_text("import durable as df\ndf.RetryOptions(1000, 3)\n")
    done = subprocess.run(
        [sys.executable, *options, "-c", "import durable.compat.activate, app"],
        cwd=tmp_path,
        env={"PYTHONPATH": f"{ROOT}:{tmp_path}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ("app.py:2: DurableDeprecationWarning: RetryOptions" in done.stderr) is is_shown
