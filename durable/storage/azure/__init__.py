"""The production adapter: an Azure storage account, or Azurite."""

from durable.storage.azure.account import AzureStorage, StorageClient, open_storage
from durable.storage.azure.bodies import MessageEncoding
from durable.storage.azure.clock import ServiceClock
from durable.storage.azure.connection import Connection

__all__ = [
    "AzureStorage",
    "Connection",
    "MessageEncoding",
    "ServiceClock",
    "StorageClient",
    "open_storage",
]
