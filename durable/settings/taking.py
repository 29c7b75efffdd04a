"""Versioning and work-item filters: which instances and functions a worker takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, TypeVar

from durable.errors import ConfigurationError
from durable.model.filters import OrchestrationWorkItemFilter, WorkItemFilters
from durable.model.versioning import (
    VersionFailureStrategy,
    VersioningOptions,
    VersionMatchStrategy,
)
from durable.settings.reader import Entry, HostFile

_SECTION = "extensions.durableTask"
_FILTERS = f"{_SECTION}.workItemFilters"
KINDS = ("orchestrations", "activities", "entities")

E = TypeVar("E", bound=Enum)


@dataclass(frozen=True, slots=True)
class VersioningSettings:
    """What host.json says of versions; None where it says nothing."""

    default_version: str | None = None
    """defaultVersion: the worker's own version, and what instances get that are started without
    one."""
    match_strategy: VersionMatchStrategy | None = None
    """versionMatchStrategy: None, Strict or CurrentOrOlder; that with a defaultVersion, else
    None."""
    failure_strategy: VersionFailureStrategy | None = None
    """versionFailureStrategy: Reject (the default) or Fail."""

    def over(self, code: VersioningOptions) -> VersioningOptions:
        """`code`, where nothing else is said here."""
        options = code
        if self.default_version is not None:
            options = VersioningOptions(
                self.default_version,
                self.default_version,
                VersionMatchStrategy.CURRENT_OR_OLDER
                if code == VersioningOptions()
                else code.match_strategy,
                code.failure_strategy,
            )
        if self.match_strategy is not None:
            options = replace(options, match_strategy=self.match_strategy)
        if self.failure_strategy is not None:
            options = replace(options, failure_strategy=self.failure_strategy)
        return options


def read_versioning(host: HostFile) -> VersioningSettings:
    """ConfigurationError for a version that is no string, and for an unknown strategy."""
    version = host.entry(f"{_SECTION}.defaultVersion")
    return VersioningSettings(
        None if version is None else version.text().strip(),
        _member(host.entry(f"{_SECTION}.versionMatchStrategy"), VersionMatchStrategy),
        _member(host.entry(f"{_SECTION}.versionFailureStrategy"), VersionFailureStrategy),
    )


def _member(entry: Entry | None, kind: type[E]) -> E | None:
    if entry is None:
        return None
    members = {each.name.replace("_", "").casefold(): each for each in kind}
    found = members.get(entry.text().strip().casefold())
    if found is None:
        names = [each.name.title().replace("_", "") for each in kind]
        entry.refuse(f"write one of {', '.join(names)}")
    return found


def read_filters(host: HostFile, only: Sequence[Entry | None]) -> WorkItemFilters | None:
    """`only` are settings with names, one for each of KINDS: any of them replaces all that
    host.json has. None where nothing is filtered; ConfigurationError."""
    entries = list(only)
    if not any(entries):
        section = host.entry(_FILTERS)
        if section is not None and not isinstance(section.raw, dict):
            section.refuse("must be an object: write { … }")
        entries = [host.entry(f"{_FILTERS}.{kind}") for kind in KINDS]
        if section is None and not any(entries):
            return None
    orchestrations, activities, entities = entries
    return WorkItemFilters(
        () if orchestrations is None else _orchestrations(orchestrations),
        () if activities is None else _checked(activities, activities.texts(), "activities"),
        () if entities is None else _checked(entities, entities.texts(), "entities"),
    )


def _orchestrations(entry: Entry) -> tuple[OrchestrationWorkItemFilter, ...]:
    raw = entry.raw.split(",") if isinstance(entry.raw, str) else entry.raw
    if not isinstance(raw, list) or not all(isinstance(each, str | dict) for each in raw):
        entry.refuse('write a list such as ["order", {"name": "ship", "versions": ["1.0"]}]')
    found = [_orchestration(entry, each) for each in raw if each and not _is_blank(each)]
    return tuple(found)


def _orchestration(entry: Entry, each: str | dict[str, Any]) -> OrchestrationWorkItemFilter:
    if isinstance(each, str):
        name, _, version = each.strip().partition("@")
        each = {"name": name, "versions": [version] if version else []}
    try:
        return OrchestrationWorkItemFilter(each.get("name", ""), each.get("versions") or ())
    except ConfigurationError as error:
        entry.refuse(str(error))


def _is_blank(each: str | dict[str, Any]) -> bool:
    return isinstance(each, str) and not each.strip()


def _checked(entry: Entry, names: tuple[str, ...], kind: str) -> tuple[str, ...]:
    try:
        WorkItemFilters(**{kind: names})
    except ConfigurationError as error:
        entry.refuse(str(error))
    return names
