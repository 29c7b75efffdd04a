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

from durable import errors
from durable.client import DurableOrchestrationClient, PurgeHistoryResult
from durable.engine.context import DurableOrchestrationContext
from durable.engine.tasks import CompositeTask, DurableTask, TimerTask, when_all, when_any
from durable.errors import (
    ActivityFailedError,
    DurableError,
    InstanceExistsError,
    InstanceFinishedError,
    InstanceNotFoundError,
    NonDeterminismError,
    NotDurableError,
    SubOrchestrationFailedError,
    TaskFailedError,
)
from durable.functions import Blueprint, DFApp
from durable.model.failure import FailureDetails
from durable.model.instance import InstanceStatus, OrchestrationRuntimeStatus
from durable.model.retry import RetryPolicy
from durable.runtime.activities import ActivityContext, activity_context

__all__ = [
    "ActivityContext",
    "ActivityFailedError",
    "Blueprint",
    "CompositeTask",
    "DFApp",
    "DurableError",
    "DurableOrchestrationClient",
    "DurableOrchestrationContext",
    "DurableTask",
    "FailureDetails",
    "InstanceExistsError",
    "InstanceFinishedError",
    "InstanceNotFoundError",
    "InstanceStatus",
    "NonDeterminismError",
    "NotDurableError",
    "OrchestrationRuntimeStatus",
    "PurgeHistoryResult",
    "RetryPolicy",
    "SubOrchestrationFailedError",
    "TaskFailedError",
    "TimerTask",
    "activity_context",
    "errors",
    "when_all",
    "when_any",
]
