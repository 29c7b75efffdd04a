"""Durable execution for Python on Azure Storage.

import azure.functions as func
import durable as df

app = df.DFApp(http_auth_level=func.AuthLevel.FUNCTION)

@app.activity_trigger(input_name="name")
async def greet(name: str) -> str: ...

@app.orchestration_trigger(context_name="context")
async def hello(context: df.DurableOrchestrationContext) -> str:
    return await context.call_activity(greet, "world")
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from durable import compat as _compat
from durable import errors
from durable.client import IdReusePolicy, PurgeHistoryResult
from durable.engine.context import DurableOrchestrationContext
from durable.engine.entities import EntityContext
from durable.engine.several import when_all, when_any
from durable.engine.tasks import CompositeTask, DurableTask, TimerTask
from durable.engine.updates import Update
from durable.errors import (
    ActivityCancelledError,
    ActivityFailedError,
    ActivityTimeoutError,
    DurableError,
    HeartbeatTimeoutError,
    InstanceExistsError,
    InstanceFinishedError,
    InstanceNotFoundError,
    NonDeterminismError,
    NotDurableError,
    QueryFailedError,
    SubOrchestrationFailedError,
    TaskFailedError,
    UnknownQueryError,
    UpdateRejectedError,
)
from durable.functions import Blueprint, DFApp
from durable.model.failure import ExceptionPropertiesProvider, FailureDetails
from durable.model.filters import OrchestrationWorkItemFilter, WorkItemFilters
from durable.model.instance import InstanceStatus, OrchestrationRuntimeStatus
from durable.model.limits import RateLimit
from durable.model.retry import RetryPolicy
from durable.model.versioning import (
    VersionFailureStrategy,
    VersioningOptions,
    VersionMatchStrategy,
)
from durable.runtime.activities import ActivityContext, activity_context
from durable.runtime.logs import ActivityLogFilter

if TYPE_CHECKING:
    from durable.compat.client import DurableFunctionsClient, DurableOrchestrationClient
    from durable.compat.sync_client import SyncDurableFunctionsClient
    from durable.compat.v1.entities import DurableEntityContext
    from durable.compat.v1.handles import Entity, Orchestrator
    from durable.compat.v1.models import EntityId, EntityStateResponse, RetryOptions
    from durable.compat.v1.status import DurableOrchestrationStatus
    from durable.compat.v2.context import OrchestrationContext
    from durable.compat.v2.entities import DurableEntity, EntityInstanceId
    from durable.compat.v2.values import EntityQuery, OrchestrationQuery, OrchestrationStatus
    from durable.model.http import (
        DurableHttpRequest,
        DurableHttpResponse,
        ManagedIdentityTokenSource,
        TokenSource,
    )

_LATER = {
    "durable.compat.client": ("DurableFunctionsClient", "DurableOrchestrationClient"),
    "durable.compat.sync_client": ("SyncDurableFunctionsClient",),
    "durable.compat.v1.entities": ("DurableEntityContext",),
    "durable.compat.v1.handles": ("Entity", "Orchestrator"),
    "durable.compat.v1.models": ("EntityId", "EntityStateResponse", "RetryOptions"),
    "durable.compat.v1.status": ("DurableOrchestrationStatus",),
    "durable.compat.v2.context": ("OrchestrationContext",),
    "durable.compat.v2.entities": ("DurableEntity", "EntityInstanceId"),
    "durable.compat.v2.values": ("EntityQuery", "OrchestrationQuery", "OrchestrationStatus"),
    "durable.model.http": (
        "DurableHttpRequest",
        "DurableHttpResponse",
        "ManagedIdentityTokenSource",
        "TokenSource",
    ),
}
_MODULE_OF = {name: module for module, names in _LATER.items() for name in names}
_compat.register()


def __getattr__(name: str) -> Any:
    """Names of Durable Functions, imported when they are asked for."""
    module = _MODULE_OF.get(name)
    if module is None:
        raise AttributeError(f"module 'durable' has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(module), name)
    return value


__all__ = [
    "ActivityCancelledError",
    "ActivityContext",
    "ActivityFailedError",
    "ActivityLogFilter",
    "ActivityTimeoutError",
    "Blueprint",
    "CompositeTask",
    "DFApp",
    "DurableEntity",
    "DurableEntityContext",
    "DurableError",
    "DurableFunctionsClient",
    "DurableHttpRequest",
    "DurableHttpResponse",
    "DurableOrchestrationClient",
    "DurableOrchestrationContext",
    "DurableOrchestrationStatus",
    "DurableTask",
    "Entity",
    "EntityContext",
    "EntityId",
    "EntityInstanceId",
    "EntityQuery",
    "EntityStateResponse",
    "ExceptionPropertiesProvider",
    "FailureDetails",
    "HeartbeatTimeoutError",
    "IdReusePolicy",
    "InstanceExistsError",
    "InstanceFinishedError",
    "InstanceNotFoundError",
    "InstanceStatus",
    "ManagedIdentityTokenSource",
    "NonDeterminismError",
    "NotDurableError",
    "OrchestrationContext",
    "OrchestrationQuery",
    "OrchestrationRuntimeStatus",
    "OrchestrationStatus",
    "OrchestrationWorkItemFilter",
    "Orchestrator",
    "PurgeHistoryResult",
    "QueryFailedError",
    "RateLimit",
    "RetryOptions",
    "RetryPolicy",
    "SubOrchestrationFailedError",
    "SyncDurableFunctionsClient",
    "TaskFailedError",
    "TimerTask",
    "TokenSource",
    "UnknownQueryError",
    "Update",
    "UpdateRejectedError",
    "VersionFailureStrategy",
    "VersionMatchStrategy",
    "VersioningOptions",
    "WorkItemFilters",
    "activity_context",
    "errors",
    "when_all",
    "when_any",
]
