"""`DFApp` and `Blueprint` by the names of Durable Functions: ours, but what an activity says of its
input is a hint. One that says `str` and is given a number gets the number."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from durable import functions
from durable.codec import annotation_of
from durable.compat.reading import hint
from durable.functions.decorators import DurableApi
from durable.model.functions import ActivityDefinition


class _Hinting(DurableApi):
    def _define(self, builder: Any, definition: Any) -> None:
        if isinstance(definition, ActivityDefinition):
            annotation = annotation_of(definition.function, definition.input_name)
            definition = replace(definition, input_type=hint(annotation))
        super()._define(builder, definition)


class Blueprint(_Hinting, functions.Blueprint):
    """Functions of any kind, durable ones included, to be registered in an app or in another
    blueprint."""


class DFApp(_Hinting, functions.DFApp):
    """A function app with orchestrators, activities, entities and durable clients."""


__all__ = ["Blueprint", "DFApp"]
