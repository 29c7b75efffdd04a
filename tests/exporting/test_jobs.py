"""Export jobs on the memory hub."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from durable.client.builtin import bind_client
from durable.engine.context import DurableOrchestrationContext as Context
from durable.errors import InstanceExistsError, InstanceNotFoundError, InvalidRequestError
from durable.exporting import (
    ExportClient,
    ExportDescription,
    ExportStatus,
    LocalHistoryWriter,
    export_definitions,
    job,
)
from durable.model.instance import OrchestrationRuntimeStatus as Status
from tests.memory_hub import MemoryHub

BEGIN = datetime(2025, 12, 31, tzinfo=UTC)
END = datetime(2026, 12, 31, tzinfo=UTC)


class Shelf:
    """A writer that keeps what it is given; `broken` says for which names it fails."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.writes = 0
        self.kinds: set[tuple[str, str | None]] = set()
        self.broken: Callable[[str], bool] = lambda name: False

    async def write(
        self, name: str, content: bytes, content_type: str, content_encoding: str | None
    ) -> None:
        self.writes += 1
        if self.broken(name):
            raise OSError("the disk is full")
        assert self.files.setdefault(name, content) == content
        self.kinds.add((content_type, content_encoding))

    @property
    def ids(self) -> list[str]:
        return sorted(name.rpartition("-")[0] for name in self.files)


class Exporting(MemoryHub):
    def __init__(self, writer: Any, **options: Any) -> None:
        super().__init__(**options)

        @self.activity
        async def double(value: int) -> Any:
            return [value] * 2

        @self.orchestrator
        async def program(context: Context) -> Any:
            match context.get_input():
                case "fail":
                    raise ValueError("no")
                case "wait":
                    await context.wait_for_external_event("go")
                case "large":
                    return "x" * 100_000
            return await context.call_activity("double", 21)

        for definition in export_definitions(writer):
            self.registry.add(definition)

    async def __aenter__(self) -> Exporting:
        await super().__aenter__()
        bind_client(self.registry, self.client)
        self.exports = ExportClient(self.client)
        return self

    async def finish(self, job_id: str) -> ExportDescription:
        await self.wait(f"export-job-{job_id}", timedelta(hours=3))
        found = await self.exports.get(job_id)
        assert found is not None
        return found


@pytest.fixture(autouse=True)
def inline(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hub's time passes while a thread works, and is to stand still."""

    async def to_thread(function: Callable[..., Any], *arguments: Any) -> Any:
        return function(*arguments)

    monkeypatch.setattr(asyncio, "to_thread", to_thread)


async def test_a_batch_has_what_ended_in_its_time() -> None:
    shelf = Shelf()
    async with Exporting(shelf) as hub:
        for name in ("early", "a", "b/c".replace("/", ":"), "fail", "wait", "large", "late"):
            if name in ("a", "late"):
                await hub.run(600)
            if name == "a":
                begin = hub.clock.now()
            if name == "late":
                end = hub.clock.now()
                await hub.run(1)
            await hub.client.start_new("program", name, name)
        await hub.run(30)
        await hub.exports.create(begin, end, format="json", prefix="x/", job_id="j", page_size=2)
        done = await hub.finish("j")
        assert done.status is ExportStatus.COMPLETED
        assert shelf.ids == ["x/a", "x/b%3Ac", "x/fail", "x/large"]
        assert (done.progress.scanned, done.progress.exported, done.progress.failed) == (4, 4, 0)
        assert done.progress.checkpoint == end
        assert shelf.kinds == {("application/json", None)}
        by_id = {json.loads(each)["instanceId"]: json.loads(each) for each in shelf.files.values()}
        a = by_id["a"]
        assert (a["runtimeStatus"], a["input"], a["output"]) == ("Completed", "a", [21, 21])
        kinds = [event["type"] for event in a["history"]]
        assert kinds == ["ExecutionStarted", "TaskScheduled", "TaskCompleted", "ExecutionCompleted"]
        assert by_id["fail"]["failure"]["message"] == "no"
        assert by_id["large"]["history"][-1]["result"] == json.dumps("x" * 100_000)


async def test_lines_of_json_and_filters() -> None:
    shelf = Shelf()
    async with Exporting(shelf) as hub:
        for name in ("p1", "p2", "fail", "q"):
            await hub.client.start_new("program", name, name)
        await hub.run(30)
        await hub.exports.create(
            BEGIN,
            END,
            job_id="p",
            name="program",
            instance_id_prefix="p",
            runtime_status=[Status.COMPLETED],
        )
        assert (await hub.finish("p")).progress.exported == 2
        assert shelf.ids == ["p1", "p2"]
        assert shelf.kinds == {("application/jsonl", "gzip")}
        name, content = next(iter(sorted(shelf.files.items())))
        assert name.endswith(".jsonl.gz")
        lines = [json.loads(line) for line in gzip.decompress(content).splitlines()]
        assert [line["type"] for line in lines] == [
            "Instance",
            "ExecutionStarted",
            "TaskScheduled",
            "TaskCompleted",
            "ExecutionCompleted",
        ]
        assert lines[0]["instanceId"] == "p1"
        assert all(line["timestamp"] for line in lines[1:])


async def test_a_continuous_job_has_each_end_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "PAGES", 3)
    shelf = Shelf()
    async with Exporting(shelf) as hub:
        await hub.exports.create(BEGIN, mode="continuous", job_id="c", page_size=3)
        for round_ in range(6):
            for number in range(5):
                await hub.client.start_new("program", f"r{round_}.{number}")
            await hub.run(200)
        await hub.client.start_new("program", "waiting", "wait")
        await hub.run(3600)
        assert len(shelf.files) == 30
        await hub.client.raise_event("waiting", "go")
        await hub.run(600)
        assert len(shelf.files) == shelf.writes == 31
        found = await hub.exports.get("c")
        assert found is not None
        assert found.status is ExportStatus.ACTIVE
        assert found.progress.exported == 31
        with pytest.raises(InstanceExistsError):
            await hub.exports.create(BEGIN, mode="continuous", job_id="c")
        deleting = asyncio.ensure_future(hub.exports.delete("c"))
        await hub.until(deleting.done)
        deleting.result()
        assert await hub.exports.get("c") is None
        with pytest.raises(InstanceNotFoundError):
            await hub.exports.delete("c")


