"""Tables by requests of our own."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from durable.errors import AmbiguousAnswer, RowMissing
from durable.ports import Condition, Delete, Op, Page, Row
from durable.storage import limits
from durable.storage.azure.answers import read, set_up, understanding
from durable.storage.azure.lean.administration import Administration
from durable.storage.azure.lean.rows import row
from durable.storage.azure.lean.service import Service, refuse_what_is_being_deleted
from durable.storage.azure.lean.transactions import (
    JSON,
    NO_CONTENT,
    etags,
    request,
    single,
)
from durable.storage.azure.odata import KEY_COLUMNS, filter_of, read_token, row_path, token_of

HEADERS = (
    "Accept: application/json;odata=minimalmetadata\r\n"
    "DataServiceVersion: 3.0\r\nMaxDataServiceVersion: 3.0;NetFx\r\n"
)
_NEXT = ("NextPartitionKey", "NextRowKey")


class LeanTables:
    """`durable.ports.Tables` on a Service whose requests have `HEADERS`."""

    def __init__(self, service: Service, administration: Administration) -> None:
        self._service = service
        self._administration = administration

    async def transact(self, table: str, partition: str, ops: Sequence[Op]) -> Sequence[str]:
        """See `durable.ports.Tables.transact`."""
        limits.check_transaction(table, partition, ops)
        if len(ops) == 1:
            return [await self._apply(table, partition, ops[0])]
        content_type, body = request(self._service.endpoint, table, partition, ops)
        answer = await self._service.ask(
            "POST", "/$batch", (202,), content_type=content_type, body=body
        )
        return etags(answer, ops)

    async def get(self, table: str, partition: str, key: str) -> Row | None:
        """See `durable.ports.Tables.get`."""
        limits.check_row(table, partition, key)
        path = row_path(table, partition, key)

        async def once() -> Row:
            answer = await self._service.ask("GET", path, (200,))
            with understanding():
                return row(json.loads(answer.body))

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
        asked = [("$top", str(limit))]
        if condition := filter_of(where):
            asked.append(("$filter", condition))
        if columns is not None:
            asked.append(("$select", ",".join((*KEY_COLUMNS, *columns))))
        if token:
            start = zip(_NEXT, read_token(token), strict=True)
            asked += [(name, value) for name, value in start if value is not None]

        async def once() -> Page:
            answer = await self._service.ask("GET", f"/{table}()", (200,), query=asked)
            with understanding():
                return _page(json.loads(answer.body), answer.headers)

        return await read(once)

    async def create_table(self, table: str) -> None:
        """See `durable.ports.Tables.create_table`."""
        limits.check_table_name(table)
        body = json.dumps({"TableName": table}).encode()

        async def once() -> None:
            answer = await self._service.ask(
                "POST",
                "/Tables",
                (201, 204, 409),
                headers=NO_CONTENT,
                content_type=JSON,
                body=body,
            )
            refuse_what_is_being_deleted(answer)

        await set_up(once)

    async def delete_table(self, table: str) -> None:
        """See `durable.ports.Tables.delete_table`."""
        await self._administration.account.tables.delete_table(table)

    async def _apply(self, table: str, partition: str, op: Op) -> str:
        """One operation as a request of its own; the new etag."""
        method, path, headers, body = single(table, partition, op)
        answer = await self._service.ask(
            method, path, (201, 204), headers=headers, content_type=JSON if body else "", body=body
        )
        if isinstance(op, Delete):
            return ""
        etag = answer.headers.get("etag")
        if not etag:
            raise AmbiguousAnswer("the answer to a write has no etag")
        return etag


def _page(found: Any, headers: Mapping[str, str]) -> Page:
    entities = found["value"]
    if not isinstance(entities, list):
        raise TypeError("the rows of a page are no list")
    partition, key = (headers.get(f"x-ms-continuation-{name}".lower()) or None for name in _NEXT)
    return Page([row(each) for each in entities], token_of(partition, key))
