"""Histories are written to a folder: once, or as long as nobody deletes the job."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import azure.functions as func

import durable as df
from durable.exporting import ExportClient

bp = df.Blueprint()


class FolderWriter:
    """Called in a thread, once for each instance, and again after a failure."""

    def write(
        self, name: str, content: bytes, content_type: str, content_encoding: str | None
    ) -> None:
        path = Path(os.environ["EXPORTS"]) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


@bp.route(route="exports/{id}/{action}", methods=["POST"])
@bp.durable_client_input(client_name="client")
async def export(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    job_id, exports, now = req.route_params["id"], ExportClient(client), datetime.now(UTC)
    since, prefix = now - timedelta(days=1), f"{req.route_params['id']}/histories/"
    try:
        match req.route_params["action"]:
            case "batch":
                end = now + timedelta(days=1)
                await exports.create(since, end, format="json", prefix=prefix, job_id=job_id)
            case "continuous":
                await exports.create(since, mode="continuous", prefix=prefix, job_id=job_id)
            case "delete":
                await exports.delete(job_id)
    except df.InstanceExistsError:
        return func.HttpResponse(status_code=409)
    job = await exports.get(job_id)
    if job is None:
        return func.HttpResponse("gone", status_code=404)
    shown = [job.request.mode.capitalize(), job.status.value, job.progress.exported]
    return func.HttpResponse(json.dumps(shown))
