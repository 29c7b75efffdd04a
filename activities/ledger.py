"""What really happened, in a table of its own next to the task hub.

An entry is one effect, inserted under a key that is the same however often its activity runs:
the second run finds the first one's entry. The attempts beside them are only ever added to,
so that the table shows both: two attempts, one charge.

The account is that of `AzureWebJobsStorage`; the setting LEDGER_TABLE names another table
than `OrderLedger`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from typing import Any
from uuid import uuid4

from azure.core.credentials import AzureNamedKeyCredential, AzureSasCredential
from azure.core.exceptions import ResourceExistsError
from azure.data.tables import TableClient, TableServiceClient
from azure.identity import DefaultAzureCredential, ManagedIdentityCredential

import durable as df
from durable.storage.azure.connection import Connection, Identity, Sas, SharedKey

LONGEST_DETAIL = 1000


@dataclass(frozen=True, slots=True)
class Entry:
    """One effect: `kind` is charge, refund, payout, reserve, release, confirm, ship, notice, page,
    or an invoice's number, book and deliver."""

    kind: str
    key: str
    cents: int
    detail: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Attempt:
    """One run of an activity, in the process `process` (its id)."""

    activity: str
    attempt: int
    process: int
    at: datetime


def note_attempt(account: str) -> None:
    """Write down that the running activity runs, before it does anything."""
    context = df.activity_context()
    row = {
        "PartitionKey": account,
        "RowKey": f"attempt-{uuid4().hex}",
        "activity": context.activity,
        "attempt": context.attempt,
        "process": os.getpid(),
    }
    table().create_entity(row)


def enter(account: str, kind: str, *, key: str, cents: int = 0, detail: str = "") -> bool:
    """Insert an entry; False if there is one of this kind and key already."""
    row = {
        "PartitionKey": account,
        "RowKey": f"entry-{kind}-{digest(key)}",
        "kind": kind,
        "key": key,
        "cents": cents,
        "detail": detail[:LONGEST_DETAIL],
    }
    try:
        table().create_entity(row)
    except ResourceExistsError:
        return False
    return True


def entries(account: str) -> list[Entry]:
    """All entries of an account, oldest first."""
    found = [
        Entry(row["kind"], row["key"], row["cents"], row["detail"], _written(row))
        for row in rows(account, "entry-")
    ]
    return sorted(found, key=lambda entry: entry.at)


def attempts(account: str) -> list[Attempt]:
    """All attempts of an account, oldest first."""
    found = [
        Attempt(row["activity"], row["attempt"], row["process"], _written(row))
        for row in rows(account, "attempt-")
    ]
    return sorted(found, key=lambda attempt: attempt.at)


def rows(partition: str, prefix: str) -> Iterator[Any]:
    """The rows of a partition whose key begins with `prefix`, which ends in "-"."""
    return iter(
        table().query_entities(
            "PartitionKey eq @partition and RowKey ge @first and RowKey lt @last",
            parameters={"partition": partition, "first": prefix, "last": f"{prefix[:-1]}."},
        )
    )


def digest(text: str) -> str:
    """Any text as part of a row key."""
    return sha256(text.encode()).hexdigest()[:32]


def table() -> TableClient:
    """The ledger's table, created on first use."""
    connection = Connection.from_settings(os.environ)
    return _open(connection, os.environ.get("LEDGER_TABLE", "OrderLedger"))


@lru_cache
def _open(connection: Connection, name: str) -> TableClient:
    service = TableServiceClient(
        connection.table_endpoint, credential=_credential(connection.credential)
    )
    return service.create_table_if_not_exists(name)


def _credential(credential: SharedKey | Sas | Identity) -> Any:
    match credential:
        case SharedKey(account, key):
            return AzureNamedKeyCredential(account, key)
        case Sas(token):
            return AzureSasCredential(token)
        case Identity(managed=True, client_id=client_id):
            return ManagedIdentityCredential(client_id=client_id)
        case Identity(client_id=client_id):
            return DefaultAzureCredential(managed_identity_client_id=client_id)


def _written(row: Any) -> datetime:
    at: datetime = row.metadata["timestamp"]
    return at
