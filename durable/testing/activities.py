"""The activities of a test: which calls there were, and what runs in the place of some."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from durable.codec import annotation_of, decode
from durable.compat.reading import hint
from durable.errors import DefinitionError
from durable.model.functions import ActivityDefinition, Registry, name_of
from durable.model.http import HTTP_ACTIVITY, DurableHttpRequest, DurableHttpResponse, HttpAnswer
from durable.testing.underway import Underway

POLL_SECONDS = 30.0
"""Between two requests of durable HTTP's, where a replaced one answers 202 without Retry-After."""


@dataclass(frozen=True, slots=True)
class ActivityCall:
    """One attempt of one call: `input` is plain JSON, `attempt` counts from 1, `time` is the
    hub's."""

    activity: str
    input: Any
    instance_id: str
    attempt: int
    time: datetime


class Activities:
    """Those of a registry, in which they are replaced."""

    def __init__(self, registry: Registry, underway: Underway, now: Callable[[], datetime]) -> None:
        self._registry = registry
        self._underway = underway
        self._now = now
        self._own = Registry()
        self.calls: list[ActivityCall] = []
        for definition in list(registry.activities.values()):
            self._own.add(definition)
            self._set(definition)

    def replace(self, activity: object, by: object) -> None:
        """Run `by` from now on: a function of the input, sync or async; an exception, which is
        raised; or any other value, which is the result.

        The function's parameter is given as it is annotated, else as the activity's own would be.
        Raises UnknownFunctionError, and DefinitionError for a function that takes no input.
        """
        own = self._own.activity(name_of(activity))
        function = _function(own.name, by)
        wanted = _wanted(by) if callable(by) else None
        if wanted is None:
            wanted = own.input_type or annotation_of(own.function, own.input_name)
            wanted = wanted if own.face is None else hint(wanted)
        self._set(replace(own, function=function, face=None, input_type=wanted, process=False))

    def of(self, activity: object) -> list[ActivityCall]:
        """The calls of one activity, in the order in which they began. UnknownFunctionError for
        what the app does not have."""
        name = self._own.activity(name_of(activity)).name
        return [call for call in self.calls if call.activity == name]

    def _set(self, definition: ActivityDefinition) -> None:
        def face(context: Any, text: str | None) -> tuple[object, ...]:
            self.calls.append(
                ActivityCall(
                    definition.name,
                    decode(text),
                    context.instance_id,
                    context.attempt,
                    self._now(),
                )
            )
            context.signals.waiting = self._underway.waiting
            if definition.face is not None:
                return definition.face(context, text)
            annotation = annotation_of(definition.function, definition.input_name)
            return (decode(text, definition.input_type or annotation),)

        label = f"the activity {definition.name!r}"
        function = self._underway.tracked(definition.function, label)
        self._registry.activities[definition.name] = replace(
            definition, function=function, face=face
        )


def _function(name: str, by: object) -> Callable[[Any], Any]:
    """What runs: on the event loop, so that a test's function is where the test is."""
    if isinstance(by, BaseException) or (isinstance(by, type) and issubclass(by, BaseException)):
        error = by

        async def raises(_: Any) -> Any:
            raise error

        return raises
    if not callable(by):

        async def answers(_: Any) -> Any:
            return by

        return answers
    function = by
    try:
        inspect.signature(function).bind(None)
    except TypeError:
        raise DefinitionError(
            f"what replaces the activity {name!r} takes one argument, its input; "
            f"{getattr(function, '__name__', function)!r} does not"
        ) from None
    except ValueError:
        pass  # a built-in function does not tell

    async def call(value: Any) -> Any:
        result = function(value)
        if inspect.isawaitable(result):
            result = await result
        if name == HTTP_ACTIVITY and isinstance(result, DurableHttpResponse):
            assert isinstance(value, DurableHttpRequest)
            result = HttpAnswer(result, value.uri, POLL_SECONDS)
        return result

    return call


def _wanted(function: Callable[..., Any]) -> Any:
    """What a function's first parameter is annotated as, if it is."""
    try:
        parameters = list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return None
    return annotation_of(function, parameters[0]) if parameters else None
