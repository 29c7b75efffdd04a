"""Instances have versions, and workers take those that they are told to."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from durable.engine.context import DurableOrchestrationContext as Context
from durable.engine.entities import EntityContext
from durable.errors import InvalidRequestError, SubOrchestrationFailedError
from durable.model.entities import EntityId
from durable.model.instance import OrchestrationRuntimeStatus as Status
from durable.model.versioning import (
    VersionFailureStrategy,
    VersioningOptions,
    VersionMatchStrategy,
)
from durable.runtime.options import RuntimeOptions
from tests.memory_hub import MemoryHub
from tests.runtime.helpers import adder, head_of, nothing_left, status_of

STRICT, OLDER = VersionMatchStrategy.STRICT, VersionMatchStrategy.CURRENT_OR_OLDER
FAIL = VersionFailureStrategy.FAIL
NEEDS = "a worker that takes the orchestrator 'job' of version '2.0'"


def version(
    own: str | None,
    match: VersionMatchStrategy = OLDER,
    failure: VersionFailureStrategy = VersionFailureStrategy.REJECT,
) -> RuntimeOptions:
    return RuntimeOptions(versioning=VersioningOptions(own, own, match, failure))


def versions_hub(*workers: RuntimeOptions) -> MemoryHub:
    """`job` answers its version, after an event with `wait`; `parent` awaits a `job`."""
    hub = MemoryHub(workers[0])

    @hub.orchestrator
    async def job(context: Context) -> Any:
        if context.get_input() == "wait":
            context.set_custom_status("here")
            context.create_timer(timedelta(days=3))
            await context.wait_for_external_event("go")
        return context.version

    @hub.orchestrator
    async def parent(context: Context) -> Any:
        try:
            return await context.call_sub_orchestrator(job, None, "child", context.get_input())
        except SubOrchestrationFailedError as error:
            return f"{error.details.error_type}: {error.details.message}"

    return hub


# ---- the version of an instance ----


@pytest.mark.parametrize(("given", "found"), [(None, '"1.5"'), ("1.0", '"1.0"'), ("", "null")])
async def test_what_is_started_without_a_version_gets_the_default(
    given: str | None, found: str
) -> None:
    hub = versions_hub(version("1.5"))
    async with hub:
        client = type(hub.client)(hub.hub, default_version="1.5")
        await client.start_new("job", "j", version=given)
        assert (await hub.wait("j")).output == found
        await hub.outside.start_new("parent", "p", given)
        assert (await hub.wait("p")).output == found
        assert (await status_of(hub, "child")).version == (
            given or None if found != '"1.5"' else "1.5"
        )


async def test_an_entity_starts_with_the_default_too() -> None:
    hub = versions_hub(version("1.5"))

    @hub.entity
    def starter(context: EntityContext) -> None:
        context.start_new("job", None, "default")
        context.start_new("job", None, "none", "")

    async with hub:
        await hub.client.signal_entity(EntityId("starter", "s"), "go")
        assert (await hub.wait("default")).output == '"1.5"'
        assert (await hub.wait("none")).output == "null"


async def test_another_default_does_not_change_what_was_decided() -> None:
    hub = versions_hub(version("1.0", VersionMatchStrategy.NONE))
    async with hub:
        await hub.client.start_new("job", "j", "wait", version="1.0")

        @hub.orchestrator
        async def twice(context: Context) -> Any:
            first = await context.call_sub_orchestrator("job")
            await context.wait_for_external_event("go")
            return [first, await context.call_sub_orchestrator("job")]

        await hub.client.start_new("twice", "t")
        await hub.run(5)
        await hub.kill(hub.runtimes[0])
        await hub.add_runtime(options=version("2.0", VersionMatchStrategy.NONE))
        await hub.outside.raise_event("t", "go")
        await hub.outside.raise_event("j", "go")
        assert (await hub.wait("t")).output == '["1.0","2.0"]'
        # old instances go on under the version they started with
        assert (await hub.wait("j")).output == '"1.0"'
        assert (await status_of(hub, "j")).version == "1.0"


@pytest.mark.parametrize(("new", "found"), [(None, "1.0"), ("2.0", "2.0"), ("", None)])
async def test_a_new_generation_may_have_a_new_version(new: str | None, found: str | None) -> None:
    hub = MemoryHub()

    @hub.orchestrator
    async def again(context: Context) -> Any:
        seen = context.get_input() or []
        if seen:
            return [*seen, context.version]
        context.continue_as_new([context.version], new_version=new)
        return None

    async with hub:
        await hub.client.start_new("again", "a", version="1.0")
        output = (await hub.wait("a")).output
        assert output == f'["1.0",{"null" if found is None else chr(34) + found + chr(34)}]'
        assert (await status_of(hub, "a")).version == found


async def test_a_version_is_text() -> None:
    hub = MemoryHub()

    @hub.orchestrator
    async def bad(context: Context) -> Any:
        kind = context.get_input()
        try:
            if kind == "again":
                context.continue_as_new(None, new_version=2)  # type: ignore[arg-type]
            else:
                await context.call_sub_orchestrator("bad", None, None, 2)  # type: ignore[call-overload]
        except InvalidRequestError as error:
            return str(error)

    async with hub:
        with pytest.raises(InvalidRequestError, match=r"a version is a string, such as '2\.0'"):
            await hub.client.start_new("bad", "b", version=2)  # type: ignore[call-overload]
        assert await hub.outside.get_status("b") is None
        for kind in ("again", "child"):
            await hub.client.start_new("bad", kind, kind)
            assert (
                await hub.wait(kind)
            ).output == "\"a version is a string, such as '2.0', not int\""


# ---- workers that take some ----


@pytest.mark.parametrize("options", [version("1.0"), version("1.0", STRICT), version(None, STRICT)])
async def test_a_rejected_instance_waits_visibly_for_a_worker_of_its_version(
    options: RuntimeOptions, caplog: pytest.LogCaptureFixture
) -> None:
    hub = versions_hub(options)
    async with hub:
        await hub.client.start_new("job", "j", version="2.0")
        await hub.until(lambda: _waits(hub, "j"), 30)
        status = await status_of(hub, "j")
        assert (status.runtime_status, status.waiting) == (Status.PENDING, NEEDS)
        assert NEEDS in caplog.text
        await hub.run(600)
        assert (await status_of(hub, "j")).waiting == NEEDS
        await hub.add_runtime(options=version("2.0", STRICT))
        before = hub.clock.now()
        done = await hub.wait("j")
        assert (done.output, done.waiting) == ('"2.0"', None)
        assert hub.clock.now() - before <= timedelta(seconds=130)
        await nothing_left(hub)


async def test_a_new_worker_finds_what_waits_for_it_by_its_sweep() -> None:
    hub = versions_hub(version("1.0"))
    async with hub:
        await hub.client.start_new("job", "j", version="2.0")
        await hub.run(600)
        new = await hub.add_runtime(options=version("2.0", STRICT))
        hub.sweeping = False
        await new.sweep()
        await hub.idle()
        assert (await status_of(hub, "j")).output == '"2.0"'


async def test_an_instance_under_way_is_left_to_workers_of_its_version() -> None:
    hub = versions_hub(version("1.0", STRICT))
    async with hub:
        await hub.client.start_new("job", "j", "wait", version="1.0")
        await hub.run(5)
        await hub.stop(hub.runtimes[0])
        await hub.add_runtime(options=version("2.0", STRICT))
        await hub.outside.raise_event("j", "go")
        await hub.until(lambda: _waits(hub, "j"), 60)
        status = await status_of(hub, "j")
        assert (status.runtime_status, status.custom_status) == (Status.RUNNING, '"here"')
        await hub.add_runtime(options=version("1.0", STRICT))
        assert (await hub.wait("j")).output == '"1.0"'
        await nothing_left(hub)


async def test_a_generation_of_a_newer_version_goes_to_a_newer_worker() -> None:
    hub = MemoryHub(version("1.0"))

    @hub.orchestrator
    async def job(context: Context) -> Any:
        if context.version == "2.0":
            return context.get_input()
        context.continue_as_new("new", new_version="2.0")
        return None

    async with hub:
        await hub.client.start_new("job", "j", version="1.0")
        await hub.until(lambda: _waits(hub, "j"), 60)
        assert (await status_of(hub, "j")).version == "2.0"
        await hub.add_runtime(options=version("2.0"))
        assert (await hub.wait("j")).output == '"new"'
        await nothing_left(hub)


# ---- workers that fail the others ----


async def test_an_instance_of_another_version_fails_without_its_code() -> None:
    hub = versions_hub(version("1.0", OLDER, FAIL))
    async with hub:
        await hub.client.start_new("job", "j", "wait", version="2.0")
        status = await hub.wait("j")
        assert status.runtime_status == Status.FAILED
        assert status.failure is not None
        assert status.failure.error_type == "VersionMismatch"
        assert status.failure.message == (
            "the orchestration, version '2.0', is newer than this worker, version '1.0'"
        )
        assert (status.custom_status, status.waiting) == (None, None)
        await hub.client.start_new("parent", "p", "2.0", version="1.0")
        assert (await hub.wait("p")).output == f'"VersionMismatch: {status.failure.message}"'
        await nothing_left(hub)


async def test_one_under_way_fails_with_its_next_turn_and_leaves_nothing() -> None:
    hub = versions_hub(version("1.0", STRICT))
    adder(hub)

    @hub.entity
    def counter(context: EntityContext) -> None:
        context.set_state(1)

    @hub.orchestrator
    async def locking(context: Context) -> Any:
        async with context.lock_entities([EntityId("counter", "one")]):
            context.set_custom_status("locked")
            context.create_timer(timedelta(days=3))
            await context.wait_for_external_event("go")

    async with hub:
        await hub.client.start_new("locking", "l", version="1.0")
        await hub.run(5)
        assert len(await hub._far_timers()) == 1
        await hub.stop(hub.runtimes[0])
        await hub.add_runtime(options=version("2.0", STRICT, FAIL))
        await hub.run(60)
        assert (await status_of(hub, "l")).runtime_status == Status.RUNNING
        await hub.outside.raise_event("l", "go")
        status = await hub.wait("l")
        assert status.failure is not None
        assert status.failure.error_type == "VersionMismatch"
        assert status.custom_status == '"locked"'
        await hub.run(5)
        assert (await head_of(hub, "@counter@one")).lock is None
        assert await hub._far_timers() == []
        await nothing_left(hub)


async def test_a_refused_instance_is_rewound_by_a_worker_of_its_version() -> None:
    hub = versions_hub(version("1.0", STRICT, FAIL))
    async with hub:
        await hub.client.start_new("job", "j", version="2.0")
        assert (await hub.wait("j")).runtime_status == Status.FAILED
        # still refused: it fails again, for the same reason
        await hub.outside.rewind("j")
        await hub.run(5)
        status = await hub.wait("j")
        assert status.failure is not None
        assert status.failure.error_type == "VersionMismatch"
        await hub.stop(hub.runtimes[0])
        await hub.add_runtime(options=version("2.0", STRICT, FAIL))
        await hub.outside.rewind("j")
        await hub.run(5)
        assert (await hub.wait("j")).output == '"2.0"'
        await nothing_left(hub)


async def test_one_under_way_that_was_refused_goes_on_where_it_was() -> None:
    hub = versions_hub(version("1.0", STRICT))
    async with hub:
        await hub.client.start_new("job", "j", "wait", version="1.0")
        await hub.run(5)
        await hub.stop(hub.runtimes[0])
        refusing = await hub.add_runtime(options=version("2.0", STRICT, FAIL))
        await hub.outside.raise_event("j", "go")
        assert (await hub.wait("j")).runtime_status == Status.FAILED
        await hub.outside.rewind("j")
        await hub.run(5)
        assert (await hub.wait("j")).runtime_status == Status.FAILED
        await hub.stop(refusing)
        await hub.add_runtime(options=version("1.0", STRICT))
        await hub.outside.rewind("j")
        await hub.run(5)
        assert (await hub.wait("j")).output == '"1.0"'
        await nothing_left(hub)


async def _waits(hub: MemoryHub, instance_id: str) -> bool:
    return (await status_of(hub, instance_id)).waiting is not None
