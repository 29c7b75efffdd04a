"""What a task hub holds, read past the package: for scans of everything, and for what hangs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from azure.data.tables import TableServiceClient
from azure.storage.queue import QueueServiceClient

PEEKED = 32
LONGEST_VALUE = 300

Rows = dict[tuple[str, str, str], str | None]
"""The etag of each row by table, partition and key."""


@dataclass(frozen=True)
class HubState:
    """One hub in an account; `hub` as it is written in host.json."""

    connection_string: str
    hub: str

    def rows(self) -> Rows:
        """Every row of every table of the hub."""
        with TableServiceClient.from_connection_string(self.connection_string) as service:
            return {
                (table, row["PartitionKey"], row["RowKey"]): row.metadata["etag"]
                for table in self._tables(service)
                for row in service.get_table_client(table).list_entities(
                    select=["PartitionKey", "RowKey"]
                )
            }

    def entities(self, suffix: str) -> list[dict[str, Any]]:
        """The rows of the table whose name ends so."""
        with TableServiceClient.from_connection_string(self.connection_string) as service:
            client = service.get_table_client(f"{self.hub}{suffix}")
            return [dict(row) for row in client.list_entities()]

    def messages(self) -> dict[str, int]:
        """How many messages each queue of the hub has, hidden ones included."""
        with QueueServiceClient.from_connection_string(self.connection_string) as service:
            names = [each.name for each in service.list_queues(f"{self.hub.lower()}-dx-")]
            return {
                name: service.get_queue_client(name)
                .get_queue_properties()
                .approximate_message_count
                or 0
                for name in names
            }

    def describe(self, instance_ids: set[str]) -> str:
        """Everything about these instances, for a failing test's message."""
        lines = [f"messages: {self.messages()}"]
        for suffix in ("HistoryDx", "InstancesDx", "IndexDx"):
            for row in self.entities(suffix):
                if any(each in (row["PartitionKey"], row["RowKey"]) for each in instance_ids) or (
                    row["RowKey"].rpartition("|")[2] in instance_ids
                ):
                    shown = {
                        name: str(value)[:LONGEST_VALUE]
                        for name, value in row.items()
                        if not isinstance(value, bytes)
                    }
                    lines.append(f"{suffix} {shown}")
        with QueueServiceClient.from_connection_string(self.connection_string) as service:
            for queue in self.messages():
                for message in service.get_queue_client(queue).peek_messages(PEEKED):
                    lines.append(f"{queue}: {message.dequeue_count} {message.content!r}")
        return "\n".join(lines)

    def _tables(self, service: TableServiceClient) -> Iterator[str]:
        for table in service.list_tables():
            if table.name.startswith(self.hub) and table.name.endswith("Dx"):
                yield table.name