async def test_what_ended_just_before_an_absence_is_not_missed() -> None:
    shelf = Shelf()
    async with Exporting(shelf) as hub:
        await hub.exports.create(BEGIN, mode="continuous", job_id="c")
        await hub.run(600)

        async def die(name: str, arguments: tuple[Any, ...]) -> None:
            # the end is stored, and not yet in the list of instances
            if name == "transact" and arguments[0] == hub.hub.names.instances:
                head = await hub.hub.instances.head("last")
                if head is not None and head.is_terminal:
                    hub.crash()

        hub.sweeping = False
        await hub.client.start_new("program", "last", "wait")
        await hub.run(5)
        hub.tamper(hub.runtimes[0], before=die)
        await hub.outside.raise_event("last", "go")

        async def ended() -> bool:
            head = await hub.hub.instances.head("last")
            return head is not None and head.is_terminal

        await hub.until(ended)
        await hub.kill(hub.runtimes[0])
        hub.clock.advance_to(hub.clock.now() + timedelta(hours=2))
        await hub.add_runtime()
        hub.sweeping = True
        slow = hub.clock.now() + timedelta(seconds=60)

        async def delay(name: str, arguments: tuple[Any, ...]) -> None:
            if name == "transact" and arguments[0] == hub.hub.names.instances:
                while hub.clock.now() < slow:
                    await hub.clock.sleep(1)

        hub.tamper(hub.runtimes[0], before=delay)
        await hub.run(1200)
        assert shelf.ids == ["last"]


async def test_a_job_goes_on_after_each_kill(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "PAGES", 4)
    shelf = Shelf()
    async with Exporting(shelf) as hub:
        for number in range(60):
            await hub.client.start_new("program", f"p{number:02}")
        await hub.run(60)
        await hub.exports.create(BEGIN, END, job_id="k", page_size=7, max_parallel=3)
        for _ in range(4):
            calls = 0

            async def die(name: str, arguments: tuple[Any, ...]) -> None:
                nonlocal calls
                calls += 1
                if calls > 60:
                    hub.crash()

            hub.tamper(hub.runtimes[0], before=die)
            await hub.until(lambda: calls > 60)  # noqa: B023
            await hub.step()
        done = await hub.finish("k")
        assert done.status is ExportStatus.COMPLETED
        assert (done.progress.scanned, done.progress.exported) == (60, 60)
        assert shelf.ids == [f"p{number:02}" for number in range(60)]


