"""What apps pass along for gRPC and its worker: taken, kept, and without effect."""

from __future__ import annotations

import os
from collections.abc import Generator
from datetime import UTC, datetime
from typing import Any

import pytest

from durable.compat import apps
from durable.compat.client import DurableFunctionsClient
from durable.errors import UnknownFunctionError
from tests.compat.running import aliased, hub_of, outcome, result

with aliased():
    import durabletask  # type: ignore[import-not-found]
    from azure.durable_functions import (  # type: ignore[import-untyped]
        DurableFunctionsCompatibilityWarning,
    )
    from azure.durable_functions.http import (  # type: ignore[import-untyped]
        HttpManagementPayload,
    )
    from azure.durable_functions.internal import (  # type: ignore[import-untyped]
        azurefunctions_grpc_interceptor as functions_interceptor,
    )
    from azure.durable_functions.internal.serialization import (  # type: ignore[import-untyped]
        FunctionsDataConverter,
    )
    from azure.durable_functions.models import Task as tasks  # type: ignore[import-untyped]
    from azure.durable_functions.models.ReplaySchema import (  # type: ignore[import-untyped]
        ReplaySchema,
    )
    from durabletask import (
        client,
        entities,
        grpc_options,
        serialization,
        task,
        worker,
    )
    from durabletask.extensions import history_export as export  # type: ignore[import-not-found]
    from durabletask.internal import grpc_interceptor  # type: ignore[import-not-found]


Code = Generator[Any, Any, Any]
BEGIN, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)


def functions() -> apps.DFApp:
    app = apps.DFApp()

    @app.entity_trigger(context_name="context")
    def safe(ctx: Any, amount: int) -> int:
        if amount < 0:
            raise ValueError("less than nothing")
        return amount

    @app.orchestration_trigger(context_name="context")
    def use(ctx: Any, amount: int) -> Code:
        entity = entities.EntityInstanceId("safe", "one")
        lock = yield ctx.lock_entities([entity])
        assert isinstance(lock, entities.EntityLock)
        with lock as held:
            assert held is lock
            try:
                return (yield ctx.call_entity(entity, "put", amount))
            except entities.EntityOperationFailedException as error:
                return [error.details.error_type, error.details.message]

    return app


async def test_an_app_runs_with_all_of_it() -> None:
    async with hub_of(functions()) as hub:
        injected = DurableFunctionsClient(hub.client)
        hub_name, query = injected.taskHubName, injected.requiredQueryStringParameters
        mine = client.AsyncTaskHubGrpcClient(
            host_address=injected.rpcBaseUrl,
            secure_channel=False,
            metadata=[("a", "b")],
            interceptors=[
                functions_interceptor.AzureFunctionsAsyncDefaultClientInterceptorImpl(
                    hub_name, query
                ),
                grpc_interceptor.DefaultAsyncClientInterceptorImpl([("c", "d")]),
            ],
            channel_options=grpc_options.GrpcChannelOptions(
                max_receive_message_length=1024,
                retry_policy=grpc_options.GrpcRetryPolicyOptions(max_attempts=2),
            ),
            resiliency_options=grpc_options.GrpcClientResiliencyOptions(),
            data_converter=FunctionsDataConverter(),
        )
        instance_id = await mine.schedule_new_orchestration("use", input=3)
        assert result(await hub.wait(instance_id)) == 3
        assert await outcome(hub, "use", -1) == ["ValueError", "less than nothing"]


def test_options_keep_what_they_are_given() -> None:
    retry = durabletask.GrpcRetryPolicyOptions(max_attempts=2)
    channel = durabletask.GrpcChannelOptions(keepalive_time_ms=5, retry_policy=retry)
    assert (channel.keepalive_time_ms, channel.retry_policy.max_attempts) == (5, 2)
    assert channel.max_send_message_length is None
    assert retry.retryable_status_codes == ["UNAVAILABLE"]
    assert grpc_options.GrpcWorkerResiliencyOptions().channel_recreate_failure_threshold == 5
    assert grpc_options.GrpcClientResiliencyOptions().min_recreate_interval_seconds == 30.0
    interceptor = grpc_interceptor.DefaultClientInterceptorImpl([("a", "b")])
    assert interceptor.metadata == [("a", "b")]
    given = durabletask.ConcurrencyOptions(maximum_concurrent_activity_work_items=3)
    assert given.maximum_concurrent_activity_work_items == 3
    processors = os.cpu_count() or 1
    assert given.maximum_concurrent_entity_work_items == 100 * processors
    assert given.maximum_thread_pool_workers == processors + 4


