"""Tables over azure-data-tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.data.tables import EdmType, EntityProperty, TableEntity, UpdateMode
from azure.data.tables.aio import TableClient, TableServiceClient

from durable.errors import AmbiguousAnswer, RowMissing
from durable.ports import Condition, Delete, Insert, Merge, Op, Page, Row, Value
from durable.storage import limits
from durable.storage.azure.answers import read, set_up
from durable.storage.azure.odata import KEY_COLUMNS, filter_of, read_token, token_of
from durable.storage.azure.sdk.answers import NotFoundAnswer, answers, is_being_deleted

_MATCH = MatchConditions.IfNotModified
_NO_CONTENT = "return-no-content"


class AzureTables:
    """`durable.ports.Tables` on a TableServiceClient that retries nothing."""

    def __init__(self, service: TableServiceClient) -> None:
        self._service = service
        self._clients: dict[str, TableClient] = {}

    async def transact(self, table: str, partition: str, ops: Sequence[Op]) -> Sequence[str]:
        """See `durable.ports.Tables.transact`."""
        limits.check_transaction(table, partition, ops)
        client = self._client(table)
        async with answers():
            if len(ops) == 1:
                # Without MIME one operation costs the client a fifth.
                return [await _apply(client, partition, ops[0])]
            operations = [_operation(partition, op) for op in ops]
            results = await client.submit_transaction(operations)
            return [
                "" if isinstance(op, Delete) else str(result["etag"])
                for op, result in zip(ops, results, strict=True)
            ]

    async def get(self, table: str, partition: str, key: str) -> Row | None:
        """See `durable.ports.Tables.get`."""
        limits.check_row(table, partition, key)
        client = self._client(table)

        async def once() -> Row:
            async with answers():
                return _row(await client.get_entity(partition, key))

        try:
            return await read(once)
        except RowMissing:
            return None

    async def query(
        self,
        table: str,
        where: Sequence[Condition],
        *,
        limit: int = limits.MAX_PAGE,
        token: str | None = None,
        columns: Sequence[str] | None = None,
    ) -> Page:
        """See `durable.ports.Tables.query`."""
        limits.check_query(table, where, limit)
        client = self._client(table)
        select = [*KEY_COLUMNS, *columns] if columns is not None else None
        start = _start(token) if token else None
        condition = filter_of(where)

        async def once() -> Page:
            async with answers():
                if condition:
                    found = client.query_entities(condition, results_per_page=limit, select=select)
                else:
                    found = client.list_entities(results_per_page=limit, select=select)
                pages: Any = found.by_page(start)
                async for page in pages:
                    rows = [_row(entity) async for entity in page]
                    return Page(rows, _next(pages.continuation_token))
                return Page([], None)

        return await read(once)

    async def create_table(self, table: str) -> None:
        """See `durable.ports.Tables.create_table`."""
        client = self._client(table)

        async def once() -> None:
            async with answers():
                try:
                    await client.create_table()
                except HttpResponseError as error:
                    if error.status_code != 409 or is_being_deleted(error):
                        raise

        await set_up(once)

    async def delete_table(self, table: str) -> None:
        """See `durable.ports.Tables.delete_table`."""
        client = self._client(table)

        async def once() -> None:
            async with answers():
                try:
                    await client.delete_table()
                except HttpResponseError as error:
                    if not isinstance(error, ResourceNotFoundError) and not is_being_deleted(error):
                        raise

        await set_up(once)

    def _client(self, table: str) -> TableClient:
        limits.check_table_name(table)
        client = self._clients.get(table)
        if client is None:
            client = self._clients[table] = self._service.get_table_client(table)
        return client


async def _apply(client: TableClient, partition: str, op: Op) -> str:
    """One operation as a request of its own; the new etag."""
    result: Mapping[str, Any]
    match op:
        case Insert():
            result = await client.create_entity(
                _entity(partition, op.key, op.values), response_preference=_NO_CONTENT
            )
        case Delete():
            await client.delete_entity(
                partition,
                op.key,
                etag=op.etag,
                match_condition=_MATCH,
                error_map={404: NotFoundAnswer},
            )
            return ""
        case _:
            result = await client.update_entity(
                _entity(partition, op.key, op.values),
                mode=_mode(op),
                etag=op.etag,
                match_condition=_MATCH,
            )
    if not result["etag"]:
        raise AmbiguousAnswer("the answer to a write has no etag")
    return str(result["etag"])


def _operation(partition: str, op: Op) -> Any:
    """One operation of a transaction, as the SDK wants it."""
    match op:
        case Insert():
            entity = _entity(partition, op.key, op.values)
            return ("create", entity, {"response_preference": _NO_CONTENT})
        case Delete():
            entity = {"PartitionKey": partition, "RowKey": op.key}
            return ("delete", entity, {"etag": op.etag, "match_condition": _MATCH})
        case _:
            entity = _entity(partition, op.key, op.values)
            options = {"mode": _mode(op), "etag": op.etag, "match_condition": _MATCH}
            return ("update", entity, options)


def _mode(op: Op) -> UpdateMode:
    return UpdateMode.MERGE if isinstance(op, Merge) else UpdateMode.REPLACE


def _entity(partition: str, key: str, values: Mapping[str, Value]) -> dict[str, Any]:
    entity: dict[str, Any] = {"PartitionKey": partition, "RowKey": key}
    for name, value in values.items():
        if isinstance(value, int) and not isinstance(value, bool):
            entity[name] = EntityProperty(value, EdmType.INT64)
        else:
            entity[name] = value
    return entity


def _row(entity: TableEntity) -> Row:
    metadata = entity.metadata
    etag, timestamp = metadata["etag"], metadata["timestamp"]
    if not etag or timestamp is None:
        raise AmbiguousAnswer("a row came without etag or Timestamp")
    values = {
        name: _value(value)
        for name, value in entity.items()
        # A column that was selected and is absent comes as null.
        if name not in KEY_COLUMNS and value is not None
    }
    return Row(
        entity["PartitionKey"],
        entity["RowKey"],
        MappingProxyType(values),
        etag,
        _plain_datetime(timestamp),
    )


def _value(value: Any) -> Value:
    if isinstance(value, EntityProperty):
        value = value.value
    if isinstance(value, datetime):
        return _plain_datetime(value)
    if isinstance(value, (str, bytes, int, float)):
        return value
    return str(value)


def _plain_datetime(value: datetime) -> datetime:
    # The SDK's subclass carries the service's text and would be written back as that.
    return datetime.combine(value.date(), value.time(), UTC)


def _start(token: str) -> Any:
    partition, key = read_token(token)
    return {"PartitionKey": partition, "RowKey": key}


def _next(continuation: Mapping[str, str | None] | None) -> str | None:
    if not continuation:
        return None
    return token_of(continuation.get("PartitionKey"), continuation.get("RowKey"))
