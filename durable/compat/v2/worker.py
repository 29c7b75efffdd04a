"""`durabletask.worker`: options, and the worker that collects functions.

The worker of this package is `durable start`; what is registered here is an app for it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any, NoReturn, Self

from durable.compat.v2.task import get_entity_name, get_name
from durable.errors import ConfigurationError, UnknownFunctionError
from durable.functions import DFApp
from durable.model import filters, versioning
from durable.model.entities import EntityId
from durable.model.failure import ExceptionPropertiesProvider
from durable.model.versioning import VersionFailureStrategy, VersionMatchStrategy


class VersioningOptions(versioning.VersioningOptions):
    """How versions decide who runs what."""

    __slots__ = ()

    def __init__(
        self,
        version: str | None = None,
        default_version: str | None = None,
        match_strategy: VersionMatchStrategy | None = None,
        failure_strategy: VersionFailureStrategy | None = None,
    ) -> None:
        super().__init__(
            version,
            default_version,
            match_strategy or VersionMatchStrategy.NONE,
            failure_strategy or VersionFailureStrategy.REJECT,
        )


@dataclass
class ConcurrencyOptions:
    """How much a worker does at once; without a number as much as durabletask's does."""

    maximum_concurrent_activity_work_items: int | None = None
    maximum_concurrent_orchestration_work_items: int | None = None
    maximum_concurrent_entity_work_items: int | None = None
    maximum_thread_pool_workers: int | None = None

    def __post_init__(self) -> None:
        processors = os.cpu_count() or 1
        for each in fields(self):
            if getattr(self, each.name) is None:
                is_pool = each.name == "maximum_thread_pool_workers"
                setattr(self, each.name, processors + 4 if is_pool else processors * 100)


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

    @property
    def native(self) -> filters.WorkItemFilters:
        """As a DFApp takes them. Versions of activities do not count: those have none."""
        return filters.WorkItemFilters(
            [
                filters.OrchestrationWorkItemFilter(each.name, each.versions)
                for each in self.orchestrations
            ],
            [each.name for each in self.activities],
            [each.name for each in self.entities],
        )


OrchestratorNotRegisteredError = UnknownFunctionError
ActivityNotRegisteredError = UnknownFunctionError
EntityNotRegisteredError = UnknownFunctionError


class TaskHubGrpcWorker:
    """Collects functions in `app`, a `durable.DFApp`, which `durable start --app module:worker.app`
    and a Functions host run. There is no gRPC server to connect to."""

    def __init__(
        self,
        *,
        exception_properties_provider: ExceptionPropertiesProvider | None = None,
        **options: Any,
    ) -> None:
        """What concerns gRPC is taken and not used."""
        self.app = DFApp()
        self.app.configure_exception_properties(exception_properties_provider)
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

    def configure_scheduled_tasks(self) -> None:
        """Take part in recurring schedules."""
        self.app.configure_scheduled_tasks()

    def use_versioning(self, version: VersioningOptions) -> None:
        """Say which version this code is, and what becomes of instances of others."""
        self.app.configure_versioning(version)

    def use_work_item_filters(self, filters: WorkItemFilters | None = None) -> None:
        """Take only what is named there; None is all that is registered."""
        self.app.configure_work_item_filters(None if filters is None else filters.native)

    def start(self) -> NoReturn:
        """ConfigurationError: it says how to run the functions."""
        raise ConfigurationError(
            "this worker has no server to take work from: run its functions with "
            "`durable start --app module:name`, where name is bound to worker.app"
        )

    def stop(self) -> None:
        """Nothing runs."""
