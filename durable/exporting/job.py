"""The orchestrator and the activity `durable_export`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from inspect import iscoroutinefunction

from durable.client.builtin import NeedsClient
from durable.client.client import DurableOrchestrationClient
from durable.engine.context import DurableOrchestrationContext
from durable.errors import DurableError, InstanceNotFoundError
from durable.exporting.formats import content_of, headers_of, name_of
from durable.exporting.spec import (
    EXPORT,
    FAILURES,
    ExportFailure,
    ExportProgress,
    ExportRequest,
    ExportState,
)
from durable.exporting.writer import HistoryWriter
from durable.hub.together import together
from durable.model.functions import ActivityDefinition, Definition, OrchestratorDefinition
from durable.model.instance import InstanceStatus
from durable.model.retry import RetryPolicy

PAGES = 20
"""After so many the job's history begins anew."""
LAG = timedelta(minutes=5)
"""How long after its end an instance is certain to be in the list of those that have ended."""
ABSENCE = timedelta(minutes=2)
"""A look that comes later than this comes after a time without workers."""
AGAIN = (timedelta(seconds=15), timedelta(minutes=1))
"""The waits before failed instances of a page are tried again."""
RETRY = RetryPolicy(
    first_retry_interval=timedelta(seconds=15),
    max_number_of_attempts=5,
    backoff_coefficient=2.0,
    max_retry_interval=timedelta(minutes=2),
)


class ExportFailed(DurableError):
    """Nothing of a page could be exported."""


@dataclass(frozen=True, slots=True)
class Page:
    """What one activity exports: the next instances that ended in a time span, or those named."""

    request: ExportRequest
    since: datetime
    until: datetime
    token: str | None = None
    only: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PageDone:
    """What came of it; `token` is that of the next page, None after the last."""

    scanned: int
    exported: int
    failures: tuple[ExportFailure, ...]
    token: str | None


async def export_job(context: DurableOrchestrationContext) -> ExportProgress:
    """Page after page, and in a continuous job time span after time span."""
    state: ExportState = context.get_input(ExportState)
    request = state.request
    for _ in range(PAGES):
        if state.until is None:
            until = request.completed_to or context.current_utc_datetime - LAG
            state = replace(state, until=until, token=None)
        state = await _page(context, state)
        if state.until is None:
            if request.mode == "batch":
                return state.progress
            look = context.current_utc_datetime + request.poll_interval
            await context.create_timer(look)
            if context.current_utc_datetime - look > ABSENCE:
                # what ended just before nobody was there is listed only now
                await context.create_timer(LAG)
    context.continue_as_new(state)
    return state.progress


async def _page(context: DurableOrchestrationContext, state: ExportState) -> ExportState:
    assert state.until is not None
    progress = state.progress
    since = state.request.completed_from
    if progress.checkpoint is not None:
        since = progress.checkpoint + timedelta(microseconds=1)
    page = Page(state.request, since, state.until, state.token)
    if since > state.until:
        return replace(state, until=None)
    done: PageDone = await context.call_activity(EXPORT, page, retry=RETRY, expected_type=PageDone)
    exported, failures = done.exported, done.failures
    for wait in AGAIN:
        if not failures:
            break
        await context.create_timer(wait)
        only = replace(page, only=tuple(failure.instance_id for failure in failures))
        again: PageDone = await context.call_activity(
            EXPORT, only, retry=RETRY, expected_type=PageDone
        )
        exported, failures = exported + again.exported, again.failures
    progress = replace(
        progress,
        scanned=progress.scanned + done.scanned,
        exported=progress.exported + exported,
        failed=progress.failed + len(failures),
        failures=(*progress.failures, *failures)[-FAILURES:],
        checkpoint=state.until if done.token is None else progress.checkpoint,
    )
    context.set_custom_status(progress)
    if failures and not exported:
        first = failures[0]
        raise ExportFailed(f"nothing could be exported: {first.instance_id}: {first.reason}")
    until = state.until if done.token is not None else None
    return ExportState(state.request, progress, until, done.token)


def export_definitions(writer: HistoryWriter) -> Sequence[Definition]:
    """What an app with history export registers; for `durable.client.builtin.bind_client`."""

    async def export_page(client: DurableOrchestrationClient, page: Page) -> PageDone:
        return await _export(client, writer, page)

    return (
        OrchestratorDefinition(EXPORT, export_job),
        ActivityDefinition(EXPORT, NeedsClient(export_page), "page"),
    )


async def _export(
    client: DurableOrchestrationClient, writer: HistoryWriter, page: Page
) -> PageDone:
    request = page.request
    ids: Sequence[str] = page.only
    token: str | None = None
    if not ids:
        ids, token = await client.list_instance_ids(
            completed_time_from=page.since,
            completed_time_to=page.until,
            runtime_status=request.runtime_status,
            name=request.name,
            instance_id_prefix=request.instance_id_prefix,
            top=request.page_size,
            token=page.token,
        )

    async def one(instance_id: str) -> bool | ExportFailure:
        try:
            return await _export_one(client, writer, request, instance_id)
        except Exception as error:
            return ExportFailure(instance_id, f"{type(error).__name__}: {error}"[:500])

    results = await together(ids, one, request.max_parallel)
    failures = tuple(result for result in results if isinstance(result, ExportFailure))
    return PageDone(len(ids), results.count(True), failures, token)


async def _export_one(
    client: DurableOrchestrationClient,
    writer: HistoryWriter,
    request: ExportRequest,
    instance_id: str,
) -> bool:
    """False for one that was purged or started again meanwhile."""
    status = await client.get_status(instance_id)
    if status is None or not status.runtime_status.is_terminal:
        return False
    try:
        history = await client.get_history(instance_id, payloads=True)
    except InstanceNotFoundError:
        return False
    if not await _is_still(client, status):
        return False
    content = await asyncio.to_thread(content_of, status, history, request.format)
    name = name_of(status, request.prefix, request.format)
    if iscoroutinefunction(writer.write):
        await writer.write(name, content, *headers_of(request.format))
        return True
    written = await asyncio.to_thread(writer.write, name, content, *headers_of(request.format))
    if written is not None:
        await written
    return True


async def _is_still(client: DurableOrchestrationClient, before: InstanceStatus) -> bool:
    now = await client.get_status(before.instance_id, show_input=False)
    return now is not None and now.execution_id == before.execution_id
