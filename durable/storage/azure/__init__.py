"""The production adapter: an Azure storage account, or Azurite."""

from durable.storage.azure.account import AzureStorage, open_storage
from durable.storage.azure.clock import ServiceClock
from durable.storage.azure.connection import Connection
from durable.storage.azure.queues import MessageEncoding

__all__ = ["AzureStorage", "Connection", "MessageEncoding", "ServiceClock", "open_storage"]
