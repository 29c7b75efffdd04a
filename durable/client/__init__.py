"""Start, watch and steer orchestrations and entities from outside."""

from durable.client.client import DurableOrchestrationClient, Links
from durable.client.entities import CleanedEntities, EntityState
from durable.client.starting import IfExists
from durable.client.steering import PurgeHistoryResult

__all__ = [
    "CleanedEntities",
    "DurableOrchestrationClient",
    "EntityState",
    "IfExists",
    "Links",
    "PurgeHistoryResult",
]
