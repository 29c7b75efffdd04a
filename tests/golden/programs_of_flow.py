"""Programs whose activities are limited over a hub. Append-only like the others."""

from __future__ import annotations

import durable as df
from durable.engine.context import DurableOrchestrationContext as Context
from tests.golden.world import World


def flow(app: df.DFApp, world: World) -> None:
    """Calls with keys and priorities, some at a time."""

    @app.activity_trigger(
        input_name="payout",
        concurrency=2,
        rate=df.RateLimit(10),
        key_concurrency=1,
        priority_enabled=True,
    )
    async def paid(payout: list[str]) -> str:
        await world.sleep(3)
        return f"{payout[0]}: {payout[1]}"

    @app.orchestration_trigger(context_name="context")
    async def pays(context: Context) -> list[str]:
        payouts: list[list[str]] = context.get_input()
        urgent = await context.call_activity(paid, payouts[0], key="first", priority=1)
        others = await context.map(paid, payouts[1:], limit=3, key_of=lambda each: each[0])
        return [urgent, *others]
