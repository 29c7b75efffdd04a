"""An activity in a process of its own under the test host, whose worker is the process's parent."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from tests.functions.host.host import FUNCTION_KEY, FunctionsHost
from tests.functions.instances import delete_hub, ended

CODE = """
import azure.functions as func

import durable as df
import heavy
from datetime import timedelta

app = df.DFApp(http_auth_level=func.AuthLevel.FUNCTION)
app.register_functions(heavy.bp)
RETRY = df.RetryPolicy(first_retry_interval=timedelta(seconds=0.1), max_number_of_attempts=2)


@app.orchestration_trigger(context_name="context")
async def job(context: df.DurableOrchestrationContext):
    return await context.call_activity("total", context.get_input(), retry=RETRY)


@app.route(route="jobs", methods=["POST"])
@app.durable_client_input(client_name="client")
async def start(req: func.HttpRequest, client: df.DurableOrchestrationClient):
    instance_id = await client.start_new("job", client_input=req.get_json())
    return client.create_check_status_response(req, instance_id)
"""

HEAVY = """
import os
import signal

import durable as df

bp = df.Blueprint()


@bp.activity_trigger(input_name="numbers", process=True)
def total(numbers: list[int]) -> list[int]:
    print("what is printed is no answer")
    if df.activity_context().attempt == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return [sum(numbers), os.getpid(), os.getppid()]
"""


async def test_it_comes_from_the_functions_worker(
    functions_host: Callable[..., FunctionsHost], tmp_path: Path
) -> None:
    (tmp_path / "function_app.py").write_text(CODE)
    (tmp_path / "heavy.py").write_text(HEAVY)
    settings = {"version": "2.0", "extensions": {"durableTask": {"hubName": "%HUB%"}}}
    (tmp_path / "host.json").write_text(json.dumps(settings))
    async with functions_host(tmp_path) as host:
        started = await host.request("POST", "/api/jobs", [1, 2, 3], key=FUNCTION_KEY)
        assert started.status == 202, started.body
        status = await ended(host, started.json())
        assert status["runtimeStatus"] == "Completed", status
        total, process, parent = status["output"]
        assert (total, process == parent) == (6, False)
    await delete_hub(host)
