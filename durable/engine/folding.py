"""An execution's state, folded from its history: the code as far as it has come, and what stands
open. Replay checks that the code decides what history has."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Self

from durable.engine.context import DurableOrchestrationContext
from durable.engine.decider import Decider
from durable.engine.determinism import check_leftover, check_match
from durable.engine.ledger import Ledger, Outstanding
from durable.engine.rewinding import effective
from durable.errors import NonDeterminismError
from durable.model.commit import OutboxItem
from durable.model.events import (
    INCOMING,
    Arrival,
    ContinueAsNew,
    Event,
    ExecutionCompleted,
    ExecutionRewound,
    ExecutionStarted,
    OrchestratorStarted,
    Scheduling,
    Turn,
    UpdateAnswered,
)
from durable.model.failure import FailureDetails
from durable.model.functions import OrchestratorDefinition
from durable.model.instance import Parent


class Folded:
    """See the module; single-threaded."""

    def __init__(
        self,
        definition: OrchestratorDefinition,
        instance_id: str,
        start: ExecutionStarted,
        parent: Parent | None = None,
    ) -> None:
        self.definition = definition
        self.instance_id = instance_id
        self.parent = parent
        self.start = start
        self.sequence = 0
        self.ledger = Ledger()
        self.time: datetime | None = None
        self.is_open = True
        self.began: datetime | None = None
        self.rewinds: list[ExecutionRewound] = []
        self._turn_time: datetime | None = None
        self._events: list[Event] = []
        """What the next turn holds so far."""
        self._sending: list[OutboxItem] = []
        self._answers: list[str] = []
        """The ids of the updates that it answers."""
        self._history: list[Turn] = []
        self._refusal: FailureDetails | None = None
        self._decider = Decider(definition, instance_id, parent, DurableOrchestrationContext)

    @classmethod
    def replay(
        cls,
        definition: OrchestratorDefinition,
        instance_id: str,
        start: ExecutionStarted,
        parent: Parent | None,
        history: Iterable[Turn],
    ) -> Self:
        """Fold the turns of one execution into its state.

        `start` says with what the first turn begins if there is no turn yet. The last turn may
        be the one that ended the execution, or continued it as new. Raises NonDeterminismError
        where the code decides otherwise than history has it.
        """
        turns = list(history)
        execution = cls(definition, instance_id, start, parent)
        execution._remember_answers(turns)
        return execution._folded(effective(turns))

    @classmethod
    def failed(
        cls,
        definition: OrchestratorDefinition,
        instance_id: str,
        start: ExecutionStarted,
        parent: Parent | None,
        history: Sequence[Turn],
    ) -> Self:
        """As `replay`, of an execution that failed and is to be rewound. The code may have been
        mended since, and go further."""
        *turns, last = effective(history)
        events = tuple(e for e in last.events if not isinstance(e, ExecutionCompleted))
        turns.append(replace(last, events=events, open=True))
        execution = cls(definition, instance_id, start, parent)._folded(turns)
        execution._remember_answers(history)
        execution._history = list(history)
        return execution

    @classmethod
    def refused(
        cls,
        definition: OrchestratorDefinition,
        instance_id: str,
        start: ExecutionStarted,
        parent: Parent | None,
        history: Sequence[Turn],
        failure: FailureDetails,
        custom_status: str | None = None,
    ) -> Self:
        """As `replay`, of an execution whose code is not to be run: the next turn ends it with
        `failure`. One that failed, and is to be rewound, fails again."""
        execution = cls(definition, instance_id, start, parent)
        for turn in effective(history):
            for event in execution._counted(turn):
                execution._note(event, turn.time, turn.sequence)
        last = history[-1].events if history else ()
        if last and isinstance(last[-1], ExecutionCompleted):
            execution._history = list(history)
        execution._refusal = failure
        execution._decider.ending = ExecutionCompleted(failure=failure)
        execution._decider.custom_status = custom_status
        return execution

    @property
    def has_failed(self) -> bool:
        """Whether history has it that it failed: only `rewound` leads on from there."""
        return bool(self._history)

    @property
    def execution_id(self) -> str:
        """The generation this is."""
        return self.start.execution_id

    @property
    def decider(self) -> Decider:
        """The code as far as it has come."""
        return self._decider

    @property
    def is_suspended(self) -> bool:
        """Whether the code waits for a resume; events are recorded meanwhile."""
        return self._decider.suspended

    @property
    def outstanding(self) -> dict[int, Outstanding]:
        """The tasks that were scheduled and have not ended."""
        return self.ledger.outstanding

    def is_outstanding(self, task_id: int) -> bool:
        """Whether the task was scheduled and has not ended."""
        return task_id in self.outstanding

    def due(self, now: datetime) -> list[Arrival]:
        """The timers that have come due, in the order of their times."""
        return self.ledger.due(now, self.execution_id)

    def next_timer(self) -> datetime | None:
        """When the next outstanding timer is due."""
        return self.ledger.next_timer()

    def close(self) -> None:
        """Drop the user code."""
        self._decider.close()

    # ---- folding ----

    def _folded(self, turns: Sequence[Turn]) -> Self:
        """This, after the turns. A mismatch is replayed once more, with an eye on the lines."""
        start = self.start
        try:
            for turn in turns:
                self._replay_turn(turn)
        except NonDeterminismError as error:
            error.turn = self.sequence - 1
            self.close()
            if not self._decider.is_traced:
                again = type(self)(self.definition, self.instance_id, start, self.parent)
                again._decider.is_traced = True
                try:
                    again._folded(turns).close()
                except NonDeterminismError as placed:
                    raise placed from None
            raise
        return self

    def _counted(self, turn: Turn) -> tuple[Event, ...]:
        """Go past a turn, and answer its events of this execution."""
        # a turn that continued as new ends one execution and begins the next
        ends = bool(turn.closing) and turn.execution_id == self.execution_id
        self.time, self.sequence = turn.time, turn.sequence + 1
        self.is_open = turn.open and not ends
        self.ledger.seen.update(turn.seen)
        return turn.closing if ends else turn.events

    def _remember_answers(self, history: Sequence[Turn]) -> None:
        """Those that a rewind has undone were given all the same."""
        events = (event for turn in history for event in turn.events)
        answers = (event for event in events if isinstance(event, UpdateAnswered))
        self.ledger.answered.update(answer.message_id for answer in answers)

    def _replay_turn(self, turn: Turn) -> None:
        decider, last, time = self._decider, None, turn.time
        for event in self._counted(turn):
            last = event
            if isinstance(event, INCOMING):
                self._note(event, turn.time, turn.sequence)
                time = event.time if isinstance(event, OrchestratorStarted) else time
                decider.feed(event, time, replaying=True)
            elif isinstance(event, Scheduling) and event.task_id in self.outstanding:
                # a rewind had it sent again; the code decided it long before
                self._note(event, turn.time, turn.sequence)
            else:
                check_match(decider, event)  # type: ignore[arg-type]
                self._note(event, turn.time, turn.sequence)
        if not self.is_open and not isinstance(last, ContinueAsNew | ExecutionCompleted):
            check_leftover(decider)

    def _note(self, event: Event, time: datetime, sequence: int) -> None:
        if isinstance(event, ExecutionStarted):
            self.start, self.began = event, time
        elif isinstance(event, ExecutionRewound):
            self.rewinds.append(event)
            self.began = time
        self.ledger.note(event, time, sequence)
