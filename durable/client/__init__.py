"""Start, watch and steer orchestrations from outside."""

from durable.client.client import DurableOrchestrationClient, Links, PurgeHistoryResult
from durable.client.starting import IfExists

__all__ = ["DurableOrchestrationClient", "IfExists", "Links", "PurgeHistoryResult"]
