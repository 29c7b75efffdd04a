"""Drives one orchestrator's code: events in, decisions out.

It holds the coroutine (or generator) between turns. Feeding it the same events in the same
order always yields the same decisions; dropping it and feeding a new one changes nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Coroutine, Generator
from datetime import UTC, datetime
from inspect import isawaitable, iscoroutine, isgenerator
from typing import Any

from durable.codec import encode
from durable.engine.handlers import Handler
from durable.engine.places import UNKNOWN, asking, frames_of_ours, raising, standing
from durable.engine.tasks import DurableTask
from durable.engine.updates import Updates
from durable.errors import (
    ActivityFailedError,
    EntityOperationFailedError,
    InvalidRequestError,
    NotDurableError,
    SubOrchestrationFailedError,
    TaskFailedError,
)
from durable.model.events import (
    ContinueAsNew,
    Decision,
    Ending,
    EntityLockGranted,
    EntityOperationCompleted,
    EntityOperationFailed,
    EventRaised,
    ExecutionCompleted,
    ExecutionResumed,
    ExecutionRewound,
    ExecutionStarted,
    ExecutionSuspended,
    ExecutionTerminated,
    Incoming,
    OrchestratorStarted,
    Payload,
    Signal,
    SubOrchestrationInstanceCompleted,
    SubOrchestrationInstanceFailed,
    TaskCompleted,
    TaskFailed,
    TimerFired,
    UpdateRequested,
)
from durable.model.failure import FailureDetails
from durable.model.functions import OrchestratorDefinition
from durable.model.instance import Parent
from durable.model.places import Place

Failed = TaskFailed | SubOrchestrationInstanceFailed | EntityOperationFailed

_FAILED: dict[type[Failed], tuple[type[TaskFailedError], str]] = {
    TaskFailed: (ActivityFailedError, "activity"),
    SubOrchestrationInstanceFailed: (SubOrchestrationFailedError, "sub-orchestration"),
    EntityOperationFailed: (EntityOperationFailedError, "entity operation"),
}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Decider:
    """One execution of one orchestrator function, as far as it has come."""

    def __init__(
        self,
        definition: OrchestratorDefinition,
        instance_id: str,
        parent: Parent | None,
        face: Callable[[Decider], object],
    ) -> None:
        """`face` makes what native code is called with."""
        self._face = face
        self.definition = definition
        self.instance_id = instance_id
        self.parent = parent
        self.execution_id = ""
        self.version: str | None = None
        self.input: str | None = None
        self.time = _EPOCH
        self.replaying = False
        self.is_traced = False
        """Whether to note where in the code each decision is made: only to report a mismatch."""
        self.stood: Place | None = None
        """Where code that is traced waited last."""
        self.custom_status: str | None = None
        self.decisions: deque[tuple[Decision, Place | None]] = deque()
        self.ending: Ending | ExecutionTerminated | None = None
        self.error: BaseException | None = None
        """What the code ended with, where it failed."""
        self.failures: dict[int, TaskFailedError] = {}
        """The errors of the tasks that failed."""
        self.continuing: ContinueAsNew | None = None
        self.next_id = 0
        self.uuids = 0
        self.origins: tuple[tuple[int, str], ...] = ()
        self._open: dict[int, tuple[str, DurableTask[Any]]] = {}
        self._waiters: dict[str, deque[DurableTask[Any]]] = {}
        self._buffer: dict[str, deque[EventRaised]] = {}
        self._held: deque[Incoming] = deque()
        self._late: list[Signal] = []
        self.suspended = False
        self.queries: dict[str, tuple[str, Handler]] = {}
        """What answers queries, by the name in lower case, with the name as it was given."""
        self.updates = Updates(self)
        self.is_asked = False
        """Whether it is a copy that answers a query, and must not decide anything."""
        self._code: Generator[Any, Any, Any] | Coroutine[Any, Any, Any] | None = None
        self._waiting: DurableTask[Any] | None = None

    @classmethod
    def like(cls, other: Decider) -> Decider:
        """Another one of the same code, at its beginning."""
        return cls(other.definition, other.instance_id, other.parent, other._face)

    # ---- what the context calls ----

    def decide(self, decision: Decision) -> None:
        """Add a decision. After the end (a `finally` running while the code is dropped) there is
        nobody left to decide for, and it is ignored."""
        self.refuse_if_asked()
        if self.ending is None:
            place = asking(self._code) if self.is_traced else None
            self.decisions.append((decision, place))

    def decide_first(self, decision: Decision) -> None:
        """Repeat a decision of long ago, before all new ones."""
        if self.ending is None:
            self.decisions.appendleft((decision, None))

    def refuse_if_asked(self) -> None:
        """InvalidRequestError in a query's handler."""
        if self.is_asked:
            raise InvalidRequestError(
                "a query reads the orchestration's state: its handler begins and changes nothing"
            )

    def new_id(self) -> int:
        """The next task id; the only allocator there is."""
        self.next_id += 1
        return self.next_id - 1

    def uuid_name(self) -> str:
        """What the next uuid is made of. What a fork took over was done under its source's."""
        self.uuids += 1
        before = (origin for step, origin in self.origins if self.next_id < step)
        return f"{next(before, self.execution_id)}/{self.uuids}"

    def track(self, task_id: int, name: str, task: DurableTask[Any]) -> None:
        """Expect a completion; `name` is for error messages."""
        self._open[task_id] = (name, task)

    def forget(self, task_id: int) -> None:
        """Expect it no longer."""
        self._open.pop(task_id, None)

    def wait_for_event(self, name: str, task: DurableTask[Any]) -> None:
        """Complete `task` with the next event of that name, a buffered one first."""
        self.refuse_if_asked()
        key = name.casefold()
        buffered = self._buffer.get(key)
        if buffered:
            event = buffered.popleft()
            if not buffered:
                del self._buffer[key]
            task.complete(event.input)
        else:
            self._waiters.setdefault(key, deque()).append(task)

    def stop_waiting(self, name: str, task: DurableTask[Any]) -> None:
        """Leave the next event of that name to others."""
        waiters = self._waiters.get(name.casefold())
        if waiters and task in waiters:
            waiters.remove(task)

    @property
    def awaited_events(self) -> list[str]:
        """The names, in lower case, of the events that the code awaits."""
        return [name for name, waiters in self._waiters.items() if waiters]

    def forget_events(self) -> None:
        """Drop the events that nobody has awaited."""
        self._buffer.clear()

    def unconsumed(self) -> list[Signal]:
        """Buffered events, oldest first for each name, then what came once the code had ended."""
        buffered = [event for events in self._buffer.values() for event in events]
        return [*buffered, *self.updates.unconsumed(), *self._late]

    def place(self) -> Place | None:
        """Where the code waits; once it has ended, where it failed or waited last. None where
        that is not known."""
        if self._code is not None:
            return standing(self._code)
        if self.error is None:
            return self.stood
        place = raising(self.error)
        return None if place is UNKNOWN else place

    # ---- what the execution calls ----

    def feed(self, event: Incoming, time: datetime, *, replaying: bool) -> None:
        """Apply one event and run the code as far as it goes."""
        if self.ending is not None:
            if isinstance(event, ExecutionSuspended | ExecutionResumed):
                # the next generation begins as these leave it
                self.suspended = isinstance(event, ExecutionSuspended)
            self._apply(event)
            return
        self.time, self.replaying = time, replaying
        if isinstance(event, OrchestratorStarted):
            self.next_id = max(self.next_id, event.next_id)
        elif isinstance(event, ExecutionTerminated):
            self.ending = event
            self.decisions.clear()
            self.close()
        elif isinstance(event, ExecutionSuspended):
            self.suspended = True
        elif isinstance(event, ExecutionResumed | ExecutionRewound):
            # who rewinds wants it to go on, suspended or not
            self.suspended = False
            while self._held:
                self._apply(self._held.popleft())
            self._apply(event)
        elif self.suspended:
            self._held.append(event)
        else:
            self._apply(event)

    def fail(self, error: Exception) -> None:
        """End the code with an error of ours."""
        self.decisions.clear()
        self._end_with(error)

    def close(self) -> None:
        """Drop the code; its `finally` blocks run and decide nothing."""
        code, self._code, self._waiting = self._code, None, None
        if code is not None:
            try:
                code.close()
            except KeyboardInterrupt:
                raise
            except BaseException:
                # it is being thrown away: an error in its clean-up has no one to go to
                return

    def _apply(self, event: Incoming) -> None:
        if self.ending is not None:
            # too late for this generation: the next one, if there is to be one, takes signals
            if isinstance(event, Signal):
                self._late.append(event)
            elif isinstance(event, Failed):
                self._note_failure(event)
            return
        match event:
            case ExecutionStarted():
                self._start(event)
                return
            case TaskCompleted() | SubOrchestrationInstanceCompleted() | EntityOperationCompleted():
                self._complete(event.task_id, event.result)
            case TimerFired() | EntityLockGranted():
                self._complete(event.task_id, None)
            case TaskFailed() | SubOrchestrationInstanceFailed() | EntityOperationFailed():
                task, error = self._note_failure(event)
                if task is not None:
                    task.fail(error)
            case EventRaised():
                self._raise_event(event)
            case UpdateRequested():
                self.updates.arrived(event)
            case ExecutionRewound():
                self.next_id = max(self.next_id, event.next_id)
        if self._waiting is not None and self._waiting.is_completed:
            self._run()

    def _complete(self, task_id: int, result: Payload) -> None:
        _, task = self._open.pop(task_id, ("", None))
        if task is not None:
            task.complete(result)

    def _note_failure(self, event: Failed) -> tuple[DurableTask[Any] | None, TaskFailedError]:
        name, task = self._open.pop(event.task_id, ("", None))
        kind, what = _FAILED[type(event)]
        error = kind(f"{what} {name!r} failed: {event.failure}", event.failure)
        if task is not None:
            self.failures[event.task_id] = error
        return task, error

    def _raise_event(self, event: EventRaised) -> None:
        waiters = self._waiters.get(event.name.casefold())
        if waiters:
            waiters.popleft().complete(event.input)
        else:
            self._buffer.setdefault(event.name.casefold(), deque()).append(event)

    def _start(self, event: ExecutionStarted) -> None:
        self.execution_id, self.version = event.execution_id, event.version
        self.origins = event.origins
        self.input = event.input if isinstance(event.input, str) else None
        try:
            face = self.definition.face
            arguments = (self._face(self),) if face is None else face(self)
            code = self.definition.function(*arguments)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            self._end_with(error)
            return
        if isgenerator(code) or iscoroutine(code):
            self._code = code
        elif isawaitable(code):
            self._code = code.__await__()
        else:
            self._return(code)
            return
        self._run()

    def _run(self) -> None:
        """Run the code until it waits for a task that is not done, or ends."""
        assert self._code is not None
        try:
            task, self._waiting = self._waiting, None
            while True:
                yielded = self._advance(task)
                if not isinstance(yielded, DurableTask):
                    raise NotDurableError(self._not_durable(yielded))
                task = yielded
                if not task.is_completed:
                    self._waiting = task
                    return
        except StopIteration as stop:
            value = stop.value
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            self._end_with(error)
            return
        # out here the StopIteration is no cause of what may go wrong
        self._return(value)

    def _advance(self, task: DurableTask[Any] | None) -> Any:
        assert self._code is not None
        if self.is_traced and task is not None:
            self.stood = standing(self._code)
        if task is None or not isgenerator(self._code):
            return self._code.send(None)
        error = task.get_exception()
        return self._code.send(task.get_result()) if error is None else self._code.throw(error)

    def _return(self, value: object) -> None:
        self._code = self._waiting = None
        if self.continuing is not None:
            self.updates.refuse_open()
            self.ending = self.continuing
            return
        try:
            self.ending = ExecutionCompleted(encode(value))
        except Exception as error:
            self._end_with(error)

    def _end_with(self, error: BaseException) -> None:
        self.close()
        self.error = error
        if isinstance(error, RuntimeError) and "no running event loop" in str(error):
            place = raising(error)
            error = NotDurableError(
                f"{place}: an orchestrator uses asyncio here, which replay cannot repeat. "
                + _ADVICE
            ).with_traceback(error.__traceback__)
        skip = frames_of_ours(error.__traceback__)
        self.ending = ExecutionCompleted(
            failure=FailureDetails.from_exception(
                error, skip_frames=skip, provider=self.definition.exceptions
            )
        )

    def _not_durable(self, yielded: object) -> str:
        place = standing(self._code)
        verb = "yields" if isgenerator(self._code) else "awaits"
        kind = type(yielded).__name__
        article = "an" if kind[0].lower() in "aeiou" else "a"
        what = "something" if yielded is None else f"{article} {kind}"
        return f"{place}: an orchestrator {verb} {what} that is not a durable task. {_ADVICE}"


_ADVICE = (
    "Use context.create_timer instead of sleeping, context.call_activity for I/O, and "
    "context.when_all or when_any to wait for several tasks"
)
