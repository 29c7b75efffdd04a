"""One trace over two worker processes, and over the death of one of them."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from tests.azurite import Azurite
from tests.end_to_end.apps import App, write_app
from tests.end_to_end.hub_state import HubState
from tests.worker.running import worker

CODE = """
import os
import time
from datetime import timedelta
from pathlib import Path

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor

import azure.functions as func
import durable as df

out = open(f"spans-{os.getpid()}.txt", "a")
provider = TracerProvider(resource=Resource.create({"pid": os.getpid()}))
exporter = ConsoleSpanExporter(out=out, formatter=lambda span: span.to_json(indent=None) + "\\n")
provider.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(provider)

app = df.DFApp()


@app.route(route="begin", auth_level=func.AuthLevel.ANONYMOUS)
@app.durable_client_input(client_name="client")
async def begin(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> str:
    return await client.start_new("waiting", "w")


@app.route(route="asked", auth_level=func.AuthLevel.ANONYMOUS)
def asked(req: func.HttpRequest) -> str:
    return req.headers["traceparent"]


@app.entity_trigger(context_name="context")
def total(context: df.EntityContext) -> int:
    return context.get_input(int)


@app.activity_trigger(input_name="value")
def work(value: int) -> int:
    with trace.get_tracer("app").start_as_current_span("inside"):
        time.sleep(0.5)
    return value


@app.activity_trigger(input_name="value")
def wait(value: int) -> int:
    Path("waiting").write_text(str(os.getpid()))
    while not Path("go").exists():
        time.sleep(0.05)
    return value


@app.orchestration_trigger(context_name="context")
async def child(context: df.DurableOrchestrationContext) -> int:
    await context.create_timer(timedelta(seconds=1))
    return sum(await context.when_all([context.call_activity(work, n) for n in range(12)]))


@app.orchestration_trigger(context_name="context")
async def parent(context: df.DurableOrchestrationContext) -> object:
    result = await context.call_sub_orchestrator(child)
    answer = await context.call_http("GET", context.get_input(str))
    return [await context.call_entity(df.EntityId("total", "t"), "set", result), answer.content]


@app.orchestration_trigger(context_name="context")
async def waiting(context: df.DurableOrchestrationContext) -> int:
    first = await context.call_activity(work, 1)
    await context.call_activity(wait, 2)
    return first
"""
TRACE = "5e" * 16


@dataclass
class Told:
    """The spans that all processes have exported, as JSON."""

    spans: list[dict[str, Any]]

    @classmethod
    def read(cls, folder: Path) -> Told:
        files = sorted(folder.glob("spans-*.txt"))
        return cls([json.loads(line) for file in files for line in file.read_text().splitlines()])

    def named(self, name: str) -> list[dict[str, Any]]:
        return [span for span in self.spans if span["name"] == name]

    def pids(self, name: str) -> set[int]:
        return {span["resource"]["attributes"]["pid"] for span in self.named(name)}

    def check(self) -> None:
        """One trace, in which every span but the first has its parent, and none is there twice."""
        assert {span["context"]["trace_id"] for span in self.spans} == {f"0x{TRACE}"}
        ids = Counter(span["context"]["span_id"] for span in self.spans)
        assert set(ids.values()) == {1}
        roots = [span["name"] for span in self.spans if span["parent_id"] not in ids]
        assert len(roots) == 1, roots
        assert roots[0].startswith("create_orchestration:")


@asynccontextmanager
async def two(folder: Path, azurite: Azurite, hub: str) -> AsyncIterator[list[App]]:
    """Two workers of the app."""
    connection = azurite.connection_string
    with ExitStack() as stack:
        started = [
            stack.enter_context(worker(folder, AzureWebJobsStorage=connection)) for _ in range(2)
        ]
        addresses = [await asyncio.to_thread(lambda w=w: w.address) for w in started]  # type: ignore[misc]
        timeout = aiohttp.ClientTimeout(total=60)
        headers = {"traceparent": f"00-{TRACE}-{'ca' * 8}-01"}
        async with aiohttp.ClientSession(timeout=timeout, headers=headers) as session:
            state = HubState(connection, hub)
            yield [App(w, a, session, state) for w, a in zip(started, addresses, strict=True)]


async def test_two_workers_tell_of_one_trace(azurite: Azurite, tmp_path: Path) -> None:
    hub = write_app(
        tmp_path,
        CODE,
        alwaysQueueActivities=True,
        callsPerMessage=1,
        maxConcurrentActivityFunctions=3,
        http={"allowedPrivateTargets": ["127.0.0.1"]},
    )
    async with two(tmp_path, azurite, hub) as (one, other):
        await one.start("parent", "p", json.dumps(f"{other.address}/api/asked").encode())
        result, asked = (await other.ended("p", 60))["output"]
        assert result == 66
        told = await _told(tmp_path, "orchestration:parent")
    told.check()
    assert len(told.pids("activity:work")) == 2
    assert len(told.named("activity:work")) == len(told.named("inside")) == 12
    above = {span["context"]["span_id"] for span in told.named("activity:work")}
    assert {span["parent_id"] for span in told.named("inside")} == above
    kinds = sorted(span["kind"] for span in told.named("orchestration:child"))
    assert kinds == ["SpanKind.CLIENT", "SpanKind.SERVER"]
    assert len(told.named("orchestration:child:timer")) == 1
    # who is called over HTTP or by a message finds its place
    (request,) = told.named("activity:durable_http")
    assert asked == f"00-{TRACE}-{request['context']['span_id'][2:]}-01"
    (call,), (run,) = told.named("call_entity:total:set"), told.named("entity:total:set")
    assert run["parent_id"] == call["context"]["span_id"]


async def test_a_trace_outlives_a_killed_worker(azurite: Azurite, tmp_path: Path) -> None:
    hub = write_app(tmp_path, CODE)
    async with two(tmp_path, azurite, hub) as (one, other):
        # the app's own starter, which says nothing of a trace
        async with one.session.get(f"{one.address}/api/begin") as answer:
            assert await answer.text() == "w"
        mark = tmp_path / "waiting"
        async with asyncio.timeout(30):
            while True:
                if mark.exists() and mark.read_text():
                    break
                await asyncio.sleep(0.05)
        dead = int(mark.read_text())
        killed, left = (one, other) if one.process.popen.pid == dead else (other, one)
        assert killed.process.popen.pid == dead
        killed.process.popen.kill()
        (tmp_path / "go").touch()
        assert (await left.ended("w", 90))["output"] == 1
        told = await _told(tmp_path, "orchestration:waiting")
    told.check()
    # what the dead one had told of is not told of again by who replays it
    assert told.pids("activity:work") == {dead}
    assert len(told.named("activity:work")) == 1
    assert (
        told.pids("activity:wait") == told.pids("orchestration:waiting") == {left.process.popen.pid}
    )
    turns = [span["attributes"] for span in told.named("turn:waiting")]
    assert sorted(turn["durable.turn.sequence"] for turn in turns) == list(range(len(turns)))
    assert [turn["durable.turn.replayed"] for turn in turns].count(True) == 1


async def _told(folder: Path, name: str) -> Told:
    """Once a span of that name is exported: a status may be seen before the span is."""
    async with asyncio.timeout(20):
        while True:
            told = Told.read(folder)
            if told.named(name):
                return told
            await asyncio.sleep(0.1)
