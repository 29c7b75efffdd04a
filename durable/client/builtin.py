"""For what is built in on top of the client: functions that use the one of the host they run in,
and clients that take it from an app."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Any

from durable.client.client import DurableOrchestrationClient
from durable.model.functions import Registry


class NeedsClient:
    """Stands in a registry for `function(client, argument)` until there is a client."""

    def __init__(self, function: Callable[..., Awaitable[Any]]) -> None:
        self.function = function

    def __call__(self, argument: Any) -> Any:
        raise RuntimeError(f"{self.function!r} was not given a client: see bind_client")


def native(client: Any) -> DurableOrchestrationClient:
    """The native client: of another style's, the one in its `native_client`. TypeError for
    anything else."""
    found = getattr(client, "native_client", client)
    if not isinstance(found, DurableOrchestrationClient):
        raise TypeError(f"expected a durable client, not {type(client).__name__}")
    return found


def bind_client(registry: Registry, client: DurableOrchestrationClient) -> None:
    """Give the client to all that need one, in place."""
    for name, activity in registry.activities.items():
        if isinstance(activity.function, NeedsClient):
            bound = partial(activity.function.function, client)
            registry.activities[name] = replace(activity, function=bound)
    for name, entity in registry.entities.items():
        if isinstance(entity.function, NeedsClient):
            bound = partial(entity.function.function, client)
            registry.entities[name] = replace(entity, function=bound)
