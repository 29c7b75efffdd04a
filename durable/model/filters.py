"""Work-item filters: which of an app's functions one worker takes work for."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from durable.errors import ConfigurationError, InvalidRequestError
from durable.model.entities import EntityId
from durable.model.functions import Registry
from durable.model.http import HTTP_ACTIVITY
from durable.model.purge import PURGE
from durable.model.versioning import compare_versions


@dataclass(frozen=True, slots=True)
class OrchestrationWorkItemFilter:
    """Orchestrations of that name, and of those versions only if there are any; "" stands for
    no version."""

    name: str
    versions: Sequence[str] = ()

    def __post_init__(self) -> None:
        _check_name(self.name, "an orchestrator")
        versions = self.versions
        if not isinstance(versions, list | tuple) or not all(
            isinstance(each, str) for each in versions
        ):
            raise ConfigurationError(
                f"the versions of {self.name!r} are {versions!r}: write a list of strings"
            )
        object.__setattr__(self, "versions", tuple(versions))

    def accepts(self, version: str | None) -> bool:
        """Whether instances of that version are taken."""
        return not self.versions or any(
            compare_versions(version, each) == 0 for each in self.versions
        )


@dataclass(frozen=True, slots=True)
class WorkItemFilters:
    """What a worker takes: nothing but what is named here. Entities' names are in any case.

    A worker that takes an orchestrator takes purge jobs and the built-in activity of `call_http`
    as well.
    Raises ConfigurationError for what is no name.
    """

    orchestrations: Sequence[str | OrchestrationWorkItemFilter] = ()
    activities: Sequence[str] = ()
    entities: Sequence[str] = ()

    def __post_init__(self) -> None:
        for field in ("orchestrations", "activities", "entities"):
            value = getattr(self, field)
            if isinstance(value, str) or not isinstance(value, Collection):
                raise ConfigurationError(f"{field} is {value!r}: write a list of names")
        orchestrations = tuple(
            each if isinstance(each, OrchestrationWorkItemFilter) else _named(each)
            for each in self.orchestrations
        )
        for name in self.activities:
            _check_name(name, "an activity")
        object.__setattr__(self, "orchestrations", orchestrations)
        object.__setattr__(self, "activities", tuple(self.activities))
        object.__setattr__(self, "entities", tuple(map(_entity, self.entities)))

    def accepts(self, name: str, version: str | None) -> bool:
        """Whether orchestrations of that name and version are taken."""
        if name == PURGE:
            return bool(self.orchestrations)
        named = [each for each in map(_as_filter, self.orchestrations) if each.name == name]
        return any(each.accepts(version) for each in named)

    def applied(self, registry: Registry) -> Registry:
        """The part of an app that is taken. ConfigurationError for a name that the app lacks."""
        taken = Registry()
        for each in map(_as_filter, self.orchestrations):
            _check_known(each.name, registry.orchestrators, "orchestrator")
            taken.add(registry.orchestrators[each.name])
        for name in self.activities:
            if name == HTTP_ACTIVITY and registry.orchestrators:
                # it is there as soon as the app runs
                continue
            _check_known(name, registry.activities, "activity")
            taken.add(registry.activities[name])
        for name in self.entities:
            _check_known(name, registry.entities, "entity")
            taken.add(registry.entities[name])
        http = registry.activities.get(HTTP_ACTIVITY)
        if http is not None and (taken.orchestrators or HTTP_ACTIVITY in self.activities):
            taken.add(http)
        if taken.orchestrators and PURGE in registry.orchestrators:
            taken.add(registry.orchestrators[PURGE])
            taken.add(registry.entities[PURGE])
        return taken


def _named(name: str) -> OrchestrationWorkItemFilter:
    return OrchestrationWorkItemFilter(name)


def _as_filter(each: str | OrchestrationWorkItemFilter) -> OrchestrationWorkItemFilter:
    return _named(each) if isinstance(each, str) else each


def _entity(name: str) -> str:
    _check_name(name, "an entity")
    try:
        return EntityId(name, "key").name
    except InvalidRequestError as error:
        raise ConfigurationError(
            f"a work-item filter names the entity {name!r}: {error}"
        ) from error


def _check_name(name: object, what: str) -> None:
    if not isinstance(name, str) or not name:
        raise ConfigurationError(f"a work-item filter names {what} {name!r}: write its name")


def _check_known(name: str, known: Mapping[str, object], what: str) -> None:
    if name not in known:
        names = ", ".join(sorted(known)) or "none"
        raise ConfigurationError(
            f"a work-item filter names the {what} {name!r}, which this app does not have; it has "
            f"{names}"
        )
