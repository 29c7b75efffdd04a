"""Running instances of a generator go on as instances of an `async def`."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import durable as df
from durable.codec import decode
from tests.compat.running import hub_of


def app_of(code: Any) -> df.DFApp:
    app = df.DFApp()

    @app.activity_trigger(input_name="value")
    def act(value: int) -> int:
        return value + 1

    app.orchestration_trigger(context_name="context", orchestration="flow")(code)
    return app


def generator(context: Any) -> Any:
    one = yield context.call_activity("act", 1)
    due = context.current_utc_datetime + timedelta(hours=1)
    timer, event = context.create_timer(due), context.wait_for_external_event("go")
    winner = yield context.task_any([timer, event])
    assert winner == event
    timer.cancel()
    return (yield context.task_all([context.call_activity("act", n) for n in (one, event.result)]))


def durabletask_generator(context: Any, _: Any) -> Any:
    one = yield context.call_activity("act", input=1)
    timer, event = context.create_timer(timedelta(hours=1)), context.wait_for_external_event("go")
    yield df.when_any([timer, event])
    return (
        yield df.when_all(
            [context.call_activity("act", input=n) for n in (one, event.get_result())]
        )
    )


async def coroutine(context: df.DurableOrchestrationContext) -> list[int]:
    one = await context.call_activity("act", 1)
    timer, event = context.create_timer(timedelta(hours=1)), context.wait_for_external_event("go")
    await context.when_any([timer, event])
    calls = [context.call_activity("act", n) for n in (one, event.result)]
    return list(await context.when_all(calls))


async def test_each_style_goes_on_with_what_another_began() -> None:
    styles = [generator, durabletask_generator, coroutine]
    for before in styles:
        for after in styles:
            async with hub_of(app_of(before)) as hub:
                instance_id = await hub.client.start_new("flow")
                await hub.run(5)
                await hub.kill(hub.runtimes[0])
                await hub.add_runtime(app_of(after).durable.registry)
                await hub.outside.raise_event(instance_id, "go", 5)
                ended = await hub.wait(instance_id)
                assert decode(ended.output) == [3, 6], f"{before} {after} {ended}"
