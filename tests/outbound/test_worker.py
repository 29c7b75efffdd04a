"""Durable HTTP in a worker process on Azurite, against a service of the test's."""

from __future__ import annotations

import json
from pathlib import Path

from aiohttp import web

from tests.azurite import Azurite
from tests.end_to_end.apps import served, write_app
from tests.outbound.service import Service

APP = """
import azure.functions as func

import durable as df

app = df.DFApp(http_auth_level=func.AuthLevel.FUNCTION)

@app.orchestration_trigger(context_name="context")
async def job(context: df.DurableOrchestrationContext) -> object:
    uri = context.get_input(str)
    response = await context.call_http("POST", uri, {"n": 1}, {"Authorization": "Bearer x"})
    return {"status": response.status_code, "content": response.json()}

@app.orchestration_trigger(context_name="context")
def probe(context):
    try:
        yield context.call_http("GET", context.get_input())
    except df.TaskFailedError as error:
        return error.details.error_type
"""


async def test_a_job_is_started_and_polled(
    tmp_path: Path, azurite: Azurite, service: Service, other: Service
) -> None:
    polls = 0

    async def status(request: web.BaseRequest) -> web.StreamResponse:
        nonlocal polls
        polls += 1
        if polls < 3:
            headers = {"Location": other.uri("/status"), "Retry-After": "1"}
            return web.Response(status=202, headers=headers)
        return web.json_response({"polls": polls})

    service.on("/jobs", 202, Location=other.uri("/status"))
    other.answers["/status"] = status
    http = {
        "allowedPrivateTargets": ["127.0.0.1"],
        "defaultAsyncRequestSleepTimeMilliseconds": 1000,
    }
    hub = write_app(tmp_path, APP, http=http, alwaysQueueActivities=True)
    async with served(tmp_path, azurite, hub) as app:
        await app.start("job", "one", json.dumps(service.uri("/jobs")).encode())
        await app.start("probe", "two", json.dumps(service.uri("/", "127.0.0.2")).encode())
        shown = await app.ended("one", 40)
        assert shown["output"] == {"status": 200, "content": {"polls": 3}}, shown
        refused = await app.ended("two", 40)
        assert refused["output"] == "durable.errors.HttpTargetRefusedError", refused
    [started] = service.asked
    assert (started.method, started.body) == ("POST", b'{"n":1}')
    assert started.headers["authorization"] == "Bearer x"
    assert [asked.method for asked in other.asked] == ["GET"] * 3
    assert not any("authorization" in asked.headers for asked in other.asked)
