"""`azure.durable_functions.models.actions`: what an orchestrator decided, as data.

Nothing here is sent anywhere: the engine has events of its own. The classes are what tasks of
users are made with, and what tests of users compare. Inputs are JSON texts.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any

from durable.codec import encode


class ActionType(IntEnum):
    """The numbers of Durable Functions' out-of-process protocol."""

    CALL_ACTIVITY = 0
    CALL_ACTIVITY_WITH_RETRY = 1
    CALL_SUB_ORCHESTRATOR = 2
    CALL_SUB_ORCHESTRATOR_WITH_RETRY = 3
    CONTINUE_AS_NEW = 4
    CREATE_TIMER = 5
    WAIT_FOR_EXTERNAL_EVENT = 6
    CALL_ENTITY = 7
    CALL_HTTP = 8
    SIGNAL_ENTITY = 9
    WHEN_ANY = 11
    WHEN_ALL = 12


class Action(ABC):
    """Base of all actions."""

    @property
    @abstractmethod
    def action_type(self) -> int:
        """The number of its kind."""

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""


class _Action(Action):
    kind: ActionType | None = None

    @property
    def action_type(self) -> int:
        return -1 if self.kind is None else int(self.kind)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON, members without a value left out."""
        members = {_camel(name): _plain(value) for name, value in vars(self).items()}
        return {"actionType": self.action_type} | {
            name: value for name, value in members.items() if value is not None
        }


class NoOpAction(_Action):
    """Nothing to be done: for tasks that users complete themselves."""

    def __init__(self, metadata: str | None = None) -> None:
        self.metadata = metadata


class CallActivityAction(_Action):
    kind = ActionType.CALL_ACTIVITY

    def __init__(self, function_name: str, input_: object = None) -> None:
        self.function_name, self.input_ = _named(function_name), encode(input_)


class CallActivityWithRetryAction(_Action):
    kind = ActionType.CALL_ACTIVITY_WITH_RETRY

    def __init__(self, function_name: str, retry_options: Any, input_: object = None) -> None:
        self.function_name, self.retry_options = _named(function_name), _given(retry_options)
        self.input_ = encode(input_)


class CallSubOrchestratorAction(_Action):
    kind = ActionType.CALL_SUB_ORCHESTRATOR

    def __init__(
        self,
        function_name: str,
        _input: object = None,
        instance_id: str | None = None,
        version: str | None = None,
    ) -> None:
        self.function_name, self.input_ = _named(function_name), encode(_input)
        self.instance_id, self.version = instance_id, version


class CallSubOrchestratorWithRetryAction(_Action):
    kind = ActionType.CALL_SUB_ORCHESTRATOR_WITH_RETRY

    def __init__(
        self,
        function_name: str,
        retry_options: Any,
        _input: object = None,
        instance_id: str | None = None,
        version: str | None = None,
    ) -> None:
        self.function_name, self.retry_options = _named(function_name), _given(retry_options)
        self.input_, self.instance_id, self.version = encode(_input), instance_id, version


class CallEntityAction(_Action):
    kind = ActionType.CALL_ENTITY

    def __init__(self, entity_id: Any, operation: str, input_: object = None) -> None:
        self.instance_id, self.operation, self.input_ = str(entity_id), operation, encode(input_)


class SignalEntityAction(CallEntityAction):
    kind = ActionType.SIGNAL_ENTITY


class CallHttpAction(_Action):
    kind = ActionType.CALL_HTTP

    def __init__(self, http_request: Any) -> None:
        self.http_request = _given(http_request)


class ContinueAsNewAction(_Action):
    kind = ActionType.CONTINUE_AS_NEW

    def __init__(self, input_: object = None) -> None:
        self.input_ = encode(input_)


class CreateTimerAction(_Action):
    kind = ActionType.CREATE_TIMER

    def __init__(self, fire_at: datetime, is_cancelled: bool = False) -> None:
        if not isinstance(fire_at, datetime):
            raise ValueError("fire_at: Expected valid datetime object")
        self.fire_at, self.is_cancelled = fire_at, is_cancelled


class WaitForExternalEventAction(_Action):
    kind = ActionType.WAIT_FOR_EXTERNAL_EVENT

    def __init__(self, external_event_name: str) -> None:
        self.external_event_name = _given(external_event_name)
        self.reason = "ExternalEvent"


class CompoundAction(Action):
    """Several actions waited for together; subclasses say of which kind."""

    def __init__(self, compound_tasks: Sequence[Action]) -> None:
        self.compound_tasks = list(compound_tasks)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        actions = [each.to_json() for each in self.compound_tasks]
        return {"actionType": self.action_type, "compoundActions": actions}


class WhenAllAction(CompoundAction):
    @property
    def action_type(self) -> int:
        return ActionType.WHEN_ALL


class WhenAnyAction(CompoundAction):
    @property
    def action_type(self) -> int:
        return ActionType.WHEN_ANY


def _named(function_name: str) -> str:
    if not function_name:
        raise ValueError("function_name cannot be empty")
    return function_name


def _given(value: Any) -> Any:
    if not value:
        raise ValueError("an action's required argument is empty")
    return value


def _camel(name: str) -> str:
    if name == "is_cancelled":
        return "isCanceled"
    head, *rest = name.strip("_").split("_")
    return head + "".join(part.capitalize() for part in rest)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        utc = value.astimezone(UTC) if value.tzinfo else value
        return utc.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return value.to_json() if hasattr(value, "to_json") else value
