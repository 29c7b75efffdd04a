"""Instances that ended long enough ago are purged by the sweeper."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from durable.engine.context import DurableOrchestrationContext as Context
from durable.errors import ConfigurationError, Throttled
from durable.model.instance import OrchestrationRuntimeStatus as Status
from durable.model.retention import Retention
from durable.runtime.options import RuntimeOptions
from durable.settings import load_settings
from tests.memory_hub import MemoryHub

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def a_hub(retention: Retention, **options: Any) -> MemoryHub:
    hub = MemoryHub(RuntimeOptions(retention=retention), **options)

    @hub.orchestrator
    async def program(context: Context) -> Any:
        match context.get_input():
            case "fail":
                raise ValueError("no")
            case "wait":
                await context.wait_for_external_event("go")
            case "parent":
                await context.call_sub_orchestrator("program", "large", "child")
        return "x" * 100_000 if context.get_input() == "large" else None

    return hub


async def ids(hub: MemoryHub) -> list[str]:
    return sorted([i.instance_id async for i in hub.outside.list_instances()])


async def test_each_way_to_end_has_its_time() -> None:
    hub = a_hub(Retention(completed=HOUR, failed=DAY))
    async with hub:
        for name in ("fail", "wait", "parent", "terminate"):
            await hub.client.start_new("program", name, "wait" if name == "terminate" else name)
        await hub.run(5)
        await hub.client.terminate("terminate")
        await hub.run(3000)
        assert len(await ids(hub)) == 5
        await hub.run(1000)
        assert await ids(hub) == ["fail", "terminate", "wait"]
        # the time counts from the end, not from the start
        await hub.client.raise_event("wait", "go")
        await hub.run(3000)
        assert await ids(hub) == ["fail", "terminate", "wait"]
        await hub.run(1000)
        assert await ids(hub) == ["fail", "terminate"]
        await hub.run(DAY.total_seconds())
        assert await ids(hub) == ["terminate"]
        rows = await hub.keys(hub.hub.names.history)
        assert {row.partition(" ")[0] for row in rows} == {"terminate"}
        await hub.run(30 * DAY.total_seconds())
        assert await ids(hub) == ["terminate"]


async def test_nothing_goes_and_nothing_is_read_without_it() -> None:
    hub = a_hub(Retention())
    async with hub:
        await hub.client.start_new("program", "p")
        await hub.run(5)
        await hub.run(400 * DAY.total_seconds())
        assert await ids(hub) == ["p"]
        reads: list[Any] = []

        async def note(name: str, arguments: tuple[Any, ...]) -> None:
            if arguments[0] == hub.hub.names.instances:
                reads.append(name)

        hub.tamper(hub.runtimes[0], before=note)
        await hub.runtimes[0]._sweeper._retention.sweep()
        assert reads == []


async def test_what_is_looked_through_rests_until_more_is_old() -> None:
    hub = a_hub(Retention(completed=HOUR))
    async with hub:
        for number in range(250):
            await hub.client.start_new("program", f"p{number}")
        await hub.run(60)
        await hub.run(HOUR.total_seconds())
        for _ in range(60):
            await hub.run(11)
        assert await ids(hub) == []
        reads: list[Any] = []

        async def note(name: str, arguments: tuple[Any, ...]) -> None:
            reads.append(name)

        sweep = hub.runtimes[0]._sweeper._retention
        hub.tamper(hub.runtimes[0], before=note)
        for _ in range(10):
            await sweep.sweep()
        assert len(reads) <= 1


async def test_what_has_not_sent_its_last_messages_stays() -> None:
    hub = a_hub(Retention(completed=timedelta(0)))
    async with hub:
        await hub.client.start_new("program", "p", "parent")
        answered: list[bool] = []

        async def hold(name: str, arguments: tuple[Any, ...]) -> None:
            # the child's answer does not get out for a while
            if name == "transact" and arguments[1] == "p" and not answered:
                head = await hub.hub.instances.head("child")
                if head is not None and head.is_terminal:
                    raise Throttled

        hub.tamper(hub.runtimes[0], before=hold)
        await hub.run(120)
        assert "child" in await ids(hub)
        head = await hub.hub.instances.head("child")
        assert head is not None
        assert head.is_terminal
        assert head.holdings
        answered.append(True)
        await hub.run(600)
        assert await ids(hub) == []


async def test_two_processes_and_a_kill_in_the_middle() -> None:
    hub = a_hub(Retention(completed=HOUR), workers=2)
    async with hub:
        for number in range(30):
            await hub.client.start_new("program", f"p{number}", "large")
        await hub.run(60)
        left = 40

        async def die(name: str, arguments: tuple[Any, ...]) -> None:
            nonlocal left
            if hub.clock.now() >= begun + HOUR:
                left -= 1
                if left < 0:
                    hub.crash()

        begun = hub.clock.now()
        for runtime in hub.runtimes:
            hub.tamper(runtime, before=die)
        await hub.run(HOUR.total_seconds() + 1200)
        assert left < 0
        assert await ids(hub) == []
        assert await hub.keys(hub.hub.names.history) == []
        assert await hub.keys(hub.hub.names.instances) == []


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ("{}", Retention()),
        ('{"after": "30.00:00:00"}', Retention(30 * DAY, 30 * DAY, 30 * DAY)),
        (
            '{"after": "1.00:00:00", "failed": "Never", "completed": "01:00:00"}',
            Retention(HOUR, None, DAY),
        ),
        ('{"failed": "00:00:00"}', Retention(failed=timedelta(0))),
    ],
)
def test_settings(tmp_path: Path, section: str, expected: Retention) -> None:
    text = '{"version": "2.0", "extensions": {"durableTask": {"retention": %s}}}'
    (tmp_path / "host.json").write_text(text % section)
    assert load_settings(tmp_path, {}).retention == expected


@pytest.mark.parametrize("section", ['"1.00:00:00"', '{"after": 30}', '{"failed": "soon"}'])
def test_bad_settings(tmp_path: Path, section: str) -> None:
    text = '{"version": "2.0", "extensions": {"durableTask": {"retention": %s}}}'
    (tmp_path / "host.json").write_text(text % section)
    with pytest.raises(ConfigurationError, match=r"host.json: extensions.durableTask.retention"):
        load_settings(tmp_path, {})


def test_only_ends_have_a_time() -> None:
    retention = Retention(HOUR, HOUR, HOUR)
    kept = {status for status in Status if retention.after(status) is None}
    assert kept == {status for status in Status if not status.is_terminal}
