"""Drives an orchestrator by hand, each turn twice: warm, and cold from what was stored."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from durable.codec import encode
from durable.engine.execution import Execution
from durable.hub.turns import StoredTurn, decode_turn, encode_turn
from durable.model.commit import Commit
from durable.model.events import (
    Arrival,
    Completion,
    Event,
    EventRaised,
    ExecutionStarted,
    Signal,
    TaskCompleted,
    TaskFailed,
    Turn,
)
from durable.model.failure import FailureDetails
from durable.model.functions import OrchestratorDefinition
from durable.model.instance import Parent

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Driven:
    """One instance. Every `turn` is taken by the live execution and by a replay of the stored
    turns; their commits must be equal."""

    def __init__(
        self,
        function: Callable[..., Any],
        input_: object = None,
        *,
        parent: Parent | None = None,
        version: str | None = None,
    ) -> None:
        self.definition = OrchestratorDefinition(function.__name__, function)
        self.parent = parent
        text = None if input_ is None else encode(input_)
        self.first = ExecutionStarted(function.__name__, "execution-0", text, version)
        """What the running generation begins with."""
        self.history: list[Turn] = []
        """The turns of the running generation."""
        self.finished: list[list[Turn]] = []
        """The turns of each generation that ended, with the turn that ended it."""
        self.commits: list[Commit] = []
        self.now = START
        self.execution = self.replay()

    def replay(self, function: Callable[..., Any] | None = None) -> Execution:
        """The execution from what was stored, by other code perhaps."""
        definition = self.definition
        if function is not None:
            definition = OrchestratorDefinition(definition.name, function)
        return Execution.replay(definition, "instance", self.first, self.parent, self.history)

    def turn(
        self, *events: Completion | Signal, after: float = 1.0, more: bool = False, of: str = ""
    ) -> Commit:
        """What arrives `after` seconds later; `of` is the execution its senders had in mind."""
        self.now += timedelta(seconds=after)
        arrivals = [Arrival(event, of or self.execution.execution_id) for event in events]
        nonce = f"execution-{len(self.commits) + 1}"
        cold = self.replay()
        again = cold.turn(arrivals, now=self.now, nonce=nonce, more=more)
        cold.close()
        commit = self.execution.turn(arrivals, now=self.now, nonce=nonce, more=more)
        assert commit == again
        self._store(commit)
        return commit

    def _store(self, commit: Commit) -> None:
        self.commits.append(commit)
        turn = commit.turn
        text = encode_turn(StoredTurn(turn, commit.outbox))
        stored = decode_turn(text, turn.sequence, turn.time, turn.nonce)
        assert stored == StoredTurn(turn, commit.outbox)
        self.history.append(turn)
        if commit.continued or commit.status.is_terminal:
            # an ended execution replays too
            assert not self.replay().is_open
            self.finished.append(self.history)
        if commit.continued:
            self.history, self.first = [turn], turn.events[0]  # type: ignore[assignment]
            self.execution.close()
            self.execution = self.replay()

    @property
    def last(self) -> Commit:
        return self.commits[-1]

    @property
    def events(self) -> list[Event]:
        """All that happened in the running generation."""
        return [event for turn in self.history for event in turn.events]


def done(task_id: int, result: object = None) -> TaskCompleted:
    return TaskCompleted(task_id, encode(result))


def failed(task_id: int, message: str = "broken", kind: str = "ValueError") -> TaskFailed:
    return TaskFailed(task_id, FailureDetails(message, kind))


def event(name: str, data: object = None, message_id: str = "") -> EventRaised:
    text = encode(data)
    return EventRaised(name, message_id or f"{name}-{text}", text)
