"""Histories are written to a folder: once, or as long as nobody deletes the job."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import azure.durable_functions as df
import azure.functions as func
from durabletask.extensions.history_export import (
    ExportDestination,
    ExportFormat,
    ExportFormatKind,
    ExportHistoryClient,
    ExportJobCreationOptions,
    ExportJobInvalidTransitionError,
    ExportMode,
)

bp = df.Blueprint()


class FolderWriter:
    def write(
        self,
        *,
        instance_id,
        container,
        blob_name,
        payload,
        content_type,
        content_encoding,
        metadata=None,
    ):
        path = Path(os.environ["EXPORTS"]) / container / blob_name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(payload)


def _options(action: str, job_id: str) -> ExportJobCreationOptions:
    now = datetime.now(UTC)
    is_batch = action == "batch"
    return ExportJobCreationOptions(
        mode=ExportMode.BATCH if is_batch else ExportMode.CONTINUOUS,
        completed_time_from=now - timedelta(days=1),
        completed_time_to=now + timedelta(days=1) if is_batch else None,
        destination=ExportDestination(container=job_id, prefix="histories"),
        format=ExportFormat(
            kind=ExportFormatKind.JSON if is_batch else ExportFormatKind.JSONL_GZIP
        ),
    )


@bp.route(route="exports/{id}/{action}", methods=["POST"])
@bp.durable_client_input(client_name="client")
def export(req: func.HttpRequest, client: df.SyncDurableFunctionsClient):
    job_id, action = req.route_params["id"], req.route_params["action"]
    exports = ExportHistoryClient(client, FolderWriter())
    if action == "delete":
        exports.delete_job(job_id)
    elif action != "look":
        try:
            exports.create_job(_options(action, job_id), job_id=job_id)
        except ExportJobInvalidTransitionError:
            return func.HttpResponse(status_code=409)
    job = exports.get_job(job_id)
    if job is None:
        return func.HttpResponse("gone", status_code=404)
    shown = [job.config.mode.value, job.status.value, job.exported_instances]
    return func.HttpResponse(json.dumps(shown))
