"""An orchestration that branches by the version it was started with."""

from __future__ import annotations

import durable as df

bp = df.Blueprint()


@bp.orchestration_trigger(context_name="context")
async def deliver(context: df.DurableOrchestrationContext) -> list[str | None]:
    is_old = context.version is None or context.version.startswith("1.")
    return [context.version, "by horse" if is_old else "by rail"]