def test_a_converter_by_itself() -> None:
    converter = serialization.DEFAULT_DATA_CONVERTER
    assert isinstance(converter, serialization.JsonDataConverter)
    assert isinstance(FunctionsDataConverter(), serialization.DataConverter)
    query = client.EntityQuery(instance_id_starts_with="@safe")
    text = converter.serialize(query)
    assert converter.deserialize(text, client.EntityQuery) == query
    assert converter.coerce({"include_state": False}, client.EntityQuery).include_state is False
    assert (converter.serialize(None), converter.deserialize(None, int)) == (None, None)
    assert (converter.deserialize('"5"', int), converter.deserialize('"five"', int)) == (5, "five")
    assert converter.can_reconstruct(client.EntityQuery)
    with pytest.raises(TypeError, match="abstract"):
        serialization.DataConverter()


async def test_names_that_nobody_registered() -> None:
    missing = (
        worker.OrchestratorNotRegisteredError,
        worker.ActivityNotRegisteredError,
        worker.EntityNotRegisteredError,
    )
    assert set(missing) == {UnknownFunctionError}
    async with hub_of(functions()) as hub:
        with pytest.raises(missing, match="no orchestrator is named 'other'") as raised:
            await DurableFunctionsClient(hub.client).schedule_new_orchestration("other")
        assert isinstance(raised.value, ValueError)


def test_errors_and_enumerations_that_are_only_named() -> None:
    assert issubclass(entities.EntityOperationFailedException, task.TaskFailedError)
    for error in (task.OrchestrationStateError, DurableFunctionsCompatibilityWarning):
        assert issubclass(error, Exception)
    assert [each.value for each in ReplaySchema] == [0, 1, 2]
    assert not issubclass(task.RetryableTask, task.TimerTask)
    assert issubclass(tasks.LongTimerTask, tasks.TimerTask)
    assert issubclass(tasks.RetryAbleTask, tasks.WhenAllTask)


def test_the_configuration_of_an_export_job_is_checked_when_it_is_made() -> None:
    chosen = export.ExportFilter(BEGIN, END)
    assert [each.name for each in chosen.effective_runtime_status()] == [
        "COMPLETED",
        "FAILED",
        "TERMINATED",
    ]
    destination = export.ExportDestination("c")
    config = export.ExportJobConfiguration(export.ExportMode.BATCH, chosen, destination)
    assert (config.format, config.max_instances_per_batch) == (export.ExportFormat(), 100)
    assert config.format.kind.value == "JsonlGzip"
    running = client.OrchestrationStatus.RUNNING
    for wrong, says in (
        ({"max_instances_per_batch": 0}, "max_instances_per_batch"),
        ({"max_parallel_exports": 0}, "max_parallel_exports"),
        ({"filter": export.ExportFilter(END, BEGIN)}, "greater"),
        ({"filter": export.ExportFilter(BEGIN, END, [running])}, "terminal"),
    ):
        with pytest.raises(ValueError, match=says):
            export.ExportJobConfiguration(**{**vars(config), **wrong})
    failure = export.ExportFailure("one", "full", 3, END)
    job = export.ExportJobDescription(
        "j", export.ExportJobStatus.FAILED, None, None, config, None, 1, 0, 1, "full",
        export.ExportCheckpoint("one"), END, [failure],
    )  # fmt: skip
    assert (job.checkpoint.last_instance_key, job.failures) == ("one", [failure])


def test_links_are_a_mapping() -> None:
    links = HttpManagementPayload({"id": "one", "statusQueryGetUri": "http://x/one"})
    assert {**links} == links.urls == links.to_json()
    assert str(links) == '{"id": "one", "statusQueryGetUri": "http://x/one"}'
