"""Where the keys of HTTP functions come from: settings, else the hub, where they are made once."""

from __future__ import annotations

from durable.hub.hub import Hub
from durable.settings import Settings
from durable.worker.access import Keys

FUNCTION_SETTING = "DURABLE_FUNCTION_KEY"
MASTER_SETTING = "DURABLE_MASTER_KEY"


async def read_keys(settings: Settings, hub: Hub) -> Keys:
    """Raises ContainerMissing when the hub has to keep a key and does not exist yet."""
    return Keys(
        function=settings.setting(FUNCTION_SETTING) or await hub.secret("function"),
        master=settings.setting(MASTER_SETTING) or await hub.secret("master"),
    )
