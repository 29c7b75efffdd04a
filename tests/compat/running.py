"""Apps of other styles on the memory hub."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import durable as df
from durable.codec import decode
from durable.compat import aliases
from durable.model.instance import InstanceStatus
from tests.memory_hub import MemoryHub


def hub_of(app: df.DFApp | df.Blueprint) -> MemoryHub:
    """A hub that runs the app's functions."""
    hub = MemoryHub()
    hub.registry = app.durable.registry
    return hub


async def outcome(hub: MemoryHub, name: Any, client_input: Any = None) -> Any:
    """The output of a new instance, or its failure's text."""
    instance_id = await hub.client.start_new(name, client_input=client_input)
    return result(await hub.wait(instance_id))


def result(status: InstanceStatus) -> Any:
    """Its output, or its failure's text."""
    return str(status.failure) if status.failure else decode(status.output)


async def run(app: df.DFApp | df.Blueprint, name: Any, client_input: Any = None) -> Any:
    """The output of one instance on a hub of its own."""
    async with hub_of(app) as hub:
        return await outcome(hub, name, client_input)


@contextmanager
def aliased() -> Iterator[None]:
    """With the names of the other packages."""
    aliases.install()
    try:
        yield
    finally:
        aliases.uninstall()
