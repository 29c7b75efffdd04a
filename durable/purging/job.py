"""The orchestrator and the entity `durable_purge`."""

from __future__ import annotations

from datetime import timedelta

from durable.client.builtin import NeedsClient
from durable.client.client import DurableOrchestrationClient
from durable.engine.context import DurableOrchestrationContext
from durable.engine.entities import EntityContext
from durable.model.entities import EntityId
from durable.model.functions import EntityDefinition, OrchestratorDefinition, Registry
from durable.model.purge import PURGE, PurgeJob, PurgeProgress, PurgeRequest

PARTS = 20
"""After so many the job's history begins anew."""
INSTANCES = 500
SECONDS = 10.0
"""What one part takes on at most."""
LATER = timedelta(seconds=30)
"""Until the instances are looked at again whose last messages were not out yet."""


async def purge_job(context: DurableOrchestrationContext) -> PurgeProgress:
    """Part after part, until no instance that matches is left."""
    job: PurgeJob = context.get_input(PurgeJob)
    worker, deleted = EntityId(PURGE, context.instance_id), job.deleted
    for _ in range(PARTS):
        part: PurgeProgress = await context.call_entity(
            worker, "purge", job.request, expected_type=PurgeProgress
        )
        deleted += part.instances_deleted
        progress = PurgeProgress(deleted, part.is_complete)
        context.set_custom_status(progress)
        if part.is_complete:
            return progress
        if not part.instances_deleted:
            await context.create_timer(LATER)
    context.continue_as_new(PurgeJob(job.request, deleted))
    return progress


async def purge_part(client: DurableOrchestrationClient, context: EntityContext) -> PurgeProgress:
    """Purge some of what matches. Done again after a crash it finds less, and counts less."""
    request: PurgeRequest = context.get_input(PurgeRequest)
    wanted = {name: getattr(request, name) for name in request.__dataclass_fields__}
    result = await client.purge_instance_history_by(**wanted, limit=INSTANCES, timeout=SECONDS)
    return PurgeProgress(result.instances_deleted, result.is_complete)


_PART = NeedsClient(purge_part)


def with_purge_jobs(registry: Registry) -> Registry:
    """The registry, which has purge jobs now if it has orchestrators. Raises DefinitionError
    when a function of the app has their name."""
    if registry.orchestrators:
        registry.add(OrchestratorDefinition(PURGE, purge_job))
        registry.add(EntityDefinition(PURGE, _PART))
    return registry
