"""What host.json, local.settings.json and the environment say."""

from durable.settings.load import load_settings
from durable.settings.model import HttpSettings, QueueSettings, Settings

__all__ = ["HttpSettings", "QueueSettings", "Settings", "load_settings"]
