"""Programs of golden histories whose activities say how far they are. Append-only too."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import durable as df
from durable.engine.context import DurableOrchestrationContext as Context
from tests.golden.world import World


def limits(app: df.DFApp, world: World) -> None:
    """Adds them to `app`."""

    @app.activity_trigger(input_name="value")
    async def says(value: int) -> list[int]:
        context = df.activity_context()
        first = context.heartbeat_details(int) or 0
        for step in range(first, value):
            await world.sleep(4)
            context.heartbeat(step + 1)
        if context.attempt == 1:
            # silent for too long: the next attempt is to find what was said
            await world.sleep(1000)
        await world.sleep(8)
        return [value, first]

    @app.orchestration_trigger(context_name="context")
    async def imports(context: Context) -> Any:
        policy = df.RetryPolicy(first_retry_interval=timedelta(seconds=5), max_number_of_attempts=2)
        return await context.call_activity(
            "says",
            context.get_input(int),
            retry=policy,
            timeout=timedelta(minutes=5),
            heartbeat_timeout=timedelta(seconds=15),
        )
