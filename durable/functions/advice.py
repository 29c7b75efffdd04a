"""What to change where the settings of the Functions host make a durable app slow.

They hold for the user's own queues too, so they are the user's; the app is correct under any.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import timedelta

from azure.functions.decorators.function_app import Function

from durable.functions.triggers import LINKS, MANAGEMENT, control_function
from durable.settings import Settings

_SECTION = "extensions.queues"


def advice(settings: Settings, functions: Sequence[Function]) -> Iterator[str]:
    """A line for each thing, naming what to write."""
    yield from settings.warnings
    names = {function.get_function_name() for function in functions}
    if control_function(0) in names:
        yield from _queue_advice(settings)
    if MANAGEMENT in names:
        for function in functions:
            yield from _route_advice(function)


def _queue_advice(settings: Settings) -> Iterator[str]:
    queues = settings.queues
    if queues.max_polling_interval > timedelta(seconds=5):
        yield (
            f"host.json: {_SECTION}.maxPollingInterval is {queues.max_polling_interval}: after a "
            'quiet time, work may wait that long in a queue; write "00:00:02"'
        )
    if queues.max_dequeue_count < 100:
        yield (
            f"host.json: {_SECTION}.maxDequeueCount is {queues.max_dequeue_count}: so many "
            "restarts of a host move a healthy message to a poison queue, and its work waits for "
            "the audit; write 1000, the app counts attempts itself"
        )
    if queues.visibility_timeout > timedelta(seconds=30):
        yield (
            f"host.json: {_SECTION}.visibilityTimeout is {queues.visibility_timeout}: work that "
            'met an error waits that long; write "00:00:05"'
        )
    at_once = queues.batch_size + queues.new_batch_threshold
    if at_once < 8:
        yield (
            f"host.json: {_SECTION}.batchSize and newBatchThreshold let {at_once} message(s) of a "
            "queue be worked on at once; leave them out, or write at least 16 and 8"
        )
    if settings.function_timeout and settings.function_timeout < timedelta(minutes=1):
        yield (
            f"host.json: functionTimeout is {settings.function_timeout}: activities must end "
            'within it, and the host kills all that runs beside one that does not; write "00:10:00"'
        )


def _route_advice(function: Function) -> Iterator[str]:
    """The host takes the first function in alphabetical order whose route matches."""
    name, trigger = function.get_function_name() or "", function.get_trigger()
    route = getattr(trigger, "route", None)
    if trigger is None or trigger.type != "httpTrigger" or name in (LINKS, MANAGEMENT):
        return
    first = str(route).strip("/").partition("/")[0]
    before = name.casefold() < MANAGEMENT
    if before and re.match(r"\{\*?\w+", first) and (first.startswith("{*") or "/" in str(route)):
        yield (
            f"function {name!r} with the route {route!r} takes requests for the management API, "
            "since the host takes the first match in alphabetical order of names; call it "
            f"'z_{name}'"
        )
    elif not before and first.casefold() == "durabletask":
        yield (
            f"function {name!r} with the route {route!r} gets no requests: the management API "
            "has everything below durabletask/"
        )
