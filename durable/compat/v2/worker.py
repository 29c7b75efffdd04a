"""`durabletask.worker`: options, and the worker that collects functions.

The worker of this package is `durable start`; what is registered here is an app for it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NoReturn, Self

from durable.compat.v2.task import get_entity_name, get_name
from durable.errors import ConfigurationError, UnknownFunctionError
from durable.functions import DFApp
from durable.model.entities import EntityId


class VersionMatchStrategy(Enum):
    """Which instances a worker takes, by their version."""

    NONE = 1
    STRICT = 2
    CURRENT_OR_OLDER = 3


class VersionFailureStrategy(Enum):
    """What becomes of an instance of another version."""

    REJECT = 1
    FAIL = 2


@dataclass
class VersioningOptions:
    """How versions decide who runs what."""

    version: str | None = None
    default_version: str | None = None
    match_strategy: VersionMatchStrategy | None = None
    failure_strategy: VersionFailureStrategy | None = None


@dataclass
class ConcurrencyOptions:
    """How much a worker does at once."""

    maximum_concurrent_activity_work_items: int | None = None
    maximum_concurrent_orchestration_work_items: int | None = None
    maximum_concurrent_entity_work_items: int | None = None
    maximum_thread_pool_workers: int | None = None


@dataclass(frozen=True)
class OrchestrationWorkItemFilter:
    """Orchestrators of that name, and of those versions if there are any."""

    name: str
    versions: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class ActivityWorkItemFilter:
    """Activities of that name."""

    name: str
    versions: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class EntityWorkItemFilter:
    """Entities of that name, in any case."""

    name: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", EntityId(self.name, "key").name)


@dataclass(frozen=True)
class WorkItemFilters:
    """What a worker takes."""

    orchestrations: list[OrchestrationWorkItemFilter] = field(default_factory=list)
    activities: list[ActivityWorkItemFilter] = field(default_factory=list)
    entities: list[EntityWorkItemFilter] = field(default_factory=list)


OrchestratorNotRegisteredError = UnknownFunctionError
ActivityNotRegisteredError = UnknownFunctionError
EntityNotRegisteredError = UnknownFunctionError


class TaskHubGrpcWorker:
    """Collects functions in `app`, a `durable.DFApp`, which `durable start --app module:worker.app`
    and a Functions host run. There is no gRPC server to connect to."""

    def __init__(self, **options: Any) -> None:
        """What concerns gRPC is taken and not used."""
        self.app = DFApp()
        self.options = options

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def add_orchestrator(self, fn: Callable[..., Any]) -> str:
        """Register an orchestrator by its own name, and return that."""
        self.app.orchestration_trigger("context")(fn)
        return get_name(fn)

    def add_activity(self, fn: Callable[..., Any]) -> str:
        """Register an activity by its own name, and return that."""
        self.app.activity_trigger("input")(fn)
        return get_name(fn)

    def add_entity(self, fn: Any, name: str | None = None) -> str:
        """Register an entity, and return its name in lower case."""
        name = (name or get_entity_name(fn)).lower()
        self.app.entity_trigger("context", name)(fn)
        return name

    def start(self) -> NoReturn:
        """ConfigurationError: it says how to run the functions."""
        raise ConfigurationError(
            "this worker has no server to take work from: run its functions with "
            "`durable start --app module:name`, where name is bound to worker.app"
        )

    def stop(self) -> None:
        """Nothing runs."""
