"""What host.json, local.settings.json and the environment say."""

from durable.settings.load import load_settings
from durable.settings.model import QueueSettings, Settings

__all__ = ["QueueSettings", "Settings", "load_settings"]
