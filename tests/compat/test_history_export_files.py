"""What durabletask's history export writes, through the clients of single jobs."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Generator
from datetime import datetime
from functools import partial
from typing import Any

import pytest

from durable.client.builtin import bind_client
from durable.codec import decode
from durable.compat import apps
from durable.compat.sync_client import SyncDurableFunctionsClient
from durable.compat.task_hub_client import AsyncTaskHubGrpcClient
from tests.compat.exporting import BEGIN, END, Shelf, while_it_writes
from tests.compat.running import aliased, hub_of
from tests.compat.test_sync_client import in_a_thread

with aliased():
    from durabletask.extensions import history_export as export  # type: ignore[import-not-found]

Code = Generator[Any, Any, Any]


def functions(writer: Any) -> apps.DFApp:
    app = apps.DFApp()
    app.configure_history_export(writer=writer)

    @app.activity_trigger(input_name="item")
    def price(item: str) -> float:
        if item == "nothing":
            raise LookupError(item)
        return 1.5

    @app.orchestration_trigger(context_name="context")
    def order(ctx: Any, item: str) -> Code:
        ctx.set_custom_status("pricing")
        return (yield ctx.call_activity("price", input=item))

    return app


def options(kind: Any, prefix: str | None = None) -> Any:
    return export.ExportJobCreationOptions(
        mode=export.ExportMode.BATCH,
        completed_time_from=BEGIN,
        completed_time_to=END,
        destination=export.ExportDestination("exports", prefix),
        format=export.ExportFormat(kind),
    )


async def test_a_document_for_each_instance() -> None:
    writer = Shelf()
    assert isinstance(writer, export.HistoryWriter)
    async with hub_of(functions(writer)) as hub:
        bind_client(hub.registry, hub.client)
        for item in ("tea", "nothing"):
            await hub.client.start_new("order", item, item)
        await hub.run(30)
        client = export.ExportHistoryClient(SyncDurableFunctionsClient(hub.client), writer)

        def work() -> None:
            client.create_job(options(export.ExportFormatKind.JSON, "june"), job_id="j")
            job = client.get_job_client("j")
            assert isinstance(job, export.ExportHistoryJobClient)
            assert job.orchestrator_instance_id == export.orchestrator_instance_id_for("j")
            done = job.wait(timeout=3600)
            assert done.config.format.kind is export.ExportFormatKind.JSON
            assert done == job.describe()
            job.delete()
            assert job.describe() is None
            with pytest.raises(export.ExportJobError) as missing:
                job.wait(timeout=1)
            assert missing.value.job_id == "j"

        await in_a_thread(hub, work)
    assert writer.kinds == {("application/json", None)}
    documents = {each["instance_id"]: each for each in map(json.loads, writer.files.values())}
    assert set(documents) == {"tea", "nothing"}
    for name in writer.files:
        folder, _, file = name.rpartition("/")
        assert folder == "exports/june"
        assert len(file) == 64 + len(".json")
    tea, nothing = documents["tea"], documents["nothing"]
    assert set(tea) == {"schema_version", "instance_id", "metadata", "events"}
    assert tea["schema_version"] == "1.0"
    assert [event["event_type"] for event in tea["events"]] == [
        "ExecutionStartedEvent",
        "TaskScheduledEvent",
        "TaskCompletedEvent",
        "ExecutionCompletedEvent",
    ]
    assert tea["events"][2]["result"] == "1.5"
    assert (
        tea["metadata"].items()
        >= {
            "name": "order",
            "runtime_status": "COMPLETED",
            "serialized_input": '"tea"',
            "serialized_output": "1.5",
            "serialized_custom_status": '"pricing"',
            "failure_details": None,
        }.items()
    )
    assert datetime.fromisoformat(tea["metadata"]["created_at"]).tzinfo is not None
    failure = nothing["metadata"]["failure_details"]
    assert failure["inner_failure"]["error_type"] == "LookupError"
    assert nothing["events"][2]["failure_details"]["message"] == "nothing"


async def test_lines_for_each_instance_and_the_async_client_of_a_job() -> None:
    writer = Shelf()
    async with hub_of(functions(writer)) as hub:
        bind_client(hub.registry, hub.client)
        await hub.client.start_new("order", "tea", "tea")
        await hub.run(30)
        client = export.AsyncExportHistoryClient(AsyncTaskHubGrpcClient(hub.client), writer)
        await client.create_job(options(export.ExportFormatKind.JSONL_GZIP), job_id="j")
        job = client.get_job_client("j")
        assert isinstance(job, export.AsyncExportHistoryJobClient)
        done = await while_it_writes(hub, job.wait(timeout=36000))
        assert done.exported_instances == 1
        found = await job.describe()
        assert found is not None
        assert found.status is export.ExportJobStatus.COMPLETED
        driving = await hub.client.get_status(job.orchestrator_instance_id)
        assert driving is not None
        await job.delete()
        assert await job.describe() is None
    assert writer.kinds == {("application/x-ndjson", "gzip")}
    ((name, payload),) = writer.files.items()
    assert name.startswith("exports/")
    assert name.endswith(".jsonl.gz")
    head, *events = [decode(line) for line in gzip.decompress(payload).decode().splitlines()]
    assert (head["kind"], head["instance_id"]) == ("metadata", "tea")
    assert [event["event_type"] for event in events][-1] == "ExecutionCompletedEvent"


async def test_a_continuous_job_goes_on_with_what_ends_later() -> None:
    writer = Shelf()
    async with hub_of(functions(writer)) as hub:
        bind_client(hub.registry, hub.client)
        client = export.AsyncExportHistoryClient(AsyncTaskHubGrpcClient(hub.client), writer)
        given = export.ExportJobCreationOptions(
            export.ExportMode.CONTINUOUS, BEGIN, export.ExportDestination("all")
        )
        created = await client.create_job(given, job_id="j")
        assert created.config.mode is export.ExportMode.CONTINUOUS

        async def exported(number: int) -> bool:
            await asyncio.sleep(0)  # the writer is called in a thread
            return len(writer.files) == number

        for number in (1, 2):
            await hub.client.start_new("order", f"tea {number}", "tea")
            await hub.until(partial(exported, number), limit=36000)
        found = await client.get_job("j")
        assert found is not None
        assert (found.status, found.failures) == (export.ExportJobStatus.ACTIVE, [])
        deleting = asyncio.ensure_future(client.delete_job("j"))
        await hub.until(deleting.done)
        await hub.client.start_new("order", "tea 3", "tea")
        await hub.run(3600)
        assert len(writer.files) == 2


def test_names_and_errors() -> None:
    assert (export.ENTITY_NAME, export.ORCHESTRATOR_NAME) == (
        "ExportJobEntity",
        "export_job_orchestrator",
    )
    assert export.ExportHistoryClient.entity_name == export.ENTITY_NAME
    assert export.AsyncExportHistoryClient.orchestrator_name == export.ORCHESTRATOR_NAME
    with pytest.raises(ValueError, match="job_id"):
        export.orchestrator_instance_id_for("")
    moved = export.ExportJobInvalidTransitionError("create", "Active", "Active", job_id="j")
    missing = export.ExportJobNotFoundError("j")
    assert isinstance(moved, ValueError)
    assert isinstance(missing, LookupError)
    for error in (moved, missing):
        assert isinstance(error, export.ExportJobError)
        assert error.job_id == "j"
    assert export.ExportFormat() == export.ExportFormat(export.ExportFormatKind("JsonlGzip"), "1.0")
