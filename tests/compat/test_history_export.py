"""`durabletask.extensions.history_export`."""

from __future__ import annotations

import gzip
import json
import re
import sys
from datetime import timedelta
from typing import Any
from unittest.mock import MagicMock

import pytest
from azure.core.exceptions import ResourceExistsError

import durable as df
from durable.client.builtin import bind_client
from durable.compat.sync_client import SyncDurableFunctionsClient
from durable.compat.task_hub_client import AsyncTaskHubGrpcClient
from durable.compat.v2.history_export import writer_face
from durable.exporting.formats import content_of
from durable.model.instance import InstanceStatus
from tests.compat.exporting import BEGIN, END, Shelf, while_it_writes
from tests.compat.running import aliased, hub_of
from tests.compat.test_sync_client import in_a_thread


def functions(writer: Any) -> df.DFApp:
    app = df.DFApp()
    app.configure_history_export(writer=writer)

    @app.orchestration_trigger(context_name="context")
    def report(context: Any) -> Any:
        return 1

    return app


async def test_a_batch_through_the_blocking_client() -> None:
    with aliased():
        from durabletask.client import OrchestrationStatus  # type: ignore[import-not-found]
        from durabletask.extensions.history_export import (  # type: ignore[import-not-found]
            ExportDestination,
            ExportHistoryClient,
            ExportJobCreationOptions,
            ExportJobNotFoundError,
            ExportJobQuery,
            ExportJobStatus,
            ExportMode,
        )
    shelf = Shelf()
    async with hub_of(functions(shelf)) as hub:
        bind_client(hub.registry, hub.client)
        for name in ("a", "b"):
            await hub.client.start_new("report", name)
        await hub.run(30)
        exports = ExportHistoryClient(SyncDurableFunctionsClient(hub.client), shelf)
        options = ExportJobCreationOptions(
            ExportMode.BATCH,
            BEGIN,
            ExportDestination("exports", "june"),
            END,
            [OrchestrationStatus.COMPLETED],
            max_instances_per_batch=1,
        )

        def work() -> None:
            created = exports.create_job(options, job_id="j")
            assert created.status is ExportJobStatus.ACTIVE
            assert created.orchestrator_instance_id == "export-job-j"
            done = exports.get_job_client("j").wait(timeout=3600)
            assert (done.status, done.exported_instances) == (ExportJobStatus.COMPLETED, 2)
            assert done.config.destination == options.destination
            assert done.config.filter.completed_time_to == END
            assert [job.job_id for job in exports.list_jobs()] == ["j"]
            failed = ExportJobQuery(status=[ExportJobStatus.FAILED])
            assert list(exports.list_jobs(failed)) == []
            exports.delete_job("j")
            exports.cancel_job("j")
            assert exports.get_job("j") is None
            with pytest.raises(ExportJobNotFoundError, match="'j' was not found"):
                exports.wait_for_job("j", timeout=1)

        await in_a_thread(hub, work)
        assert sorted(shelf.instances) == ["a", "b"]
        assert all(name.startswith("exports/june/") for name in shelf.files)


async def test_failures_and_a_second_job_of_an_id() -> None:
    with aliased():
        from durabletask.extensions.history_export import (
            AsyncExportHistoryClient,
            ExportDestination,
            ExportJobCreationOptions,
            ExportJobInvalidTransitionError,
            ExportJobStatus,
            ExportMode,
        )
    shelf = Shelf()
    shelf.broken = "b"
    async with hub_of(functions(shelf)) as hub:
        bind_client(hub.registry, hub.client)
        for name in ("a", "b"):
            await hub.client.start_new("report", name)
        await hub.run(30)
        exports = AsyncExportHistoryClient(AsyncTaskHubGrpcClient(hub.client), shelf)
        destination = ExportDestination("c")
        batch = ExportJobCreationOptions(ExportMode.BATCH, BEGIN, destination, END)
        await exports.create_job(batch, job_id="j")
        done = await while_it_writes(hub, exports.wait_for_job("j", timeout=36000))
        assert (done.status, done.failed_instances) == (ExportJobStatus.FAILED, 1)
        assert "b: OSError: full" in done.last_error
        tail = ExportJobCreationOptions(ExportMode.CONTINUOUS, END + timedelta(1), destination)
        await exports.create_job(tail, job_id="t")
        with pytest.raises(ExportJobInvalidTransitionError, match="'create'"):
            await exports.create_job(tail, job_id="t")


@pytest.mark.parametrize("mode", ["BATCH", "CONTINUOUS"])
def test_bad_options(mode: str) -> None:
    from durable.compat.v2.history_export_models import (
        ExportDestination,
        ExportJobCreationOptions,
        ExportMode,
    )

    end = END if mode == "CONTINUOUS" else None
    options = ExportJobCreationOptions(ExportMode[mode], BEGIN, ExportDestination("c"), end)
    with pytest.raises(ValueError, match="completed_time_to is"):
        options.to_configuration()
    with pytest.raises(ValueError, match="container"):
        ExportDestination("")


def test_blobs(monkeypatch: pytest.MonkeyPatch) -> None:
    with aliased():
        from durabletask.extensions.history_export.azure_blob import (  # type: ignore[import-not-found]
            AzureBlobHistoryExportWriter,
            AzureBlobHistoryExportWriterOptions,
        )
    options = AzureBlobHistoryExportWriterOptions("exports", "UseDevelopmentStorage=true")
    monkeypatch.setitem(sys.modules, "azure.storage.blob", None)
    with pytest.raises(ImportError, match="azure-storage-blob"):
        AzureBlobHistoryExportWriter(options)
    package = MagicMock()
    monkeypatch.setitem(sys.modules, "azure.storage.blob", package)
    service = package.BlobServiceClient.from_connection_string.return_value
    service.create_container.side_effect = ResourceExistsError
    writer = AzureBlobHistoryExportWriter(options)
    native = writer_face(writer)
    assert native is not None
    status = InstanceStatus("a", "report", df.OrchestrationRuntimeStatus.COMPLETED, BEGIN, END)
    for number in range(2):
        content = content_of(status, [], "jsonl.gz")
        native.write(f"c/june/a-{number}.jsonl.gz", content, "application/jsonl", "gzip")
    service.create_container.assert_called_once_with("exports")
    upload = service.get_container_client.return_value.upload_blob
    assert upload.call_count == 2
    given = upload.call_args.kwargs
    assert re.fullmatch(r"june/[0-9a-f]{64}\.jsonl\.gz", given["name"])
    assert given["overwrite"] is True
    assert json.loads(gzip.decompress(given["data"]))["instance_id"] == "a"
    assert given["metadata"] == {"instance_id": "a"}
    package.ContentSettings.assert_called_with(
        content_type="application/x-ndjson", content_encoding="gzip"
    )
    with pytest.raises(ValueError, match="either"):
        AzureBlobHistoryExportWriterOptions("exports")
    with pytest.raises(ValueError, match="credential"):
        AzureBlobHistoryExportWriterOptions("exports", account_url="https://x")
