"""Activities in processes of their own."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from durable.codec import encode
from durable.model.events import TaskCompleted, TaskFailed
from durable.model.functions import ActivityDefinition
from durable.runtime.activities import ActivityContext, run_activity
from durable.runtime.processes import Processes
from durable.runtime.signals import Signals
from tests.runtime import heavy

ROOT = Path(__file__).resolve().parent.parent.parent


class Heard(Signals):
    """What a test hears of an attempt, and what ends it."""

    def __init__(self) -> None:
        self.texts: list[str | None] = []
        self.said = threading.Event()
        self.interrupt: Callable[[], object] = lambda: None

    def heartbeat(self, text: str | None) -> None:
        self.texts.append(text)
        self.said.set()

    def interruptible(self, interrupt: Callable[[], object]) -> None:
        self.interrupt = interrupt


class Pool:
    """Runs functions of `heavy` as a worker does."""

    def __init__(self, size: int) -> None:
        self.processes = Processes(size)
        self._threads = ThreadPoolExecutor(8)

    async def run(
        self, function: Callable[[Any], object], value: object, signals: Signals | None = None
    ) -> Any:
        """Its result, or the failure."""
        context = ActivityContext("i", "e", 3, "act", 2, "i:e:3", signals=signals or Signals())
        definition = ActivityDefinition("act", function, "value", process=True)
        event = await run_activity(
            definition,
            context,
            encode(value),
            executor=self._threads,
            processes=self.processes,
            max_payload=1000,
        )
        if isinstance(event, TaskFailed):
            return event.failure
        assert isinstance(event, TaskCompleted)
        return json.loads(str(event.result))

    def close(self) -> None:
        self.processes.close()
        self._threads.shutdown()


@pytest.fixture
async def pool() -> AsyncIterator[Pool]:
    pool = Pool(1)
    yield pool
    pool.close()


async def test_values_go_there_and_come_back_and_the_process_is_kept(pool: Pool) -> None:
    first = await pool.run(heavy.total, heavy.Range(1, 100))
    again = await pool.run(heavy.total, heavy.Range(1, 10))
    assert (first[0], again[0]) == (5050, 55)
    assert first[1] == again[1] != os.getpid()
    assert await pool.run(heavy.identity, 1) == ["i:e:3", 2, False]


async def test_what_it_raises_is_a_failure_with_its_stack(pool: Pool) -> None:
    failure = await pool.run(heavy.fails, 7)
    assert (failure.error_type, failure.message) == ("ValueError", "failed 7")
    assert "heavy.py" in failure.stack_trace
    assert "process.py" not in failure.stack_trace
    failure = await pool.run(heavy.panics, 7)
    assert (failure.error_type, failure.message) == ("tests.runtime.heavy.Panic", "panicked 7")
    failure = await pool.run(heavy.long, 1001)
    assert failure.message == (
        "the result of activity 'act' has 1,003 bytes as JSON; at most 1,000 are allowed"
    )
    failure = await pool.run(heavy.total, "no range")
    assert "Range" in failure.message


@pytest.mark.parametrize(
    ("function", "value", "how"),
    [
        (heavy.leaves, 3, "ended with exit code 3"),
        (heavy.dies, int(signal.SIGSEGV), "was ended by SIGSEGV"),
    ],
)
async def test_a_process_that_ends_fails_its_activity_alone(
    pool: Pool, function: Callable[[int], object], value: int, how: str
) -> None:
    context = ActivityContext("i", "e", 3, "act", 1, "i:e:3")
    definition = ActivityDefinition("act", function, "value", process=True)
    with ThreadPoolExecutor(1) as threads:
        event = await run_activity(
            definition,
            context,
            encode(value),
            executor=threads,
            processes=pool.processes,
            max_payload=1000,
        )
    assert isinstance(event, TaskFailed)
    assert event.failure.error_type == "durable.errors.ActivityProcessError"
    assert event.failure.message == f"the process that ran activity 'act' {how}"
    assert (await pool.run(heavy.total, heavy.Range(1, 3)))[0] == 6


async def test_a_name_that_is_not_there(pool: Pool) -> None:
    def hidden(value: int) -> int:
        return value

    hidden.__qualname__ = "hidden"
    failure = await pool.run(hidden, 1)
    assert "has no function 'hidden'" in failure.message


async def test_many_threads_may_say_something(pool: Pool) -> None:
    heard = Heard()
    assert await pool.run(heavy.beats, 50, heard) == 50
    assert heard.texts == [encode("x" * 1000)] * 200


async def test_it_is_ended_whatever_it_does_and_nobody_else(tmp_path: Path) -> None:
    pool, heard, path = Pool(2), Heard(), tmp_path / "go"
    try:
        spinning = asyncio.create_task(pool.run(heavy.spins, 1, heard))
        beside = asyncio.create_task(pool.run(heavy.wait_for, str(path)))
        await asyncio.to_thread(heard.said.wait, 30)
        heard.interrupt()
        failure = await asyncio.wait_for(spinning, 10)
        assert failure.message.endswith("was ended by SIGKILL")
        assert not beside.done()
        path.touch()
        assert await asyncio.wait_for(beside, 30) is None
        # what ended one call does not end the next one in the same process
        heard.interrupt()
        assert (await pool.run(heavy.total, heavy.Range(1, 2)))[0] == 3
    finally:
        pool.close()


async def test_one_that_is_cancelled_while_it_waits_for_a_process_does_not_begin(
    pool: Pool, tmp_path: Path
) -> None:
    path, waiting = tmp_path / "go", Heard()
    first = asyncio.create_task(pool.run(heavy.wait_for, str(path)))
    await asyncio.sleep(0)
    second = asyncio.create_task(pool.run(heavy.spins, 1, waiting))
    await asyncio.sleep(0)
    waiting.cause = "nobody awaits it"
    path.touch()
    assert await asyncio.wait_for(first, 30) is None
    assert (await asyncio.wait_for(second, 10)).error_type.endswith("ActivityCancelledError")


PARENT = """
import sys, threading
from durable.runtime.processes import Call, Processes
from durable.runtime.signals import Signals
class Told(Signals):
    def heartbeat(self, text):
        print(text, flush=True)
request = {
    "activity": "spins", "module": "tests.runtime.heavy", "function": "spins", "input": "1",
    "input_name": "value", "details": None, "max_payload": 1000,
    "context": {"instance_id": "i", "execution_id": "e", "task_id": 1, "activity": "spins",
                "attempt": 1, "idempotency_key": "k"},
}
Processes(1).run(Call(), request, Told())
"""


def test_no_process_outlives_a_worker_that_is_killed() -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.kill()
    # the child has the same stderr: it ends when both have
    parent.communicate(timeout=20)
    assert child != parent.pid
