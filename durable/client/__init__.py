"""Start, watch and steer orchestrations and entities from outside."""

from durable.client.client import DurableOrchestrationClient, Links
from durable.client.entities import CleanedEntities, EntityState
from durable.client.filters import Filters
from durable.client.forking import UNCHANGED, Unchanged
from durable.client.purging import PurgeHistoryResult
from durable.client.reusing import IdReusePolicy, IfExists
from durable.client.stats import HubStats
from durable.hub.hub import DeadLetter

__all__ = [
    "UNCHANGED",
    "CleanedEntities",
    "DeadLetter",
    "DurableOrchestrationClient",
    "EntityState",
    "Filters",
    "HubStats",
    "IdReusePolicy",
    "IfExists",
    "Links",
    "PurgeHistoryResult",
    "Unchanged",
]
