"""What the activities really did, in a table of the app's own, past any proxy: one row for each
attempt, and one for each effect, whose key is the idempotency key."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from functools import lru_cache
from hashlib import sha256
from uuid import uuid4

from azure.core.exceptions import ResourceExistsError
from azure.data.tables import TableClient, TableServiceClient

import durable as df


def perform(kind: str, work: float = 0.0) -> str:
    """Write down this attempt, then the effect if no earlier attempt has; the effect's key.

    The activity goes on for `work` seconds: who is killed until `ends` has it in flight."""
    context = df.activity_context()
    attempt = {
        "PartitionKey": context.instance_id,
        "RowKey": f"attempt-{uuid4().hex}",
        "kind": kind,
        "execution": context.execution_id,
        "task": context.task_id,
        "worker": os.environ["CHAOS_WORKER"],
        "ends": time.time() + work,
    }
    key = sha256(context.idempotency_key.encode()).hexdigest()[:32]
    effect = {"PartitionKey": context.instance_id, "RowKey": f"effect-{key}", "kind": kind}
    _table().create_entity(attempt)
    with suppress(ResourceExistsError):
        _table().create_entity(effect)
    return key


@lru_cache
def _table() -> TableClient:
    service = TableServiceClient.from_connection_string(os.environ["EFFECTS_CONNECTION"])
    return service.get_table_client(os.environ["EFFECTS_TABLE"])
