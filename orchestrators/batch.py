"""Fan-out over many items with a limit on what runs at once, and fan-in."""

from __future__ import annotations

from datetime import timedelta

import durable as df
from orchestrators.models import Batch, BatchResult, Item

bp = df.Blueprint()

RETRY = df.RetryPolicy(first_retry_interval=timedelta(seconds=1), max_number_of_attempts=3)


@bp.orchestration_trigger(context_name="context")
async def process_batch(context: df.DurableOrchestrationContext) -> BatchResult:
    """Count the words of all items, at most `limit` of them at the same time.

    An item that fails is reported and does not stop the others.
    """
    batch: Batch = context.get_input(Batch)
    waiting = list(reversed(list(enumerate(batch.items))))
    running: dict[df.DurableTask[int], int] = {}
    words, ended, failed = 0, 0, []
    while waiting or running:
        while waiting and len(running) < batch.limit:
            position, text = waiting.pop()
            item = Item(text, batch.seconds_per_item)
            task = context.call_activity("count_words", item, retry=RETRY, expected_type=int)
            running[task] = position
        done: df.DurableTask[int] = await context.when_any(list(running))
        position = running.pop(done)
        ended += 1
        if done.is_failed:
            failed.append(position)
        else:
            words += done.result
        context.set_custom_status(
            {"done": ended, "of": len(batch.items), "running": len(running), "failed": len(failed)}
        )
    return BatchResult(len(batch.items), words, tuple(sorted(failed)))
