"""The status of an instance as Durable Functions' HTTP API shows it.

Beyond its fields there is `failure` with `type` and `message` where an instance has failed or
is Stuck; its stack and causes are added when the history is asked for. `tags` and
`scheduledStartTime` are there where the start had them. `waiting` says what an
instance cannot go on without, where something is missing, and `forkedFrom` from which
`instanceId` and `step` it was forked, where it was. `heartbeats`, where they are asked for and
there are any, are what running activities said last.
"""

from __future__ import annotations

from durable.codec import encode
from durable.management.json_text import array_of, object_of, seconds_of
from durable.model.instance import InstanceStatus, OrchestrationRuntimeStatus


def status_json(
    status: InstanceStatus, *, show_input: bool = True, history: str | None = None
) -> str:
    """The status as JSON text; `history` is the JSON text of its events."""
    members = {
        "name": encode(status.name),
        "instanceId": encode(status.instance_id),
        "runtimeStatus": encode(str(status.runtime_status)),
        "input": (status.input if show_input else None) or "null",
        "customStatus": status.custom_status or "null",
        "output": _output(status),
        "createdTime": seconds_of(status.created_time),
        "lastUpdatedTime": seconds_of(status.last_updated_time),
        "historyEvents": history or "null",
    }
    if status.tags:
        members["tags"] = encode(status.tags)
    if status.scheduled_start_time is not None:
        members["scheduledStartTime"] = seconds_of(status.scheduled_start_time)
    if status.waiting is not None:
        members["waiting"] = encode(status.waiting)
    if (fork := status.forked_from) is not None:
        members["forkedFrom"] = encode({"instanceId": fork.instance_id, "step": fork.step})
    if status.heartbeats:
        members["heartbeats"] = array_of(
            object_of(
                {
                    "taskId": encode(each.task_id),
                    "activity": encode(each.activity),
                    "attempt": encode(each.attempt),
                    "details": each.details,
                }
            )
            for each in status.heartbeats
        )
    if status.failure is not None:
        details = status.failure.to_dict()
        if history is None:
            details = {"type": status.failure.error_type, "message": status.failure.message}
        members["failure"] = encode(details)
    return object_of(members)


def _output(status: InstanceStatus) -> str:
    if status.runtime_status is OrchestrationRuntimeStatus.FAILED and status.failure is not None:
        return encode(f"Orchestrator function '{status.name}' failed: {status.failure.message}")
    return status.output or "null"
