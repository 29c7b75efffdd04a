"""A hub in memory with the real client and the API on top, and a hand to run turns."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import azure.functions as func
import pytest

from durable.client import DurableOrchestrationClient
from durable.engine.context import DurableOrchestrationContext
from durable.engine.execution import Execution
from durable.hub.hub import Hub
from durable.hub.payloads import Spill
from durable.hub.turns import StoredTurn
from durable.management import LinkSigner, ManagementApi
from durable.model.events import Arrival, Completion, ExecutionStarted
from durable.model.functions import OrchestratorDefinition, Registry
from durable.runtime.queries import Queries
from durable.runtime.taking import Taking
from durable.storage.memory import ManualClock, memory_storage

BASE = "https://app.example/api"
ROOT = f"{BASE}/durabletask"
KEY = b"k" * 32
MAX_PAYLOAD = 100_000


async def echo(context: DurableOrchestrationContext) -> Any:
    """Ends at once with its input, which it answers too."""
    context.set_query_handler("echo", context.get_input)
    return context.get_input()


async def fail(context: DurableOrchestrationContext) -> None:
    """Fails at once."""
    raise ValueError("no luck")


async def work(context: DurableOrchestrationContext) -> Any:
    """Waits for an event, then for an activity."""
    context.set_custom_status({"waits": "go"})
    await context.wait_for_external_event("go")
    result = await context.call_activity("step", "in")
    return [result]


async def sleep(context: DurableOrchestrationContext) -> None:
    """Waits for an hour."""
    await context.create_timer(context.current_utc_datetime + timedelta(hours=1))


@dataclass(frozen=True)
class Answer:
    """A response, with its body read."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def error(self) -> str:
        """The error's name; checks that this is an error of the documented shape."""
        assert set(self.json) == {"error", "message"}
        assert self.json["message"]
        assert "Traceback" not in self.text
        return str(self.json["error"])


class WatchedClock(ManualClock):
    """Tells when somebody has begun to sleep."""

    def __init__(self) -> None:
        super().__init__()
        self.asleep = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        self.asleep.set()
        await super().sleep(seconds)


class World:
    """Everything a test needs, on one clock."""

    def __init__(self) -> None:
        self.clock = WatchedClock()
        self.storage = memory_storage(self.clock)
        self.hub = Hub(self.storage, "Test")
        self.registry = Registry()
        for function in (echo, fail, work, sleep):
            self.registry.add(OrchestratorDefinition(function.__name__, function))
        self.links = LinkSigner(KEY, BASE, lifetime=timedelta(days=30), now=self.clock.now)
        self.client = DurableOrchestrationClient(
            self.hub,
            registry=self.registry,
            links=self.links,
            answerer=Queries(self.hub, Taking(self.registry)),
            max_payload=MAX_PAYLOAD,
        )
        self.api = ManagementApi(self.client, self.links)

    async def call(
        self,
        method: str,
        target: str,
        body: object = None,
        *,
        raw: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """A request by key; `target` is path and query below `durabletask/`."""
        if raw is None:
            raw = b"" if body is None else json.dumps(body).encode()
        return await self._send(method, target, raw, headers or {}, link=False)

    async def follow(self, method: str, url: str, body: object = None) -> Answer:
        """A request to a link, or to the URL of one without `ROOT/links/`."""
        raw = b"" if body is None else json.dumps(body).encode()
        return await self._send(method, url.removeprefix(f"{ROOT}/links/"), raw, {}, link=True)

    async def _send(
        self, method: str, target: str, raw: bytes, headers: Mapping[str, str], *, link: bool
    ) -> Answer:
        path, _, query = target.partition("?")
        request = func.HttpRequest(
            method,
            # what a caller claims as host must not matter
            f"https://evil.example/{target}",
            headers={"Host": "evil.example", **headers},
            params=dict(parse_qsl(query, keep_blank_values=True)),
            body=raw,
        )
        response = await (self.api.handle_link if link else self.api.handle)(request, path)
        assert response.headers["Cache-Control"] == "no-store"
        assert response.mimetype == "application/json"
        text = response.get_body().decode()
        assert "evil.example" not in text + str(response.headers)
        return Answer(response.status_code, dict(response.headers), text)

    async def run(self, instance_id: str, *completions: Completion) -> None:
        """Run one turn of an instance with what is in its inbox, and `completions`."""
        instances = self.hub.instances
        head = await instances.head(instance_id)
        assert head is not None
        text = await instances.text(instance_id, head.incarnation, head.input)
        start = ExecutionStarted(head.name, head.execution_id, text, head.version)
        history = [stored.turn for stored in await instances.history(head)]
        execution = Execution.replay(
            self.registry.orchestrator(head.name), instance_id, start, None, history
        )
        inbox = await instances.inbox(head)
        arrivals = [row.arrival for row in inbox.rows]
        arrivals += [Arrival(event, head.execution_id) for event in completions]
        nonce = secrets.token_hex(8)
        commit = execution.turn(arrivals, now=self.clock.now(), nonce=nonce)
        execution.close()
        after = replace(
            head,
            status=commit.status,
            sequence=commit.turn.sequence + 1,
            nonce=nonce,
            time=commit.turn.time,
            output=commit.output,
            custom_status=commit.custom_status,
            failure=commit.failure,
        )
        spill = Spill(head.incarnation, nonce)
        await instances.commit(
            after,
            StoredTurn(spill.turn(commit.turn), ()),
            spill=spill,
            consumed=[row.key for row in inbox.rows],
            gate=inbox.gate if commit.status.is_terminal else None,
        )
        await self.hub.projection.settle(after)

    async def ended(self, name: str, instance_id: str, value: object = None) -> str:
        """An instance that one turn ends."""
        await self.client.start_new(name, instance_id, value)
        await self.run(instance_id)
        return instance_id


def path_of(url: str) -> str:
    """Path and query below `durabletask/` of a URL."""
    parts = urlsplit(url)
    assert url.startswith(f"{ROOT}/")
    return url.removeprefix(f"{ROOT}/") if parts.query else parts.path.split("/durabletask/", 1)[1]


@pytest.fixture
async def world() -> World:
    made = World()
    await made.hub.create(app="test")
    return made
