"""Conditions, the addresses of rows and the tokens of pages. Nothing else makes a filter."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from urllib.parse import quote

from durable.ports import Condition, OneOf, Value

KEY_COLUMNS = ("PartitionKey", "RowKey", "Timestamp")


def filter_of(where: Sequence[Condition]) -> str:
    """All conditions as one filter, "" for none; `limits.check_query` lets them pass first."""
    return " and ".join(map(_condition, where))


def row_path(table: str, partition: str, key: str) -> str:
    """Of one row, below the endpoint and as it is sent."""
    return f"/{table}(PartitionKey='{_in_path(partition)}',RowKey='{_in_path(key)}')"


def utc_text(value: datetime) -> str:
    """An aware time as the service writes it, in microseconds."""
    return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"


def token_of(partition: str | None, key: str | None) -> str | None:
    """Where the next page begins, as one text; None for no next page."""
    return None if partition is None and key is None else json.dumps([partition, key])


def read_token(token: str) -> tuple[str | None, str | None]:
    """The partition and key of `token_of`. ValueError for anything else."""
    try:
        partition, key = json.loads(token)
    except (ValueError, TypeError) as error:
        raise ValueError("not a token of a page of this table") from error
    return partition, key


def _in_path(key: str) -> str:
    return quote(key.replace("'", "''"), safe="")


def _condition(condition: Condition) -> str:
    column = condition.column
    if isinstance(condition, OneOf):
        either = " or ".join(f"{column} eq {_literal(value)}" for value in condition.values)
        return f"({either})"
    return f"{column} {condition.op} {_literal(condition.value)}"


def _literal(value: Value) -> str:
    """An OData literal; the SDK's own substitution takes 0 and 1 for booleans."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return "'" + value.replace("'", "''") + "'"
        case bytes():
            return f"binary'{value.hex()}'"
        case datetime():
            return f"datetime'{utc_text(value)}'"
        case int():
            return f"{value}L"
        case float():
            return repr(value)
