"""Attempts that take too long, that say how far they are, and that nobody awaits any more."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from durable.engine.context import DurableOrchestrationContext as Context
from durable.errors import (
    ActivityCancelledError,
    ActivityFailedError,
    ActivityTimeoutError,
    HeartbeatTimeoutError,
    PayloadError,
)
from durable.model.events import TaskFailed
from durable.model.functions import ActivityDefinition
from durable.model.instance import OrchestrationRuntimeStatus as Status
from durable.model.retry import RetryPolicy
from durable.runtime.activities import ActivityContext, activity_context
from durable.runtime.ending import end
from durable.runtime.options import RuntimeOptions
from tests.memory_hub import MemoryHub
from tests.runtime.helpers import nothing_left

TWICE = RetryPolicy(first_retry_interval=timedelta(seconds=1), max_number_of_attempts=2)
Seconds = float


def seconds(number: Seconds) -> timedelta:
    return timedelta(seconds=number)


async def details_rows(hub: MemoryHub) -> list[str]:
    return [key for key in await hub.keys(hub.hub.names.history) if "|d|" in key]


def calls(hub: MemoryHub, **options: Any) -> None:
    """Registers `job`, which calls the activity of its input and answers its result or failure."""

    @hub.orchestrator
    async def job(context: Context) -> Any:
        try:
            return await context.call_activity(context.get_input(str), 1, **options)
        except ActivityFailedError as error:
            over = error.details.is_caused_by(ActivityTimeoutError)
            return [over, error.details.is_caused_by(HeartbeatTimeoutError), error.details.message]


@pytest.mark.parametrize("queued", [False, True])
async def test_an_attempt_that_runs_over_is_followed_by_another(queued: bool) -> None:
    hub = MemoryHub(RuntimeOptions(always_queue=queued))
    seen: list[Any] = []

    @hub.activity
    async def slow(value: int) -> str:
        began = hub.clock.monotonic()
        try:
            await hub.clock.sleep(100 if activity_context().attempt == 1 else 9)
        except asyncio.CancelledError:
            seen.append((activity_context().is_cancelled, hub.clock.monotonic() - began))
            await hub.clock.sleep(2)
            raise
        return "done"

    calls(hub, timeout=seconds(10), retry=TWICE)
    async with hub:
        began = hub.clock.monotonic()
        await hub.client.start_new("job", "i", "slow")
        assert (await hub.wait("i")).output == '"done"'
        assert seen == [(True, 10)]
        assert 22 <= hub.clock.monotonic() - began < 30
        history = [event async for _, event in _history(hub, "i")]
        [failed] = [event for event in history if isinstance(event, TaskFailed)]
        assert failed.failure.error_type == "durable.errors.ActivityTimeoutError"
        assert failed.failure.message == "activity 'slow' ran over its timeout of 10 s"
        await nothing_left(hub)


async def _history(hub: MemoryHub, instance_id: str) -> Any:
    head = await hub.hub.instances.head(instance_id)
    assert head is not None
    for stored in await hub.hub.instances.history(head):
        for event in stored.turn.events:
            yield stored.turn.time, event


async def test_an_activity_has_limits_of_its_own_and_a_call_others() -> None:
    hub = MemoryHub()

    async def slow(value: int) -> str:
        await hub.clock.sleep(value)
        return "done"

    hub.registry.add(ActivityDefinition("slow", slow, "value", timeout=seconds(5)))

    @hub.orchestrator
    async def job(context: Context) -> Any:
        own = context.call_activity("slow", 7)
        longer = context.call_activity("slow", 7, timeout=seconds(9))
        await context.when_any([own, longer])
        return [own.is_failed, await longer]

    async with hub:
        await hub.client.start_new("job", "i")
        assert (await hub.wait("i")).output == '[true,"done"]'


async def test_one_that_does_not_end_keeps_its_place_and_counts_no_more() -> None:
    hub = MemoryHub(RuntimeOptions(max_activities=1))
    stuck = asyncio.Event()

    @hub.activity
    async def stubborn(value: int) -> str:
        while not stuck.is_set():
            try:
                await stuck.wait()
            except asyncio.CancelledError:
                continue
        return "too late"

    @hub.activity
    async def other(value: int) -> str:
        return "other"

    calls(hub, timeout=seconds(10))
    async with hub:
        await hub.client.start_new("job", "i", "stubborn")
        assert (await hub.wait("i")).output == (
            "[true,false,\"activity 'stubborn' ran over its timeout of 10 s\"]"
        )
        await hub.client.start_new("job", "o", "other")
        await hub.run(100)
        assert hub.runtimes[0].activities.used == 1
        status = await hub.outside.get_status("o")
        assert status is not None
        assert status.runtime_status is Status.RUNNING
        stuck.set()
        assert (await hub.wait("o")).output == '"other"'
        assert hub.runtimes[0].activities.used == 0


@pytest.mark.parametrize("limited", [False, True])
async def test_a_drain_leaves_behind_what_does_not_end(
    limited: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("durable.runtime.runtime.end", partial(end, seconds=0.1))
    hub = MemoryHub()
    stuck = asyncio.Event()

    @hub.activity
    async def stubborn(value: int) -> str:
        while not stuck.is_set():
            with suppress(asyncio.CancelledError):
                await stuck.wait()
        raise OSError("too late")

    calls(hub, timeout=seconds(1000) if limited else None)
    async with hub:
        await hub.client.start_new("job", "i", "stubborn")
        await hub.run(10)
        began = asyncio.get_running_loop().time()
        await hub.stop(hub.runtimes[0])
        assert asyncio.get_running_loop().time() - began < 3
        (said,) = [each.getMessage() for each in caplog.records if "left behind" in each.msg]
        assert said.endswith("are left behind: activity 'stubborn' of instance 'i'")
        stuck.set()
        await hub.add_runtime()


def imports(hub: MemoryHub, log: list[Any], *, pause: Seconds, until: int = 10) -> None:
    """Registers `load`: ten steps, each said and then taken; it falls silent before `until` in its
    first run."""

    @hub.activity
    async def load(value: int) -> int:
        context = activity_context()
        first = context.heartbeat_details(int) or 0
        log.append((context.attempt, first))
        for step in range(first, 10):
            if step == until and len(log) == 1:
                await hub.clock.sleep(1000)
            await hub.clock.sleep(pause)
            context.heartbeat(step + 1)
        return first


async def test_silence_fails_an_attempt_and_the_next_goes_on_from_what_was_said() -> None:
    hub = MemoryHub()
    log: list[Any] = []
    imports(hub, log, pause=2, until=7)
    calls(hub, heartbeat_timeout=seconds(9), retry=TWICE)
    async with hub:
        await hub.client.start_new("job", "i", "load")
        assert (await hub.wait("i")).output == "7"
        assert log == [(1, 0), (2, 7)]
        await hub.idle()
        assert await details_rows(hub) == []
        await nothing_left(hub)


async def test_a_silent_attempt_fails_as_such() -> None:
    hub = MemoryHub()
    imports(hub, [], pause=2, until=0)
    calls(hub, heartbeat_timeout=seconds(9))
    async with hub:
        await hub.client.start_new("job", "i", "load")
        says = "activity 'load' was silent for longer than its heartbeat timeout of 9 s"
        assert (await hub.wait("i")).output == f'[true,true,"{says}"]'


@pytest.mark.parametrize("queued", [False, True])
@pytest.mark.parametrize("workers", [1, 2])
async def test_what_was_said_outlives_its_process(queued: bool, workers: int) -> None:
    hub = MemoryHub(RuntimeOptions(always_queue=queued), workers=workers)
    log: list[Any] = []
    imports(hub, log, pause=3)
    calls(hub)
    async with hub:
        await hub.client.start_new("job", "i", "load")
        await hub.until(lambda: log, 60)
        await hub.run(16)
        assert len(await details_rows(hub)) == 1
        hub.crash()
        assert (await hub.wait("i")).output in ("4", "5")
        assert [attempt for attempt, _ in log] == [1, 1]
        await hub.run(1)
        assert await details_rows(hub) == []


async def test_few_writes_whatever_is_said() -> None:
    hub = MemoryHub()
    written: list[Any] = []

    @hub.activity
    async def load(value: int) -> None:
        for step in range(300):
            activity_context().heartbeat(step)
            await hub.clock.sleep(0.1)

    async def sees(name: str, args: tuple[Any, ...]) -> None:
        if name == "transact" and "|d|" in args[2][-1].key:
            written.append(getattr(args[2][-1], "values", {}).get("details"))

    calls(hub)
    async with hub:
        hub.tamper(hub.runtimes[0], before=sees)
        await hub.client.start_new("job", "i", "load")
        await hub.wait("i")
        await hub.idle()
        # the first at once, then each five seconds; its delete at last
        assert written[0] == "0"
        assert 7 <= len(written) <= 8
        assert written[-1] is None


async def test_what_the_failing_attempt_said_last_counts() -> None:
    hub = MemoryHub()
    seen: list[Any] = []

    @hub.activity
    async def load(value: int) -> None:
        context = activity_context()
        seen.append(context.heartbeat_details())
        for step in range(3):
            context.heartbeat({"step": step})
        context.heartbeat()
        raise ValueError("no")

    calls(hub, retry=TWICE)
    async with hub:
        await hub.client.start_new("job", "i", "load")
        await hub.wait("i")
        assert seen == [None, {"step": 2}]
        # a rewind may go on from it, and the instance takes it along
        assert len(await details_rows(hub)) == 1
        await hub.client.purge_instance_history("i")
        await hub.idle()
        assert await hub.keys(hub.hub.names.history) == []


async def test_a_status_shows_what_running_activities_said_last() -> None:
    hub = MemoryHub()

    @hub.activity
    async def load(value: int) -> int:
        context = activity_context()
        context.heartbeat({"row": value + context.attempt})
        if context.attempt == 1 or value == 0:
            raise ValueError("no")
        await hub.clock.sleep(3600)
        return value

    @hub.orchestrator
    async def job(context: Context) -> Any:
        with pytest.raises(ActivityFailedError):
            await context.call_activity("load", 0)
        calls = [context.call_activity("load", each, retry=TWICE) for each in (10, 20)]
        return await context.when_all(calls)

    async with hub:
        await hub.client.start_new("job", "i")
        await hub.run(60)
        # that of the failed call is there, for a rewind
        assert len(await details_rows(hub)) == 3
        status = await hub.outside.get_status("i", show_heartbeats=True)
        assert status is not None
        assert [(each.activity, each.attempt) for each in status.heartbeats] == [("load", 2)] * 2
        said = [each.get_details(dict[str, int]) for each in status.heartbeats]
        assert said == [{"row": 12}, {"row": 22}]
        plain = await hub.outside.get_status("i")
        assert plain is not None
        assert plain.heartbeats == ()
        await hub.wait("i")
        ended = await hub.outside.get_status("i", show_heartbeats=True)
        assert ended is not None
        assert ended.heartbeats == ()


async def test_generations_do_not_pile_up_what_was_said() -> None:
    hub = MemoryHub()

    @hub.activity
    async def load(value: int) -> None:
        activity_context().heartbeat(value)
        raise ValueError("no")

    @hub.orchestrator
    async def monitor(context: Context) -> Any:
        looks = context.get_input(int)
        with pytest.raises(ActivityFailedError):
            await context.call_activity("load", looks)
        if looks:
            context.continue_as_new(looks - 1)

    async with hub:
        await hub.client.start_new("monitor", "i", 5)
        await hub.wait("i")
        await hub.run(60)
        assert len(await details_rows(hub)) <= 1


class Waits:
    """Registers `waits`, which says that it lives every second, and `listens`, which does not;
    each says when it was told that nobody awaits it."""

    def __init__(self, hub: MemoryHub) -> None:
        self.told: list[tuple[str, float]] = []
        self.began: list[str] = []

        @hub.activity
        async def waits(value: int) -> None:
            self.began.append("waits")
            try:
                while True:
                    activity_context().heartbeat()
                    await hub.clock.sleep(1)
            except asyncio.CancelledError:
                self.told.append(("interrupted", hub.clock.monotonic()))
                raise

        @hub.activity
        async def listens(value: int) -> None:
            self.began.append("listens")
            await activity_context().cancelled()
            self.told.append(("told", hub.clock.monotonic()))
            with pytest.raises(ActivityCancelledError, match="nobody awaits it"):
                activity_context().raise_if_cancelled()


@pytest.mark.parametrize(("name", "kind"), [("waits", "interrupted"), ("listens", "told")])
async def test_told_at_once_where_the_instance_runs(name: str, kind: str) -> None:
    hub = MemoryHub()
    waits = Waits(hub)
    calls(hub)
    async with hub:
        await hub.client.start_new("job", "i", name)
        await hub.until(lambda: waits.began)
        await hub.client.terminate("i", "enough")
        ended = hub.clock.monotonic()
        assert (await hub.wait("i")).runtime_status is Status.TERMINATED
        await hub.idle()
        [(how, when)] = waits.told
        assert how == kind
        assert when - ended < 1
        await hub.run(60)
        assert waits.began == [name]
        await nothing_left(hub)


@pytest.mark.parametrize(("name", "within"), [("waits", 6), ("listens", 31)])
async def test_told_elsewhere_by_and_by(name: str, within: float) -> None:
    hub = MemoryHub(RuntimeOptions(always_queue=True), workers=2)
    waits = Waits(hub)
    calls(hub)
    async with hub:
        await hub.client.start_new("job", "i", name)
        await hub.until(lambda: waits.began)
        running = next(each for each in hub.runtimes if each.activities.used)
        # who runs it hears nothing of its instance
        hub.processes[running].away = {
            queue: float("inf") for queue in hub.hub.names.control_queues
        }
        await hub.outside.terminate("i", "enough")
        assert (await hub.wait("i")).runtime_status is Status.TERMINATED
        ended = hub.clock.monotonic()
        await hub.until(lambda: waits.told, 60)
        assert waits.told[0][1] - ended <= within
        await hub.run(60)
        assert len(waits.began) == 1


async def test_a_head_of_long_ago_ends_nothing() -> None:
    hub = MemoryHub(RuntimeOptions(always_queue=True))
    calls(hub)
    begun: list[int] = []

    @hub.activity
    async def slow(value: int) -> int:
        begun.append(value)
        # from now on it may be interrupted
        activity_context().heartbeat()
        await hub.clock.sleep(10)
        return value

    async with hub:
        await hub.client.start_new("job", "i", "slow")
        await hub.until(lambda: begun)
        before = await hub.hub.instances.head("i")
        await hub.client.terminate("i", "enough")
        await hub.wait("i")
        await hub.client.start_new("job", "i", "slow")
        await hub.until(lambda: len(begun) == 2)
        await hub.run(3)
        [runtime] = hub.runtimes
        assert before is not None
        assert not runtime.runs.is_running("i")
        # what a run that ended here in the life before would have left behind
        runtime.runs.keep(before)
        await hub.outside.raise_event("i", "news")
        assert (await hub.wait("i")).output == "1"
        assert len(begun) == 2


async def test_an_instance_that_goes_on_or_is_gone_awaits_nothing_of_before() -> None:
    hub = MemoryHub()
    waits = Waits(hub)

    @hub.orchestrator
    async def again(context: Context) -> Any:
        if context.get_input(int) == 0:
            context.call_activity("waits", 1)
            await context.create_timer(seconds(3))
            context.continue_as_new(1)
            return
        context.call_activity("listens", 1)
        await context.create_timer(seconds(3))

    async with hub:
        await hub.client.start_new("again", "i", 0)
        await hub.wait("i")
        await hub.idle()
        assert [how for how, _ in waits.told] == ["interrupted", "told"]
        assert 3 <= waits.told[0][1] < 5
        await hub.run(60)
        assert await details_rows(hub) == []


async def test_one_that_goes_on_for_nobody_still_has_its_time() -> None:
    hub = MemoryHub()
    interrupted: list[float] = []

    @hub.activity
    async def deaf(value: int) -> None:
        began = hub.clock.monotonic()
        try:
            await hub.clock.sleep(1000)
        finally:
            interrupted.append(hub.clock.monotonic() - began)

    calls(hub, timeout=seconds(90))
    async with hub:
        await hub.client.start_new("job", "i", "deaf")
        await hub.run(10)
        await hub.client.terminate("i", "enough")
        await hub.wait("i")
        assert interrupted == []
        await hub.run(100)
        assert interrupted == [90]


def test_what_cannot_be_said() -> None:
    context = ActivityContext("i", "e", 1, "load", 1, "key")
    with pytest.raises(PayloadError, match="16,002 characters as JSON; at most 16,000"):
        context.heartbeat("x" * 16_000)
    with pytest.raises(PayloadError):
        context.heartbeat(object())
    context.heartbeat({"nobody": "listens"})
    assert context.heartbeat_details() is None
    assert not context.is_cancelled
    context.raise_if_cancelled()
