"""The small classes of 1.x: ids, retry options, results, requests."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from durable.compat.warnings import old
from durable.model import entities
from durable.model.http import (
    DurableHttpRequest,
    DurableHttpResponse,
    ManagedIdentityTokenSource,
    TokenSource,
)
from durable.model.retry import RetryPolicy


class OrchestrationRuntimeStatus(StrEnum):
    """The states of an instance, with the member names of 1.x. Equal to the native ones."""

    Running = "Running"
    Completed = "Completed"
    ContinuedAsNew = "ContinuedAsNew"
    Failed = "Failed"
    Canceled = "Canceled"
    Terminated = "Terminated"
    Pending = "Pending"
    Suspended = "Suspended"
    Stuck = "Stuck"
    """Not in 1.x: it cannot proceed with today's code, and goes on by itself once it can."""


class EntityId(entities.EntityId):
    """An entity's name (kept in lower case) and key."""

    __slots__ = ()

    def __init__(self, name: str, key: str) -> None:
        if not name:
            raise ValueError("Entity name cannot be empty")
        if not key:
            raise ValueError("Entity key cannot be empty")
        super().__init__(name, key)

    @property
    def entity(self) -> str:
        """The name, as 2.x calls it."""
        return self.name

    @staticmethod
    def get_scheduler_id(entity_id: entities.EntityId) -> str:
        """`@name@key`."""
        return str(entity_id)

    @staticmethod
    def get_entity_id(scheduler_id: str) -> EntityId:
        """From `@name@key`; ValueError for anything else."""
        found = entities.EntityId.parse(scheduler_id)
        return EntityId(found.name, found.key)

    @staticmethod
    def get_entity_id_url_path(entity_id: entities.EntityId) -> str:
        """Its path below the management API."""
        return f"entities/{entity_id.name}/{entity_id.key}"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, entities.EntityId):
            return NotImplemented
        return (self.name, self.key) == (other.name, other.key)

    def __hash__(self) -> int:
        return entities.EntityId.__hash__(self)

    def __lt__(self, other: object) -> bool:
        if not isinstance(other, entities.EntityId):
            return NotImplemented
        return str(self) < str(other)


class RetryOptions(RetryPolicy):
    """A RetryPolicy by 1.x's two numbers: milliseconds between attempts, and attempts in all."""

    __slots__ = ()

    @old(
        "RetryOptions knows milliseconds and attempts: RetryPolicy, with first_retry_interval and "
        "max_number_of_attempts, also grows its waits, and may choose by the failure"
    )
    def __init__(
        self, first_retry_interval_in_milliseconds: int, max_number_of_attempts: int
    ) -> None:
        if first_retry_interval_in_milliseconds <= 0:
            raise ValueError("first_retry_interval_in_milliseconds has to be greater than 0")
        super().__init__(
            first_retry_interval=timedelta(milliseconds=first_retry_interval_in_milliseconds),
            max_number_of_attempts=max_number_of_attempts,
        )

    @property
    def first_retry_interval_in_milliseconds(self) -> int:
        """The wait between attempts."""
        return round(self.first_retry_interval / timedelta(milliseconds=1))

    def to_json(self) -> dict[str, int]:
        """By the names of Durable Functions' protocol."""
        return {
            "firstRetryIntervalInMilliseconds": self.first_retry_interval_in_milliseconds,
            "maxNumberOfAttempts": self.max_number_of_attempts,
        }


class EntityStateResponse:
    """An entity's state as a client reads it."""

    def __init__(self, entity_exists: bool, entity_state: Any = None) -> None:
        self.entity_exists, self.entity_state = entity_exists, entity_state


class PurgeHistoryResult:
    """How many instances were deleted, and whether all that match were looked at."""

    def __init__(
        self,
        instancesDeleted: int,  # noqa: N803
        *,
        is_complete: bool = True,
        **_: Any,
    ) -> None:
        self.instances_deleted, self.is_complete = instancesDeleted, is_complete

    @classmethod
    def from_json(cls, json_obj: Mapping[str, Any]) -> PurgeHistoryResult:
        """From `{"instancesDeleted": n}`."""
        return cls(**json_obj)


class HttpManagementPayload(dict[str, str]):
    """The management URLs of an instance by their names; `str()` is their JSON."""

    @property
    def urls(self) -> dict[str, str]:
        """As a plain dict."""
        return dict(self)

    def to_json(self) -> dict[str, str]:
        """As a plain dict."""
        return dict(self)

    def __str__(self) -> str:
        return json.dumps(self)


class FunctionContext(SimpleNamespace):
    """What a binding says besides what Durable Functions reads."""


def replace_url_origin(url: str, request_origin: str | None) -> str:
    """The URL with the scheme and host of an origin; as it is without one, or if it has none
    itself. ValueError for an origin that lacks either."""
    if request_origin is None:
        return url
    there, origin = urlsplit(url), urlsplit(request_origin)
    if not (origin.scheme and origin.netloc):
        raise ValueError("request_origin must include both a scheme and an authority")
    if not (there.scheme and there.netloc):
        return url
    return urlunsplit(there._replace(scheme=origin.scheme, netloc=origin.netloc))


class DurableOrchestrationBindings:
    """What the .NET extension tells a client; kept for code that reads it."""

    def __init__(
        self,
        taskHubName: str,  # noqa: N803
        creationUrls: Mapping[str, str],  # noqa: N803
        managementUrls: Mapping[str, str],  # noqa: N803
        rpcBaseUrl: str | None = None,  # noqa: N803
        **client_data: Any,
    ) -> None:
        self.task_hub_name, self.rpc_base_url = taskHubName, rpcBaseUrl
        self.creation_urls, self.management_urls = dict(creationUrls), dict(managementUrls)
        self.client_data = FunctionContext(**client_data)

    @classmethod
    def from_json(cls, json_string: str) -> DurableOrchestrationBindings:
        """From the binding's JSON."""
        return cls(**json.loads(json_string))


__all__ = [
    "DurableHttpRequest",
    "DurableHttpResponse",
    "DurableOrchestrationBindings",
    "EntityId",
    "EntityStateResponse",
    "FunctionContext",
    "HttpManagementPayload",
    "ManagedIdentityTokenSource",
    "OrchestrationRuntimeStatus",
    "PurgeHistoryResult",
    "RetryOptions",
    "TokenSource",
    "replace_url_origin",
]
