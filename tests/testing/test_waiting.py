"""What cannot come is said at once, with what to do about it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import durable as df
from durable.testing import OrchestrationFailedError, StalledError, TestHub
from tests.testing.app import app

START = datetime(2026, 1, 1, tzinfo=UTC)


async def test_an_event_that_nobody_raises() -> None:
    async with TestHub(app) as hub:
        instance_id = await hub.start("decide", instance_id="laptop")
        with pytest.raises(StalledError) as stalled:
            await hub.result(instance_id)
        assert str(stalled.value) == (
            "nothing is due any more: instance 'laptop' of 'decide' is Running and waits for the "
            "event 'decision'"
        )
        await hub.raise_event(instance_id, "decision", {"approved": True})
        assert await hub.result(instance_id) == {"approved": True}


async def test_an_update_of_another_name_than_the_code_has() -> None:
    async with TestHub(app) as hub:
        instance_id = await hub.start("decide")
        with pytest.raises(StalledError, match="'decision'; nothing takes its update 'decision'"):
            await hub.update(instance_id, "decision")


async def test_a_function_that_the_app_does_not_have() -> None:
    lacking = df.Blueprint()

    @lacking.orchestration_trigger(context_name="context")
    async def calls(context: df.DurableOrchestrationContext) -> None:
        await context.call_sub_orchestrator("nobody")

    @lacking.orchestration_trigger(context_name="context")
    async def asks(context: df.DurableOrchestrationContext) -> None:
        await context.call_entity(df.EntityId("nothing", "k"), "get")

    @lacking.orchestration_trigger(context_name="context")
    async def acts(context: df.DurableOrchestrationContext) -> None:
        await context.call_activity("nix")

    @lacking.orchestration_trigger(context_name="context")
    async def gives_up(context: df.DurableOrchestrationContext) -> str:
        child = context.call_sub_orchestrator("nobody")
        timer = context.create_timer(timedelta(hours=1))
        return "late" if await context.when_any([child, timer]) is timer else "done"

    async with TestHub(lacking) as hub:
        how = "check the name, or register the blueprint that has it"
        with pytest.raises(StalledError, match=f"nothing is due.*'nobody', .* lacks: {how}"):
            await hub.run(calls)
        with pytest.raises(StalledError, match=f"nothing is due.*@nothing@k, .* lacks: {how}"):
            await hub.run(asks)
        with pytest.raises(OrchestrationFailedError, match=f"'nix'; this app has none: {how}"):
            await hub.run(acts)
        assert hub.now == START
        # what is due happens
        assert await hub.run(gives_up) == "late"


async def test_a_version_that_the_app_does_not_take() -> None:
    versioned = df.DFApp()
    versioned.configure_versioning(
        df.VersioningOptions(version="1.0", match_strategy=df.VersionMatchStrategy.STRICT)
    )

    @versioned.orchestration_trigger(context_name="context")
    async def calls(context: df.DurableOrchestrationContext) -> None:
        await context.call_sub_orchestrator(calls, version="2.0")

    async with TestHub(versioned) as hub:
        with pytest.raises(
            StalledError, match=r"is Pending and waits for .* of version '2\.0': the"
        ):
            await hub.run(calls, version="2.0")
        with pytest.raises(StalledError, match=r"of 'calls', which waits for .* of version '2\.0'"):
            await hub.run(calls, version="1.0")


async def test_a_hub_that_has_not_begun() -> None:
    with pytest.raises(RuntimeError, match=r"use it in `async with TestHub\(app\) as hub`"):
        await TestHub(app).run("decide")


async def test_what_is_said_of_others_that_wait() -> None:
    async with TestHub(app) as hub:
        instance_id = await hub.start("decide")
        await hub.client.suspend(instance_id)
        with pytest.raises(StalledError, match="is Suspended, and goes on after a resume"):
            await hub.result(instance_id)
        assert hub.now == START
        with pytest.raises(TimeoutError, match=r"after 60 s .* waits for a timer .*01:00:00"):
            await hub.run("sleep", 3600, timeout=timedelta(minutes=1))


async def test_a_condition_that_cannot_come_true() -> None:
    async with TestHub(app) as hub:
        instance_id = await hub.start("sleep", 60)
        with pytest.raises(StalledError, match=r"the condition did not come true.*is Completed"):
            await hub.wait_for(instance_id, lambda it: it.custom_status == "x")
        instance_id = await hub.start("decide")
        with pytest.raises(TimeoutError, match=r"after 5 s .* the event 'decision'"):
            await hub.wait_for(instance_id, lambda it: it.custom_status == "x", timeout=5)


async def test_beside_what_never_ends() -> None:
    async with TestHub(app, patience=0.3) as hub:
        await hub.start("monitor")
        with pytest.raises(StalledError, match=r"gave up after 0.3 s.*waits for the event") as it:
            await hub.run("decide")
        assert "TestHub(…, patience=…) waits longer" in str(it.value)


async def test_code_that_turns_without_time() -> None:
    async with TestHub(app, patience=0.3) as hub:
        with pytest.raises(StalledError, match="what needs no time does not end"):
            await hub.start("spin")
        with pytest.raises(StalledError, match=r"gave up after 0.3 s"):
            await hub.advance(60)


@pytest.mark.parametrize("way", ["rest", "rest_in_thread"])
async def test_an_activity_that_does_not_end(way: str) -> None:
    async with TestHub(app, patience=0.3) as hub:
        with pytest.raises(StalledError, match=f"the activity '{way}' did not end; .* waits for"):
            await hub.run("tired", [way, 3])


async def test_a_failure_is_raised_with_its_details() -> None:
    async with TestHub(app, activities={"charge": ValueError("no card")}) as hub:
        with pytest.raises(OrchestrationFailedError, match=r"has failed.*no card") as failed:
            await hub.run("buy", {"item": "tea", "cents": 1}, instance_id="order")
        assert failed.value.instance_id == "order"
        assert failed.value.failure is not None
        assert failed.value.failure.error_type == "durable.errors.ActivityFailedError"


async def test_a_terminated_one_has_no_output() -> None:
    async with TestHub(app) as hub:
        instance_id = await hub.start("decide")
        await hub.client.terminate(instance_id, "changed our minds")
        with pytest.raises(OrchestrationFailedError, match="has terminated") as ended:
            await hub.result(instance_id)
        assert "changed our minds" in str(ended.value)
        assert ended.value.failure is None


async def test_code_that_is_not_deterministic_shows_at_once_if_every_turn_is_replayed() -> None:
    fickle = df.DFApp()
    runs: list[int] = []

    @fickle.activity_trigger(input_name="value")
    def note(value: int) -> int:
        return value

    @fickle.orchestration_trigger(context_name="context")
    async def wander(context: df.DurableOrchestrationContext) -> Any:
        runs.append(1)
        if len(runs) > 1:
            await context.create_timer(timedelta(1))
        await context.call_activity(note, 1)
        return await context.call_activity(note, 2)

    async with TestHub(fickle) as hub:
        assert await hub.run(wander) == 2
    runs.clear()
    async with TestHub(fickle, replay_every_turn=True) as hub:
        with pytest.raises(StalledError, match=r"is Stuck: .*NonDeterminismError"):
            await hub.run(wander)


async def test_all_is_right_if_every_turn_is_replayed() -> None:
    async with TestHub(app, replay_every_turn=True) as hub:
        assert (await hub.run("buy", {"item": "tea", "cents": 1}))["number"] == "r-tea"
        assert len(await hub.run("family")) == 3
        assert await hub.run("count") == 7
        instance_id = await hub.start("monitor")
        await hub.advance(3600)
        assert (await hub.status(instance_id)).custom_status == 7


async def test_an_unknown_instance() -> None:
    async with TestHub(app) as hub:
        with pytest.raises(df.InstanceNotFoundError):
            await hub.result("nobody")
        with pytest.raises(df.InstanceNotFoundError):
            await hub.status("nobody")


async def test_what_is_no_time_is_refused_in_words() -> None:
    async with TestHub(app) as hub:
        with pytest.raises(TypeError, match=r"skip_to takes a datetime, such as hub.now \+ "):
            await hub.skip_to("2026-02-01")  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="advance takes a number of seconds or a timedelta"):
            await hub.advance("1 h")  # type: ignore[arg-type]
        instance_id = await hub.start("decide")
        for wait in (hub.result, hub.wait_for, hub.client.wait_for_completion):
            with pytest.raises(TypeError, match="a timeout is a number of seconds, a timedelta"):
                await wait(instance_id, timeout="60")  # type: ignore[arg-type]


async def test_a_hub_that_is_closed_keeps_nobody() -> None:
    async with TestHub(app) as hub:
        instance_id = await hub.start("monitor")
        waiting = asyncio.ensure_future(hub.result(instance_id))
        await asyncio.sleep(0)
    with pytest.raises(StalledError, match="the hub was closed"):
        await waiting
