"""What a `TaskHubGrpcWorker` is told, on the app that it collects; and a native entity in one."""

from __future__ import annotations

from typing import Any

import durable as df
from durable.compat.v2 import worker as compat
from durable.model import filters, versioning
from tests.compat.running import run


def test_versioning_is_the_apps() -> None:
    worker = compat.TaskHubGrpcWorker()
    worker.use_versioning(
        compat.VersioningOptions(
            version="2.0",
            default_version="1.0",
            match_strategy=versioning.VersionMatchStrategy.STRICT,
        )
    )
    taken = worker.app.durable.versioning
    assert isinstance(taken, versioning.VersioningOptions)
    assert (taken.version, taken.default_version) == ("2.0", "1.0")
    assert taken.match_strategy is versioning.VersionMatchStrategy.STRICT
    assert taken.failure_strategy is versioning.VersionFailureStrategy.REJECT
    assert compat.VersioningOptions().match_strategy is versioning.VersionMatchStrategy.NONE


def test_filters_are_the_apps() -> None:
    worker = compat.TaskHubGrpcWorker()
    worker.use_work_item_filters(
        compat.WorkItemFilters(
            orchestrations=[compat.OrchestrationWorkItemFilter("ship", ["1.0"])],
            activities=[compat.ActivityWorkItemFilter("pack")],
            entities=[compat.EntityWorkItemFilter("Cart")],
        )
    )
    assert worker.app.durable.filters == filters.WorkItemFilters(
        [filters.OrchestrationWorkItemFilter("ship", ["1.0"])], ["pack"], ["cart"]
    )
    worker.use_work_item_filters()
    assert worker.app.durable.filters is None


def test_schedules_are_the_apps() -> None:
    worker = compat.TaskHubGrpcWorker()
    worker.configure_scheduled_tasks()
    assert list(worker.app.durable.registry.entities) == ["durable_schedule"]


async def test_an_entity_that_names_the_native_context_gets_it() -> None:
    app = df.DFApp()

    @app.entity_trigger(context_name="context")
    def counter(context: df.EntityContext) -> int:
        value: int = context.get_state(int, 0) + context.get_input(int)
        context.set_state(value)
        return value

    @app.orchestration_trigger(context_name="context")
    async def count(context: df.DurableOrchestrationContext) -> Any:
        entity = df.EntityId("counter", "one")
        await context.call_entity(entity, "add", 2)
        return await context.call_entity(entity, "add", 3)

    assert await run(app, "count") == 5
