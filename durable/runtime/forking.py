"""The beginning of a fork: what it takes over of its source, or why it cannot."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from durable.engine.execution import Execution
from durable.errors import ForkError
from durable.hub.forking import prefix_for
from durable.hub.instances import Instances
from durable.hub.rows import Head
from durable.model.events import (
    ExecutionCompleted,
    ExecutionStarted,
    ExecutionTerminated,
    Scheduling,
    Turn,
)
from durable.model.failure import FailureDetails
from durable.runtime.loopless import without_event_loop

logger = logging.getLogger("durable.runtime")


async def forked(
    instances: Instances, head: Head, execution: Execution, now: datetime
) -> Execution:
    """The execution, at the first turn of a fork with what it takes over. A fork that cannot take
    it over fails by that turn."""
    fork = head.takes_over
    if head.sequence > 0 or fork is None or execution.ends:
        return execution
    try:
        prefix = await prefix_for(instances, fork)
        with without_event_loop():
            execution.take_over(prefix, now)
    except ForkError as error:
        logger.error("fork %s fails: %s", head.instance_id, error)
        execution.close()
        failure = replace(FailureDetails.from_exception(error), stack_trace=None)
        return Execution.refused(
            execution.definition, head.instance_id, execution.start, head.parent, (), failure
        )
    return execution


def not_taken_over(head: Head, history: Sequence[Turn]) -> FailureDetails | None:
    """Why a fork could not take over what it was to. Nothing begins it at its first step: no
    rewind, and no replay of a turn that could not end it yet."""
    if head.takes_over is None or not history or history[0].sequence > 0 or history[0].closing:
        return None
    events = history[0].events
    if any(isinstance(e, ExecutionStarted) and e.origins for e in events):
        return None
    if any(isinstance(e, ExecutionTerminated) for e in events):
        return None
    ends = (e.failure for turn in history for e in turn.events if isinstance(e, ExecutionCompleted))
    what = f"nothing could be taken over of instance {head.takes_over.instance_id!r}"
    return next(ends, None) or FailureDetails(what, _FAILED)


def took_nothing_over(history: Sequence[Turn]) -> FailureDetails | None:
    """Why a history is that of a fork which took nothing over; None for any other. No code ever
    ran for it, and none will."""
    events = [event for turn in history for event in turn.events]
    end = next((event for event in events if isinstance(event, ExecutionCompleted)), None)
    if end is None or end.failure is None or end.failure.error_type != _FAILED:
        return None
    # code that raises such an error by itself has at least done something before
    return None if any(isinstance(event, Scheduling) for event in events) else end.failure


_FAILED = f"{ForkError.__module__}.{ForkError.__qualname__}"
