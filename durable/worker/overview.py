"""What a worker says at its start, and `durable functions` at any time."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from durable.model.functions import Registry
from durable.settings import Settings
from durable.worker.inventory import HttpFunction, Inventory
from durable.worker.keys import FUNCTION_SETTING

Line = tuple[int, str]


def function_lines(inventory: Inventory, registry: Registry, base: str) -> Iterator[Line]:
    """One line for each function, with its level for the log; `base` is what URLs begin with."""
    for http in inventory.http:
        yield logging.INFO, f"  {http.call.name}: {_methods(http)} {_url(base, http)}"
    for timer in inventory.timers:
        yield logging.INFO, f"  {timer.call.name}: timer, {timer.expression}"
    for queue in inventory.queues:
        yield logging.INFO, f"  {queue.call.name}: queue {queue.queue}"
    for kind, names in (
        ("orchestrator", registry.orchestrators),
        ("activity", registry.activities),
        ("entity", registry.entities),
    ):
        for name in sorted(names):
            yield logging.INFO, f"  {name}: {kind}"
    for refused in inventory.refused:
        yield logging.WARNING, f"function {refused.name} is not served: {refused.reason}"
    for warning in inventory.warnings:
        yield logging.WARNING, warning


def start_lines(
    settings: Settings,
    inventory: Inventory,
    registry: Registry,
    *,
    storage: str,
    address: str,
    asks_for_keys: bool,
) -> Iterator[Line]:
    """The lines of a worker that begins to serve at `address`."""
    for warning in settings.warnings:
        yield logging.WARNING, warning
    yield logging.INFO, f"app {settings.app_name}, hub {settings.hub} in {storage}"
    base = f"{address}/{settings.route_prefix}".rstrip("/")
    yield from function_lines(inventory, registry, base)
    if asks_for_keys:
        source = (
            f"the setting {FUNCTION_SETTING}"
            if settings.setting(FUNCTION_SETTING)
            else "the hub; `durable keys` shows it"
        )
        yield logging.INFO, f"callers need the function key, which comes from {source}"
        if settings.allow_anonymous_management:
            yield logging.WARNING, "the management API is open to everyone, as the settings say"
    yield logging.INFO, f"listening on {address}"


def _methods(function: HttpFunction) -> str:
    return ",".join(sorted(function.methods)) if function.methods else "any method"


def _url(base: str, function: HttpFunction) -> str:
    return f"{base}/{function.route.text}".rstrip("/")
