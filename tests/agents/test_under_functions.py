"""The same app under the Functions host's own worker library, with one import at the top."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import shutil
import sysconfig
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.agents.model import Model
from tests.agents.site import APP
from tests.azurite import Azurite
from tests.functions.host.host import FUNCTION_KEY, FunctionsHost
from tests.functions.instances import PATIENCE, delete_hub
from tests.functions.worker_library import ROOT, worker_library


@pytest.fixture
async def host(
    python: Path, azurite: Azurite, model: Model, tmp_path: Path
) -> AsyncIterator[FunctionsHost]:
    folder = tmp_path / "app"
    shutil.copytree(APP, folder)
    code = (APP / "function_app.py").read_text()
    (folder / "function_app.py").write_text(f"import durable.compat.activate\n{code}")
    hub = f"Hub{secrets.token_hex(5)}"
    # the worker runs in this environment: what the app brings along comes before it
    packages = sysconfig.get_path("purelib", vars={"base": str(python.parent.parent)})
    settings = {
        "AzureWebJobsStorage": azurite.connection_string,
        "AZURE_FUNCTIONS_ENVIRONMENT": "Development",
        "TASKHUB_NAME": hub,
        "HUB": hub,
        "MODEL_URL": model.url,
        "PYTHONPATH": os.pathsep.join([str(worker_library()), str(ROOT), packages]),
    }
    log = tmp_path / "worker.log"
    async with FunctionsHost(folder, settings, log) as made:
        yield made
    await delete_hub(made)
    print(log.read_text(errors="replace")[-20_000:])


async def post(host: FunctionsHost, url: str, body: object) -> Any:
    headers = {"content-type": "application/json"}
    answer = await host.request("POST", url, json.dumps(body), headers, key=FUNCTION_KEY)
    assert answer.status in (200, 202), answer.body
    return answer.json()


async def until(host: FunctionsHost, url: str, name: str) -> Any:
    """The value of that name, once the answer has one."""
    async with asyncio.timeout(PATIENCE):
        while True:
            said = (await host.request("GET", url, key=FUNCTION_KEY)).json()
            if said.get(name):
                return said[name]
            await asyncio.sleep(0.05)


async def test_agents_under_the_functions_host(host: FunctionsHost) -> None:
    kinds = {each.trigger["type"] for each in host.functions.values()}
    assert kinds == {"httpTrigger", "queueTrigger", "timerTrigger"}
    question = {"message": "hello", "session_id": "host"}
    assert (await post(host, "/api/agents/Writer/run", question))["response"] == "Writer 1: hello"
    assert (await post(host, "/api/agents/Writer/run", question))["response"] == "Writer 2: hello"
    story = await post(host, "/api/orchestrations/story", "graz")
    assert (await until(host, story["statusQueryGetUri"], "output"))[0] == "Writer 1: graz"
    status = (await post(host, "/api/workflow/House/run", "milk"))["statusQueryGetUri"]
    [request] = await until(host, status, "pendingHumanInputRequests")
    await post(host, request["respondUrl"], {"approved": True, "remark": "fine"})
    assert await until(host, status, "output") == ["published: Editor 1: milk (fine), signed"]
