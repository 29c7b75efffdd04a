"""Where to begin: a chain of activities, with a retry and a durable timer between them."""

from __future__ import annotations

from datetime import timedelta

import durable as df

bp = df.Blueprint()

CITIES = ["Tokyo", "Seattle", "London"]
PAUSE = timedelta(seconds=1)
RETRY = df.RetryPolicy(first_retry_interval=timedelta(seconds=1), max_number_of_attempts=3)


@bp.orchestration_trigger(context_name="context")
async def say_hellos(context: df.DurableOrchestrationContext) -> list[str]:
    """Greet each city in turn. A worker may die between any two lines: the next one goes on
    from the last step that was stored."""
    cities: list[str] = context.get_input(list[str] | None) or CITIES
    greetings: list[str] = []
    for city in cities:
        greetings.append(await context.call_activity("say_hello", city, retry=RETRY))
        await context.create_timer(PAUSE)
    return greetings
