"""`DurableOrchestrationStatus`: an instance as 1.x's client shows it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Self

from durable.codec import decode
from durable.compat.v1.models import OrchestrationRuntimeStatus
from durable.compat.v2.values import OrchestrationState
from durable.model.failure import FailureDetails
from durable.model.instance import Heartbeat, InstanceStatus


class DurableOrchestrationStatus:
    """A snapshot of an instance, payloads as plain JSON. False if there is no such instance; all
    it has is None then."""

    def __init__(
        self,
        name: str | None = None,
        instanceId: str | None = None,  # noqa: N803
        createdTime: str | datetime | None = None,  # noqa: N803
        lastUpdatedTime: str | datetime | None = None,  # noqa: N803
        input: Any = None,
        output: Any = None,
        runtimeStatus: str | None = None,  # noqa: N803
        customStatus: Any = None,  # noqa: N803
        history: Sequence[Any] | None = None,
        **others: Any,
    ) -> None:
        self.name, self.instance_id = name, instanceId
        self.created_time, self.last_updated_time = _time(createdTime), _time(lastUpdatedTime)
        self.input_, self.output, self.custom_status = input, output, customStatus
        self.runtime_status = runtimeStatus and OrchestrationRuntimeStatus(runtimeStatus)
        self.history = others.pop("historyEvents", None) if history is None else list(history)
        self.orchestration_state: OrchestrationState | None = None
        self.failure: FailureDetails | None = None
        """Why it failed, or is Stuck."""
        self.version: str | None = None
        self.tags: dict[str, str] = {}
        self.scheduled_start_time: datetime | None = None
        self.waiting: str | None = None
        """What it cannot go on without, such as a worker that takes its orchestrator."""
        self.heartbeats: tuple[Heartbeat, ...] = ()
        """What its running activities said last, where that was asked for."""
        vars(self).update(others)

    @classmethod
    def of(
        cls,
        status: InstanceStatus | None,
        *,
        show_input: bool = True,
        history: Sequence[Any] | None = None,
    ) -> Self:
        """Of a native one."""
        if status is None:
            return cls()
        output = decode(status.output)
        if output is None and status.failure is not None:
            output = str(status.failure)
        shown = cls(
            status.name,
            status.instance_id,
            status.created_time,
            status.last_updated_time,
            decode(status.input) if show_input else None,
            output,
            str(status.runtime_status),
            decode(status.custom_status),
            history,
        )
        shown.orchestration_state = OrchestrationState.of(status)
        shown.failure = status.failure
        shown.version, shown.tags = status.version, dict(status.tags)
        shown.scheduled_start_time = status.scheduled_start_time
        shown.waiting = status.waiting
        shown.heartbeats = status.heartbeats
        return shown

    @property
    def historyEvents(self) -> list[Any] | None:  # noqa: N802
        """The same as `history`: where 1.x's client puts it."""
        return self.history

    def __bool__(self) -> bool:
        return self.created_time is not None

    @classmethod
    def from_json(cls, json_obj: Any) -> Self:
        """From what `to_json` gives, or its text; from no JSON at all, a message."""
        if isinstance(json_obj, str):
            try:
                json_obj = json.loads(json_obj)
            except ValueError:
                return cls(message=json_obj)
        return cls(**json_obj)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON by the names of the HTTP API, members without a value left out."""
        members = {
            "name": self.name,
            "instanceId": self.instance_id,
            "createdTime": _text(self.created_time),
            "lastUpdatedTime": _text(self.last_updated_time),
            "output": self.output,
            "input": self.input_,
            "runtimeStatus": self.runtime_status and self.runtime_status.name,
            "customStatus": self.custom_status,
            "historyEvents": self.history,
        }
        return {name: value for name, value in members.items() if value is not None}


def _time(given: str | datetime | None) -> datetime | None:
    return datetime.fromisoformat(given) if isinstance(given, str) else given


def _text(moment: datetime | None) -> str | None:
    if moment is None:
        return None
    utc = moment.astimezone(UTC) if moment.tzinfo else moment
    return utc.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
