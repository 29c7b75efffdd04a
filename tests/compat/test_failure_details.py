"""`FailureDetails` and `ExceptionPropertiesProvider`, through activities, entities and children."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import pytest

import durable as df
from durable.codec import decode
from durable.compat.v2.worker import TaskHubGrpcWorker
from durable.errors import DefinitionError, EntityOperationFailedError
from tests.compat.running import aliased
from tests.memory_hub import MemoryHub


class Declined(ValueError):
    def __init__(self, code: int) -> None:
        super().__init__(f"declined with {code}")
        self.code = code


class Codes:
    def get_exception_properties(self, exception: Exception) -> Mapping[str, Any] | None:
        return {"code": exception.code} if isinstance(exception, Declined) else None


def functions(worker: TaskHubGrpcWorker) -> None:
    def charge(context: Any, code: int) -> None:
        raise Declined(code)

    def till(context: Any, code: int) -> None:
        raise Declined(code)

    def child(context: Any, code: int) -> Any:
        yield context.call_activity("charge", input=code)

    def flow(context: Any, _: Any) -> Any:
        found = []
        for call in (
            context.call_activity("charge", input=1),
            context.call_sub_orchestrator("child", input=2),
            context.call_entity(df.EntityInstanceId("till", "a"), "pay", 3),
        ):
            try:
                yield call
            except df.TaskFailedError as error:
                details: Any = error.details
                while details.inner_failure is not None:
                    details = details.inner_failure
                found.append([type(error).__name__, details.properties])
        return found

    def ends(context: Any, _: Any) -> Any:
        yield context.create_timer(context.current_utc_datetime)
        raise Declined(4) from LookupError("no card")

    for each in (child, flow, ends):
        worker.add_orchestrator(each)
    worker.add_activity(charge)
    worker.add_entity(till)


async def test_failures_carry_what_the_provider_says() -> None:
    worker = TaskHubGrpcWorker(exception_properties_provider=Codes())
    functions(worker)
    assert worker.app.durable.exceptions is not None
    hub = MemoryHub()
    hub.registry = worker.app.durable.registry.described_by(worker.app.durable.exceptions)
    async with hub:
        done = await hub.wait(await hub.client.start_new("flow"))
        assert decode(done.output, None) == [
            ["ActivityFailedError", {"code": 1}],
            ["SubOrchestrationFailedError", {"code": 2}],
            [EntityOperationFailedError.__name__, {"code": 3}],
        ]
        failed = await hub.wait(await hub.client.start_new("ends"))
        assert failed.failure is not None
        assert failed.failure.properties == {"code": 4}
        assert failed.failure.inner_failure is not None
        assert failed.failure.inner_failure.properties is None


async def test_a_host_is_opened_with_the_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Any] = []

    async def open_host(settings: Any, registry: Any, **_: Any) -> Any:
        opened.append(registry)

    monkeypatch.setattr("durable.host.DurableHost.open", open_host)
    app = df.DFApp()

    @app.activity_trigger(input_name="value")
    def act(value: int) -> int:
        return value

    await app.durable.open(None)  # type: ignore[arg-type]
    provider = Codes()
    app.configure_exception_properties(provider)
    await app.durable.open(None)  # type: ignore[arg-type]
    assert [each.activity("act").exceptions for each in opened] == [None, provider]


def test_a_provider_that_is_none_is_refused() -> None:
    with pytest.raises(DefinitionError, match="get_exception_properties"):
        df.DFApp().configure_exception_properties(lambda error: {})  # type: ignore[arg-type]


def test_the_names_are_those_of_durabletask() -> None:
    with aliased():
        task: Any = importlib.import_module("durabletask.task")
        durabletask: Any = importlib.import_module("durabletask")
        details = task.FailureDetails(
            message="no",
            error_type="ValueError",
            stack_trace=None,
            inner_failure=task.FailureDetails("in", "OSError", None),
            properties={"a": 1},
        )
        assert durabletask.ExceptionPropertiesProvider is df.ExceptionPropertiesProvider
    assert details.properties == {"a": 1}
    assert details.is_caused_by(OSError)