async def test_a_writer_that_fails_for_a_while_and_for_good() -> None:
    shelf = Shelf()
    async with Exporting(shelf) as hub:
        for name in ("a", "b", "c"):
            await hub.client.start_new("program", name)
        await hub.run(30)
        well = hub.clock.now() + timedelta(seconds=60)
        shelf.broken = lambda name: name.startswith("b") or hub.clock.now() < well
        await hub.exports.create(BEGIN, END, job_id="some")
        done = await hub.finish("some")
        assert done.status is ExportStatus.COMPLETED
        assert (done.progress.exported, done.progress.failed) == (2, 1)
        (failure,) = done.progress.failures
        assert (failure.instance_id, failure.reason) == ("b", "OSError: the disk is full")
        shelf.broken = lambda name: True
        await hub.exports.create(BEGIN, END, job_id="all", name="program")
        failed = await hub.finish("all")
        assert failed.status is ExportStatus.FAILED
        assert failed.error is not None
        assert "the disk is full" in failed.error
        assert failed.progress.failed == 3
        # the same job again, on a disk with room
        shelf.broken = lambda name: False
        await hub.exports.create(BEGIN, END, job_id="all", name="program")
        assert (await hub.finish("all")).progress.exported == 3
        listed = [each.job_id async for each in hub.exports.list()]
        assert listed == ["all", "some"]
        assert [e.job_id async for e in hub.exports.list(status=ExportStatus.FAILED)] == []


async def test_an_instance_that_was_started_again_has_another_file() -> None:
    shelf = Shelf()
    async with Exporting(shelf) as hub:
        for number in (1, 2):
            await hub.client.start_new("program", "same")
            await hub.run(30)
            await hub.exports.create(BEGIN, END, job_id=f"j{number}", name="program")
            await hub.finish(f"j{number}")
        assert shelf.ids == ["same", "same"]


async def test_into_a_folder(tmp_path: Path) -> None:
    async with Exporting(LocalHistoryWriter(tmp_path / "out")) as hub:
        strange = "ü " + "日" * 150
        for name in ("..", "a:b", strange):
            await hub.client.start_new("program", name)
        await hub.run(30)
        await hub.exports.create(BEGIN, END, job_id="j", name="program", prefix="deep/er/")
        assert (await hub.finish("j")).progress.exported == 3
        files = sorted((tmp_path / "out" / "deep" / "er").iterdir())
        ids = {
            json.loads(gzip.decompress(file.read_bytes()).splitlines()[0])["instanceId"]
            for file in files
        }
        assert ids == {"..", "a:b", strange}


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/../../x", ""])
def test_a_folder_is_not_left(tmp_path: Path, name: str) -> None:
    (tmp_path / "in").mkdir()
    with pytest.raises(InvalidRequestError, match="below the folder"):
        LocalHistoryWriter(tmp_path / "in").write(name, b"", "application/json", None)
    assert list(tmp_path.rglob("*")) == [tmp_path / "in"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, "a batch needs completed_to"),
        ({"mode": "continuous", "completed_to": END}, "continuous job has none"),
        ({"completed_to": BEGIN - timedelta(1)}, "before completed_from"),
        ({"completed_to": END, "mode": "all"}, "mode is"),
        ({"completed_to": END, "format": "csv"}, "format is"),
        ({"completed_to": END, "runtime_status": [Status.RUNNING]}, "no status"),
        ({"completed_to": END, "page_size": 0}, "page_size"),
        ({"completed_to": END, "max_parallel": 0}, "max_parallel"),
        ({"mode": "continuous", "poll_interval": timedelta(0)}, "poll_interval"),
        ({"completed_to": END, "prefix": "../x"}, "prefix"),
        ({"completed_to": END, "prefix": "/x"}, "prefix"),
        ({"completed_to": END, "job_id": ""}, "job's id"),
        ({"completed_to": "tomorrow"}, "datetime"),
    ],
)
async def test_bad_requests(options: dict[str, Any], says: str) -> None:
    async with Exporting(Shelf()) as hub:
        with pytest.raises(InvalidRequestError, match=says):
            await hub.exports.create(BEGIN, **options)
        assert [each async for each in hub.client.list_instances()] == []
        assert await hub.exports.get("x") is None
