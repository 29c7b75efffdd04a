"""Runs one orchestrator of the sample by hand: no storage, no host, and time as an argument."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from durable.codec import decode, encode
from durable.engine.execution import Execution
from durable.model.commit import Commit
from durable.model.events import (
    Arrival,
    Completion,
    EventRaised,
    ExecutionStarted,
    Signal,
    TaskCompleted,
    TaskFailed,
    TaskScheduled,
    TimerFired,
    Turn,
)
from durable.model.failure import FailureDetails
from durable.model.instance import OrchestrationRuntimeStatus
from function_app import app

START = datetime(2026, 3, 1, tzinfo=UTC)
INSTANCE_ID = "instance-1"
Activity = Callable[[Any], object]
NONE: Mapping[str, Activity] = {}


class Instance:
    """An instance whose activities are functions of the test: `activities` maps names to what
    runs instead, given the input as plain JSON; others answer None."""

    def __init__(self, name: str, value: object, activities: Mapping[str, Activity] = NONE) -> None:
        self.definition = app.durable.registry.orchestrator(name)
        self.start = ExecutionStarted(name, "execution-0", encode(value))
        self.activities = activities
        self.calls: list[tuple[str, Any]] = []
        self.turns: list[tuple[list[Arrival], Commit]] = []
        self.statuses: list[Any] = []
        self._begun_with: list[Turn] = []
        self.generations = 0
        self.now = START
        self._ids = 0
        self._known: set[int] = set()
        self._open: list[TaskScheduled] = []
        self.execution = Execution(self.definition, INSTANCE_ID, self.start)
        self.last: Commit
        self._turn([])

    # ---- what a test does ----

    def run(self) -> None:
        """Run activities, oldest first, until all that is left are timers and events."""
        while self._open and not self.is_over:
            self.step()

    def step(self) -> None:
        """Run the oldest activity that was scheduled and has not run."""
        task = self._open.pop(0)
        assert isinstance(task.input, str)
        argument = decode(task.input)
        self.calls.append((task.name, argument))
        try:
            result = self.activities.get(task.name, lambda _: None)(argument)
        except Exception as error:
            failure = FailureDetails.from_exception(error)
            self._feed(TaskFailed(task.task_id, failure))
        else:
            self._feed(TaskCompleted(task.task_id, encode(result)))

    def event(self, name: str, data: object = None) -> None:
        """Raise an event."""
        self._ids += 1
        self._feed(EventRaised(name, f"message-{self._ids}", encode(data)))

    def advance(self, **duration: float) -> None:
        """Let time pass, firing each timer at its time and running what follows."""
        until = self.now + timedelta(**duration)
        while not self.is_over:
            following = self.execution.next_timer()
            if following is None or following > until:
                break
            self.now = max(self.now, following)
            arrival = self.execution.due(self.now)[0]
            assert isinstance(arrival.event, TimerFired)
            self._feed(arrival.event)
            self.run()
        self.now = max(self.now, until)

    # ---- what a test looks at ----

    @property
    def is_over(self) -> bool:
        return self.last.status.is_terminal

    @property
    def names(self) -> list[str]:
        """The activities that ran, in order."""
        return [name for name, _ in self.calls]

    @property
    def output(self) -> Any:
        """The result as plain JSON; the instance must have completed."""
        assert self.last.status is OrchestrationRuntimeStatus.COMPLETED, self.last.failure
        return decode(self.last.output)

    def survives_a_crash_before_any_turn(self) -> bool:
        """Whether a cold process, given the history up to any turn and then what that turn was
        given, commits the same as the live code did."""
        for position, (arrivals, commit) in enumerate(self.turns):
            cold = Execution.replay(
                self.definition,
                INSTANCE_ID,
                self.start,
                None,
                [*self._begun_with, *(earlier.turn for _, earlier in self.turns[:position])],
            )
            turn = commit.turn
            if cold.turn(arrivals, now=turn.time, nonce=turn.nonce) != commit:
                return False
        return True

    def _feed(self, event: Completion | Signal) -> None:
        self._turn([Arrival(event, self.execution.execution_id)])

    def _turn(self, arrivals: list[Arrival]) -> None:
        nonce = f"execution-{self.execution.sequence + 1}"
        self.last = commit = self.execution.turn(arrivals, now=self.now, nonce=nonce)
        if commit.custom_status is not None:
            self.statuses.append(decode(commit.custom_status))
        if commit.continued:
            self._begin_generation(commit)
            return
        self.turns.append((arrivals, commit))
        outstanding = [item.event for item in self.execution.outstanding.values()]
        scheduled = [event for event in outstanding if isinstance(event, TaskScheduled)]
        self._open += [task for task in scheduled if task.task_id not in self._known]
        self._known.update(task.task_id for task in scheduled)

    def _begin_generation(self, commit: Commit) -> None:
        """The new generation's first turn has its start, and nothing decided after it yet."""
        self.generations += 1
        self._begun_with, self.turns = [commit.turn], []
        [self.start] = [e for e in commit.turn.events if isinstance(e, ExecutionStarted)]
        self._known.clear()
        self.execution = Execution.replay(
            self.definition, INSTANCE_ID, self.start, None, self._begun_with
        )
        self._turn([])
