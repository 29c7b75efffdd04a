"""What host.json, local.settings.json and the environment say."""

from durable.settings.load import ONLY, load_settings
from durable.settings.model import (
    HttpSettings,
    PollingSettings,
    QueueSettings,
    Settings,
    TracingSettings,
)
from durable.settings.taking import KINDS, VersioningSettings

__all__ = [
    "KINDS",
    "ONLY",
    "HttpSettings",
    "PollingSettings",
    "QueueSettings",
    "Settings",
    "TracingSettings",
    "VersioningSettings",
    "load_settings",
]
