"""A long import that goes on where it was, and work for a processor."""

from __future__ import annotations

from datetime import timedelta

import durable as df
from orchestrators.models import Catalogue, CatalogueResult

bp = df.Blueprint()

RETRY = df.RetryPolicy(first_retry_interval=timedelta(seconds=5), max_number_of_attempts=5)


@bp.orchestration_trigger(context_name="context")
async def import_catalogue(context: df.DurableOrchestrationContext) -> CatalogueResult:
    """Take over all pages, then seal them. A worker may die in the middle of the import, or hang:
    the next attempt begins after the last page that was taken over."""
    catalogue: Catalogue = context.get_input(Catalogue)
    pages = await context.call_activity(
        "take_over_pages", catalogue, retry=RETRY, expected_type=int
    )
    context.set_custom_status({"pages": pages})
    seal = await context.call_activity("seal_catalogue", catalogue, retry=RETRY, expected_type=str)
    return CatalogueResult(pages, seal)
