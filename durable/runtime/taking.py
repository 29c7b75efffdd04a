"""Which work one worker takes: by the functions it has, its filters, and versions."""

from __future__ import annotations

import hashlib
from collections.abc import Collection

from durable.hub.rows import Head
from durable.model.entities import EntityId, is_entity
from durable.model.failure import FailureDetails
from durable.model.filters import WorkItemFilters
from durable.model.functions import Registry
from durable.model.versioning import VersionFailureStrategy, VersioningOptions

VERSION_MISMATCH = "VersionMismatch"
"""The error type of an instance that failed since no code of its version was there."""


class Lacking(Exception):
    """This worker does not have what the instance needs: `needs` says what, in words that do not
    depend on the worker."""

    def __init__(self, needs: str, why: str = "") -> None:
        super().__init__(why or "this one does not")
        self.needs = needs


class Taking:
    """`registry` is the part of the app that the worker takes."""

    def __init__(
        self,
        registry: Registry,
        filters: WorkItemFilters | None = None,
        versioning: VersioningOptions | None = None,
    ) -> None:
        """Raises ConfigurationError for filters that name what the app does not have."""
        self.registry = registry if filters is None else filters.applied(registry)
        self._filters = filters
        self._versioning = versioning or VersioningOptions()

    @property
    def any_instance(self) -> bool:
        """Whether there are orchestrations or entities that it takes."""
        return bool(self.registry.orchestrators or self.registry.entities)

    @property
    def default_version(self) -> str | None:
        """What orchestrations get that are started without a version."""
        return self._versioning.default_version

    def digest(self) -> str:
        """The same for workers that take the same, and for no others."""
        names = [
            sorted(each)
            for each in (
                self.registry.orchestrators,
                self.registry.activities,
                self.registry.entities,
            )
        ]
        text = repr((names, self._filters, self._versioning))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def lacks(self, head: Head) -> Lacking | None:
        """Why an instance is left to another worker; None where this one takes it."""
        name, version = head.name, head.version
        if is_entity(head.instance_id):
            return self.lacks_entity(head.instance_id)
        if name not in self.registry.orchestrators:
            return Lacking(f"a worker that takes the orchestrator {name!r}")
        of_version = f"version {version!r}" if version else "no version"
        needs = f"a worker that takes the orchestrator {name!r} of {of_version}"
        if self._filters is not None and not self._filters.accepts(name, version):
            return Lacking(needs)
        refusal = self._versioning.refusal(version)
        if refusal is not None and not self._fails:
            return Lacking(needs, refusal)
        return None

    def lacks_entity(self, instance_id: str) -> Lacking | None:
        """As `lacks`, of an entity, from its id."""
        name = EntityId.parse(instance_id).name
        if name in self.registry.entities:
            return None
        return Lacking(f"a worker that takes the entity {name!r}")

    def refusal(self, head: Head) -> FailureDetails | None:
        """What an instance that is taken fails with before its code is run, if anything."""
        refusal = self._versioning.refusal(head.version) if self._fails else None
        return None if refusal is None else FailureDetails(refusal, VERSION_MISMATCH)

    @property
    def _fails(self) -> bool:
        return self._versioning.failure_strategy is VersionFailureStrategy.FAIL


def lacking_activity(name: str) -> Lacking:
    """What is missing where an activity is."""
    return Lacking(needs_activities([name]))


def needs_activities(names: Collection[str]) -> str:
    """What an instance waits for whose activities no worker has taken yet, "" without any."""
    shown = ", ".join(repr(name) for name in sorted(names)[:5])
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    what = "the activity" if len(names) == 1 else "the activities"
    return f"a worker that takes {what} {shown}{more}" if names else ""
