"""Secrets stay where they belong: put in everywhere, and looked for in all that is kept or said."""

from __future__ import annotations

import asyncio
import base64
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest

from tests.attack.scanning import text_of
from tests.azurite import KEY, Azurite
from tests.end_to_end.apps import write_app
from tests.end_to_end.hub_state import HubState
from tests.outbound.service import Service
from tests.worker.running import worker

FUNCTION_KEY = "canary-function-key-7f3a"
MASTER_KEY = "canary-master-key-91bc"
TOKEN = "canary-bearer-token-5d2e"
PAYLOAD = "canary-payload-0a6d"
IN_URI = "canary-in-uri-44ce"
APP = f"""
import logging

import azure.functions as func
import azure.identity.aio
from azure.storage.queue.aio import QueueClient

import durable as df
from durable.storage.azure.lean.connection import HttpConnection

send_message, exchange = QueueClient.send_message, HttpConnection.exchange

def note(line):
    with open("sent", "a") as file:
        file.write(line + "\\n")

async def by_sdk(self, content, **options):
    note("sdk " + content)
    return await send_message(self, content, **options)

async def by_hand(self, request):
    content = request.partition(b"<MessageText>")[2].partition(b"</MessageText>")[0]
    if content:
        note("lean " + content.decode())
    return await exchange(self, request)

QueueClient.send_message, HttpConnection.exchange = by_sdk, by_hand

# libraries too: an app may ask for that
for name in ("azure", "aiohttp", "asyncio", "msal", "durable.storage.requests"):
    logging.getLogger(name).setLevel("DEBUG")

app = df.DFApp(http_auth_level=func.AuthLevel.FUNCTION)

class Credential:
    async def get_token(self, *scopes):
        return type("Token", (), {{"token": {TOKEN!r}}})

    async def close(self):
        pass

azure.identity.aio.DefaultAzureCredential = Credential

@app.activity_trigger(input_name="value")
def fails(value: object) -> object:
    raise ValueError("not today")

@app.orchestration_trigger(context_name="context")
async def job(context: df.DurableOrchestrationContext) -> object:
    uri = context.get_input()["uri"]
    source = df.ManagedIdentityTokenSource("https://management.core.windows.net")
    answer = await context.call_http("GET", uri, token_source=source)
    try:
        await context.call_activity("fails", context.get_input())
    except df.TaskFailedError:
        return [answer.status_code, await context.wait_for_external_event("go")]

@app.orchestration_trigger(context_name="context")
async def broken(context: df.DurableOrchestrationContext) -> object:
    await context.call_http("GET", context.get_input()["uri"].replace("127.0.0.1", "127.0.0.2"))
"""


@pytest.mark.parametrize("client", ["lean", "sdk"])
async def test_canaries_in_a_worker_that_says_all_it_can(
    tmp_path: Path, azurite: Azurite, service: Service, client: str
) -> None:
    service.on("/", text="here")
    http = {"allowedPrivateTargets": ["127.0.0.1"]}
    hub = write_app(tmp_path, APP, http=http, alwaysQueueActivities=True)
    state = HubState(azurite.connection_string, hub)
    settings = {
        "AzureWebJobsStorage": azurite.connection_string,
        "DURABLE_FUNCTION_KEY": FUNCTION_KEY,
        "DURABLE_MASTER_KEY": MASTER_KEY,
        "DURABLE_STORAGE_CLIENT": client,
    }
    with worker(tmp_path, "--auth", "--log-level", "debug", **settings) as process:
        address = await asyncio.to_thread(lambda: process.address)
        uri = f"{service.uri('/')}?code={IN_URI}"
        links = await _use(address, json.dumps({"uri": uri, "note": PAYLOAD}))
        assert process.terminate() == 0
        log = process.log
    assert [asked.headers["authorization"] for asked in service.asked] == [f"Bearer {TOKEN}"]

    kept = await asyncio.to_thread(_kept, state)
    [link_key] = re.findall(r"key:links\b.*?'value': '([\w-]{43})'", kept)
    tokens = re.findall(r"/links/([0-9a-f]+\.[\w-]{43})", json.dumps(links))
    assert len(tokens) == 8
    secret = [KEY, FUNCTION_KEY, MASTER_KEY, TOKEN, *tokens]
    secret += [quote(KEY, safe=""), base64.b64encode(KEY.encode()).decode()[:40]]
    secret += [token.partition(".")[2] for token in tokens]
    sent = _sent(tmp_path, client)
    for name, text in (("rows", kept), ("messages", sent)):
        assert [each for each in secret if each in text] == [], name
    # what is looked for can be found: the payload is in rows and messages, and never in logs
    assert PAYLOAD in kept
    assert PAYLOAD in sent
    assert "Request URL" in log
    assert [each for each in (*secret, PAYLOAD, IN_URI, link_key) if each in log] == []
    _check_log(log)


def _check_log(log: str) -> None:
    """It has what happened, and no signature of a request to storage."""
    assert "completed job one" in log
    assert "failed broken two" in log
    # each request to storage is in it, by either client
    assert len(re.findall(r"Request URL.*/messages", log)) > 5
    assert "SharedKey " not in log
    assert "SharedKeyLite " not in log
    assert not re.search(r"[?&](sig|code)=(?!REDACTED)\w", log)


async def _use(address: str, value: str) -> dict[str, Any]:
    """Everything that takes a key or a link; the links of one instance."""
    root = f"{address}/api/durabletask"
    timeout = aiohttp.ClientTimeout(total=60)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        by_header = {"x-functions-key": FUNCTION_KEY}
        start = f"{root}/orchestrators"
        async with session.post(f"{start}/job/one", data=value, headers=by_header) as answer:
            assert answer.status == 202
            links: dict[str, Any] = await answer.json()
        async with session.post(f"{start}/broken/two?code={MASTER_KEY}", data=value) as answer:
            assert answer.status == 202
        async with session.get(f"{root}/instances?code=wrong-{FUNCTION_KEY}") as answer:
            assert answer.status == 401
        event = links["sendEventPostUri"].replace("{eventName}", "go")
        async with session.post(event, data=b'"on"') as answer:
            assert answer.status == 202
        for url in (links["statusQueryGetUri"], f"{root}/instances/two?code={FUNCTION_KEY}"):
            while True:
                async with session.get(url) as answer:
                    assert answer.status in (200, 202)
                    if answer.status == 200:
                        break
                await asyncio.sleep(0.1)
    return links


def _sent(folder: Path, client: str) -> str:
    """The bodies of all messages that the worker sent, each by that storage client."""
    lines = [line.split() for line in (folder / "sent").read_text().splitlines()]
    assert {by for by, _ in lines} == {client}
    return "\n".join(base64.b64decode(body).decode() for _, body in lines)


def _kept(state: HubState) -> str:
    suffixes = ("HistoryDx", "InstancesDx", "IndexDx", "HubDx")
    return "\n".join(text_of(row) for each in suffixes for row in state.entities(each))
