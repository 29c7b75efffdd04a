"""How an activity is performed, wherever its call came from."""

from __future__ import annotations

from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

from durable.hub.messages import WorkItem
from durable.hub.reading import PayloadGone
from durable.hub.ringing import repeat
from durable.model.events import TaskFailed, TaskScheduled
from durable.model.failure import FailureDetails
from durable.model.limits import unmet
from durable.runtime.activities import ActivityContext, run_activity
from durable.runtime.beside import Result
from durable.runtime.flow import NotYet, Turn
from durable.runtime.orchestrations import LATE_START
from durable.runtime.processes import Processes
from durable.runtime.telling import tell_of_activity

if TYPE_CHECKING:
    from durable.runtime.runtime import Runtime


class Performing:
    """The activities of one runtime while they run."""

    def __init__(self, runtime: Runtime, executor: Executor | None = None) -> None:
        """`executor` runs sync functions: threads of its own unless given."""
        self._runtime = runtime
        self._hub = runtime.hub
        self.executor = executor or ThreadPoolExecutor(
            runtime.options.max_activities, "durable-activity"
        )
        self._processes = Processes(runtime.options.max_processes)

    async def perform(
        self, item: WorkItem, *, covered: bool, turn: Turn | None = None
    ) -> Result | None:
        """Run the activity of a work item, claimed while that takes long. None when its input is
        gone: it is stale. `covered` says that a guard brings the work back should we die. Raises
        NotYet where others may have the permits of its `turn` by now."""
        definition = self._runtime.registry.activities.get(item.activity)
        if definition is None:
            failure = FailureDetails(
                f"no activity is named {item.activity!r} in this worker",
                "durable.errors.UnknownFunctionError",
            )
            return TaskFailed(item.task_id, failure)
        if problem := unmet(item.activity, definition.limits, item.options):
            failure = FailureDetails(problem, "durable.errors.InvalidRequestError")
            return TaskFailed(item.task_id, failure)
        try:
            text = await repeat(self._hub, lambda: self._input(item))
        except PayloadGone:
            return None
        attempt = await self._runtime.attempts.begin(item, definition)
        if turn is not None and not turn.is_fresh:
            raise NotYet(0.0)
        telling = tell_of_activity(self._hub, item, text)
        span = None if telling is None else telling.span
        context = ActivityContext(
            item.instance_id,
            item.execution_id,
            item.task_id,
            item.activity,
            item.attempt,
            item.idempotency_key,
            *(item.trace if span is None else span.header),
            attempt,
        )
        late = self._hub.storage.clock.now() - item.scheduled > LATE_START
        attempts, activities = self._runtime.attempts, self._runtime.activities
        check = partial(attempts.check, attempt)
        running = self._runtime.claims.begin(item, check, covered=covered, at_once=late)
        work = run_activity(
            definition,
            context,
            text,
            executor=self.executor,
            processes=self._processes,
            max_payload=self._runtime.options.max_payload,
            span=span,
        )
        event = None
        try:
            event = await attempts.run(attempt, work)
        finally:
            self._runtime.claims.end(running)
            if telling is not None:
                telling.ended(event)
            if attempt.left is not None:
                # what does not end keeps a place, and its permits; the caller gives his back
                activities.used += 1
                attempt.left.add_done_callback(lambda _: activities.give())
                if turn is not None:
                    turn.left = attempt.left
        return event

    async def perform_here(self, item: WorkItem) -> Result | None:
        """As `perform`, beside the run of its instance, in a place that is given back."""
        try:
            return await self.perform(item, covered=True)
        finally:
            self._runtime.activities.give()

    async def _input(self, item: WorkItem) -> str | None:
        instances, payload = self._hub.instances, item.input
        if not item.has_input:
            head = await instances.head(item.instance_id)
            is_its = head is not None and head.incarnation == item.incarnation
            stored = await instances.turn(head, item.turn) if head and is_its else None
            if stored is None:
                raise PayloadGone(f"turn {item.turn} of {item.instance_id!r} is gone")
            payload = next(
                event.input
                for event in (*stored.turn.events, *stored.turn.closing)
                if isinstance(event, TaskScheduled) and event.task_id == item.task_id
            )
        return await instances.text(item.instance_id, item.incarnation, payload)

    def close(self) -> None:
        """Begin no more functions; threads that run one are left to end, processes are not."""
        self.executor.shutdown(wait=False, cancel_futures=True)
        self._processes.close()
