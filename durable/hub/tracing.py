"""Where an instance stands in its trace, as every process sees it from what is stored anyway.

The head has the traceparent of who started the instance. An orchestration's span is named by its
execution, one of its tasks' by execution and task: so a child's parent follows from its head. An
instance that nobody gave a trace begins one of its own, named by its incarnation.
"""

from __future__ import annotations

from dataclasses import replace

from durable.hub.rows import Head
from durable.model.entities import EntityId, is_entity
from durable.model.events import ExecutionRewound, Turn
from durable.telemetry import Telemetry, Trace, span_id_of, trace_id_of

TYPE = "durabletask.type"
NAME = "durabletask.task.name"
VERSION = "durabletask.task.version"
INSTANCE = "durabletask.task.instance_id"
COUNT = "durable.start.count"
EXECUTION = "durabletask.task.execution_id"
STATUS = "durabletask.task.status"
TASK = "durabletask.task.task_id"
TARGET = "durabletask.event.target_instance_id"
FIRE_AT = "durabletask.fire_at"
INPUT = "durable.task.input"
OUTPUT = "durable.task.output"
ATTEMPT = "durable.task.attempt"
IDEMPOTENCY_KEY = "durable.task.idempotency_key"
SEQUENCE = "durable.turn.sequence"
REPLAYED = "durable.turn.replayed"
QUEUE = "durable.queue.kind"
ERROR = "error.type"


def named(kind: str, name: str, version: str | None = None) -> str:
    """A span's name, as Durable Task has it: `kind:name@(version)`."""
    return f"{kind}:{name}@({version})" if version else f"{kind}:{name}"


def operation_of(entity_id: str, operation: str) -> str:
    """What an entity's operation is called in names of spans."""
    return f"{EntityId.parse(entity_id).name}:{operation}"


def execution_trace(header: tuple[str, str], incarnation: str, execution_id: str) -> Trace:
    """The span of an execution, which may not have been exported yet."""
    found = Trace.parse(header) or Trace(trace_id_of(incarnation))
    return replace(found, span_id=span_id_of(execution_id))


def caller_trace(head: Head) -> Trace:
    """The parent of that span: who started it, or what the parent orchestration waits by."""
    given = Trace.parse(head.trace)
    if given is None:
        return Trace(trace_id_of(head.incarnation))
    if head.parent is None:
        return given
    return replace(given, span_id=span_id_of(head.parent.execution_id, head.parent.task_id))


def inherited(telemetry: Telemetry, head: Head) -> tuple[str, str]:
    """The traceparent and tracestate of what an instance starts."""
    # what an entity starts over the years is not one trace
    if not telemetry.traces or is_entity(head.instance_id) or Trace.parse(head.trace) is not None:
        return head.trace
    trace = execution_trace(head.trace, head.incarnation, head.execution_id)
    return trace.header(telemetry.flags(trace.trace_id, named("orchestration", head.name)))


def sending(telemetry: Telemetry, head: Head, turn: Turn, task_id: int) -> tuple[str, str]:
    """The traceparent and tracestate of the span of an event, signal or call that a turn of an
    orchestration sends; empty where nobody makes spans, and of what an entity sends."""
    if not telemetry.traces or is_entity(head.instance_id):
        return "", ""
    rewinds = (event for event in turn.events if isinstance(event, ExecutionRewound))
    # a call that is made again is another span
    again = any(task_id in rewind.undone for rewind in rewinds)
    parts = (turn.execution_id, task_id, *((turn.sequence,) if again else ()))
    here = execution_trace(head.trace, head.incarnation, turn.execution_id)
    sent = replace(here, span_id=span_id_of(*parts))
    return sent.header(telemetry.flags(sent.trace_id, named("orchestration", head.name)))
