"""Polling: one look for each generation, without end and without a growing history."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import durable as df
from orchestrators.models import Notice, Probe, Watch, WatchResult

bp = df.Blueprint()

RETRY = df.RetryPolicy(first_retry_interval=timedelta(seconds=1), max_number_of_attempts=3)


@bp.orchestration_trigger(context_name="context")
async def watch_endpoint(context: df.DurableOrchestrationContext) -> WatchResult | None:
    """Poll until the condition is met or the watch expires; None is the result of a generation
    that goes on as the next one."""
    watch: Watch = context.get_input(Watch)
    expires_at = watch.expires_at or (
        context.current_utc_datetime + timedelta(seconds=watch.expires_after_seconds)
    )
    probe: Probe = await context.call_activity(
        "probe_endpoint", watch, retry=RETRY, expected_type=Probe
    )
    polls = watch.polls + 1
    if probe.found:
        await context.call_activity("send_notice", Notice("operator", f"{watch.url} is there"))
        return WatchResult("met", polls)

    next_poll = context.current_utc_datetime + timedelta(seconds=watch.interval_seconds)
    if next_poll > expires_at:
        return WatchResult("expired", polls)
    context.set_custom_status(
        {"polls": polls, "last": probe.status, "detail": probe.detail, "next": next_poll}
    )
    await context.create_timer(next_poll)
    context.continue_as_new(replace(watch, polls=polls, expires_at=expires_at))
    return None
