"""The functions of an app by name: what was decorated, and how to call it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from difflib import get_close_matches
from typing import Any, TypeVar

from durable.errors import DefinitionError, InvalidRequestError, UnknownFunctionError
from durable.model.failure import ExceptionPropertiesProvider
from durable.model.limits import Limits
from durable.model.unicode import is_unicode

UserFunction = Callable[..., Any]

Face = Callable[..., tuple[object, ...]]
"""Makes the arguments that code of another style is called with."""


@dataclass(frozen=True, slots=True)
class OrchestratorDefinition:
    """An orchestrator: `function(context)`, a generator function or an `async def`.

    `face(decider)` makes the arguments; without one they are the native context alone.
    `exceptions` tells of what it fails with.
    """

    name: str
    function: UserFunction
    face: Face | None = None
    exceptions: ExceptionPropertiesProvider | None = None


@dataclass(frozen=True, slots=True)
class ActivityDefinition:
    """An activity: `function(input)`, sync (runs in a thread) or `async def` (on the loop).

    `face(context, text)` makes the arguments of another style from the activity's context and
    its input's JSON. `exceptions` tells of what it fails with.
    """

    name: str
    function: UserFunction
    input_name: str = "input"
    queued: bool = False
    """Always through its queue, even where it could run next to its orchestrator."""
    face: Face | None = None
    exceptions: ExceptionPropertiesProvider | None = None
    input_type: Any = None
    """What the input is read as; None: as its parameter's annotation."""
    timeout: timedelta | None = None
    """How long an attempt may run, where the call says nothing else."""
    heartbeat_timeout: timedelta | None = None
    """How long an attempt may be silent, where the call says nothing else."""
    process: bool = False
    """Runs in a process of the pool."""
    limits: Limits | None = None
    """What holds for its calls over all workers; it is `queued` then."""

    @property
    def is_async(self) -> bool:
        """Whether calling it gives an awaitable."""
        return inspect.iscoroutinefunction(self.function)


@dataclass(frozen=True, slots=True)
class EntityDefinition:
    """An entity: `function(context)`, sync (runs in a thread) or `async def`, called for each
    operation; what it returns is the operation's result. The name is in lower case.

    `face(context)` makes the arguments of another style. `exceptions` tells of what it fails with.
    """

    name: str
    function: UserFunction
    face: Face | None = None
    exceptions: ExceptionPropertiesProvider | None = None


Definition = OrchestratorDefinition | ActivityDefinition | EntityDefinition


class Registry:
    """The durable functions of one app, each under a name that is unique in its kind, whatever its
    case."""

    def __init__(self) -> None:
        self.orchestrators: dict[str, OrchestratorDefinition] = {}
        self.activities: dict[str, ActivityDefinition] = {}
        self.entities: dict[str, EntityDefinition] = {}

    def add(self, definition: Definition) -> None:
        """Register; DefinitionError if another function has the name already."""
        if isinstance(definition, OrchestratorDefinition):
            _add(self.orchestrators, definition, "orchestrator")
        elif isinstance(definition, ActivityDefinition):
            _add(self.activities, definition, "activity")
        else:
            _add(self.entities, definition, "entity")

    def update(self, other: Registry) -> None:
        """Take over all of another registry, a blueprint's say."""
        for orchestrator in other.orchestrators.values():
            self.add(orchestrator)
        for activity in other.activities.values():
            self.add(activity)
        for entity in other.entities.values():
            self.add(entity)

    def described_by(self, exceptions: ExceptionPropertiesProvider) -> Registry:
        """The same functions, their exceptions described by that provider."""
        whole = Registry()
        for kind in (self.orchestrators, self.activities, self.entities):
            for definition in kind.values():
                whole.add(replace(definition, exceptions=exceptions))
        return whole

    def limits_of(self, activity: str) -> Limits | None:
        """What holds for an activity's calls; None where nothing does, or it is not known."""
        definition = self.activities.get(activity)
        return None if definition is None else definition.limits

    @property
    def prioritized(self) -> tuple[str, ...]:
        """The activities whose calls may have priorities."""
        return tuple(
            name
            for name, each in self.activities.items()
            if each.limits is not None and each.limits.priority_enabled
        )

    def orchestrator(self, name: str) -> OrchestratorDefinition:
        """By name; UnknownFunctionError lists what there is."""
        return _find(self.orchestrators, name, "orchestrator", self)

    def activity(self, name: str) -> ActivityDefinition:
        """By name; UnknownFunctionError lists what there is."""
        return _find(self.activities, name, "activity", self)

    def entity(self, name: str) -> EntityDefinition:
        """By name, in any case; UnknownFunctionError lists what there is."""
        return _find(self.entities, name.lower(), "entity", self)


D = TypeVar("D", OrchestratorDefinition, ActivityDefinition, EntityDefinition)


def _add(known: dict[str, D], definition: D, kind: str) -> None:
    name = definition.name
    other = _alike(known, name)
    if other is not None and (other.name != name or other.function is not definition.function):
        both = repr(name) if other.name == name else f"{other.name!r} and as {name!r}"
        only = "" if other.name == name else ", and names that differ only in case are one"
        raise DefinitionError(
            f"two functions are registered as {kind} {both}{only}: "
            f"{_where(other.function)} and {_where(definition.function)}; rename one"
        )
    known[name] = definition


def _alike(known: Mapping[str, D], name: str) -> D | None:
    """What has that name, in this case or in another."""
    folded = name.casefold()
    alike = (each for each in known.values() if each.name.casefold() == folded)
    return known.get(name) or next(alike, None)


def _find(known: Mapping[str, D], name: str, kind: str, registry: Registry) -> D:
    definition = known.get(name)
    if definition is None:
        others: dict[str, Mapping[str, object]] = {
            "orchestrator": registry.orchestrators,
            "activity": registry.activities,
            "entity": registry.entities,
        }
        found = [f"; {name!r} is an {other}" for other, names in others.items() if name in names]
        if alike := _alike(known, name):
            found.append(f"; write {alike.name!r}, names are told apart by case")
        raise UnknownFunctionError(
            f"no {kind} is named {name!r}; this app has {_names(known, name) or 'none'}"
            f"{''.join(found)}"
        )
    return definition


def _names(known: Iterable[str], wanted: str) -> str:
    # built-in ones are not the app's
    names = sorted(name for name in known if not name.startswith("durable_"))
    if len(names) > 10:
        meant = get_close_matches(wanted, names)
        names = [*meant, *(name for name in names if name not in meant)]
    return ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")


def _where(function: UserFunction) -> str:
    function = inspect.unwrap(function)
    code = getattr(function, "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code else repr(function)


NAME_ATTRIBUTE = "__durable_name__"
"""Set on decorated functions to the name they are registered under."""


def user_function(reference: object) -> UserFunction | None:
    """The plain function behind what a decorator returned, azure-functions' builder included."""
    built = getattr(reference, "_function", None)
    if built is not None and hasattr(built, "get_user_function"):
        reference = built.get_user_function()
    return reference if callable(reference) else None


def name_of(reference: object) -> str:
    """The registered name of a function given by name or by reference."""
    if isinstance(reference, str):
        if not reference:
            raise InvalidRequestError("a function's name must not be empty")
        if not is_unicode(reference):
            raise InvalidRequestError(f"the function's name {reference!a} is not valid Unicode")
        return reference
    function = user_function(reference)
    name = getattr(function, NAME_ATTRIBUTE, None) or getattr(function, "__name__", None)
    if function is None or not isinstance(name, str):
        raise InvalidRequestError(
            f"expected a function's name or a decorated function, got {type(reference).__name__}"
        )
    return name
