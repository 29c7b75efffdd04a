"""A stored history in one form, whatever it was read from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from durable.errors import UnknownFormat
from durable.hub.payloads import references
from durable.model.event_json import event_from_dict, event_to_dict
from durable.model.events import ExecutionStarted, PayloadRef, Turn
from durable.model.instance import InstanceStatus, OrchestrationRuntimeStatus
from durable.replaying.grouping import TimedEvent, turns_of

FORMAT = 1


@dataclass(frozen=True, slots=True)
class UnreadableHistory:
    """What is no history, or none that this version can read, and why. `source` is its file."""

    instance_id: str
    why: str
    name: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class StoredHistory:
    """The current generation of one instance, all payloads as JSON texts.

    `status` is None where it is not known, `source` the file that it was read from.
    """

    instance_id: str
    name: str
    turns: tuple[Turn, ...]
    execution_id: str = ""
    version: str | None = None
    input: str | None = None
    parent_instance_id: str | None = None
    status: OrchestrationRuntimeStatus | None = None
    source: str = ""

    @classmethod
    def of_events(
        cls, events: Sequence[TimedEvent], *, instance_id: str = "", name: str = ""
    ) -> Self:
        """What `client.get_history(id, payloads=True)` gave. Raises UnknownFormat where events
        are missing, or payloads are given by reference."""
        begun = next((event for _, event in events if isinstance(event, ExecutionStarted)), None)
        if begun is None:
            begun = ExecutionStarted(name, "")
        turns = turns_of(events, begun.execution_id)
        check_payloads(turns)
        text = None if isinstance(begun.input, PayloadRef) else begun.input
        return cls(instance_id, begun.name or name, turns, begun.execution_id, begun.version, text)

    @classmethod
    def of(cls, status: InstanceStatus, events: Sequence[TimedEvent]) -> Self:
        """What `client.get_status(id)` and `client.get_history(id, payloads=True)` gave. Raises
        as `of_events`."""
        turns = turns_of(events, status.execution_id)
        check_payloads(turns)
        return cls(
            status.instance_id,
            status.name,
            turns,
            status.execution_id,
            status.version,
            status.input,
            status.parent_instance_id,
            status.runtime_status,
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON, for a file; `from_dict` reads it."""
        return {
            "format": FORMAT,
            "instanceId": self.instance_id,
            "name": self.name,
            "runtimeStatus": self.status and str(self.status),
            "executionId": self.execution_id,
            "version": self.version,
            "parentInstanceId": self.parent_instance_id,
            "input": self.input,
            "turns": [_turn_to_dict(turn) for turn in self.turns],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], *, source: str = "") -> Self:
        """The inverse of `to_dict`. Raises UnknownFormat for a newer version's, and KeyError,
        TypeError or ValueError for what is no history."""
        if data["format"] != FORMAT:
            raise UnknownFormat(
                f"its format is {data['format']!r}, and this version reads {FORMAT}"
            )
        status = data.get("runtimeStatus")
        return cls(
            data["instanceId"],
            data["name"],
            tuple(_turn_from_dict(number, turn) for number, turn in enumerate(data["turns"])),
            data["executionId"],
            data.get("version"),
            data.get("input"),
            data.get("parentInstanceId"),
            status and OrchestrationRuntimeStatus(status),
            source,
        )


def check_payloads(turns: Sequence[Turn]) -> None:
    if any(references(turn) for turn in turns):
        raise UnknownFormat(
            "it has long payloads by reference: read it with "
            "client.get_history(instance_id, payloads=True)"
        )


def _turn_to_dict(turn: Turn) -> dict[str, Any]:
    closing = {"closing": [event_to_dict(e) for e in turn.closing]} if turn.closing else {}
    return {
        "time": turn.time.isoformat(),
        "executionId": turn.execution_id,
        "events": [event_to_dict(event) for event in turn.events],
        **closing,
        **({"open": True} if turn.open else {}),
    }


def _turn_from_dict(number: int, data: Mapping[str, Any]) -> Turn:
    return Turn(
        number,
        datetime.fromisoformat(data["time"]),
        data["executionId"],
        tuple(event_from_dict(event) for event in data["events"]),
        tuple(event_from_dict(event) for event in data.get("closing", ())),
        data.get("open", False),
    )
