"""What Azure Storage accepts, checked before anything is sent.

Every violation is a ValueError that names the limit. The emulator enforces only some of these,
and the memory adapter would enforce none, so both adapters call this module.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache

from durable.ports import Condition, Delete, OneOf, Op, Value, Where

MAX_OPERATIONS = 100
MAX_TRANSACTION_BYTES = 4 * 1024 * 1024
MAX_ENTITY_BYTES = 1024 * 1024
MAX_PROPERTIES = 252
MAX_STRING_UNITS = 32_768
MAX_BINARY_BYTES = 65_536
MAX_KEY_UNITS = 512
MAX_NAME_UNITS = 255
MAX_PAGE = 1000
MAX_COMPARISONS = 15
MAX_RECEIVE = 32
MAX_DELAY_SECONDS = 7 * 24 * 3600
MAX_BODY_BYTES = 48 * 1024

# What one operation adds to a transaction's body beside its values: MIME headers and the URL.
_OPERATION_OVERHEAD = 700
EARLIEST_TIME = datetime(1601, 1, 1, tzinfo=UTC)
"""The first moment that a column can hold."""
_TABLE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]{2,62}")
_QUEUE_NAME = re.compile(r"(?=.{3,63}\Z)[a-z0-9]+(-[a-z0-9]+)*")
_PROPERTY_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_FORBIDDEN_IN_KEY = re.compile(r"[/\\#?\x00-\x1f\x7f-\x9f]")
_SYSTEM_PROPERTIES = frozenset({"PartitionKey", "RowKey", "Timestamp"})


@lru_cache(maxsize=1000)
def check_table_name(table: str) -> None:
    """Alphanumeric, 3 to 63 characters, first a letter, and not the reserved name "tables"."""
    if not _TABLE_NAME.fullmatch(table) or table.lower() == "tables":
        raise ValueError(f"table name {table!r}: 3 to 63 letters and digits, first a letter")


@lru_cache(maxsize=1000)
def check_queue_name(queue: str) -> None:
    """3 to 63 of a-z, 0-9 and single inner hyphens."""
    if not _QUEUE_NAME.fullmatch(queue):
        raise ValueError(f"queue name {queue!r}: 3 to 63 of a-z, 0-9 and single inner hyphens")


def check_key(kind: str, key: str) -> None:
    r"""At most 512 UTF-16 units (the service takes 1 KiB), no `/ \ # ?`, no control characters."""
    if _utf16_units(key) > MAX_KEY_UNITS:
        raise ValueError(f"{kind} is longer than {MAX_KEY_UNITS} characters")
    if found := _FORBIDDEN_IN_KEY.search(key):
        raise ValueError(f"{kind} {key!r} holds {found.group()!r}")


def check_row(table: str, partition: str, key: str) -> None:
    """The name of a table and the keys of a row."""
    check_table_name(table)
    check_key("PartitionKey", partition)
    check_key("RowKey", key)


def check_transaction(table: str, partition: str, ops: Sequence[Op]) -> None:
    """1 to 100 operations, one for each key, under 4 MiB on the wire, every entity allowed."""
    check_table_name(table)
    check_key("PartitionKey", partition)
    if not 1 <= len(ops) <= MAX_OPERATIONS:
        raise ValueError(f"a transaction holds 1 to {MAX_OPERATIONS} operations, not {len(ops)}")
    if len({op.key for op in ops}) < len(ops):
        raise ValueError("a transaction holds at most one operation for each key")
    for op in ops:
        check_key("RowKey", op.key)
        if not isinstance(op, Delete):
            check_values(op.values)
            check_entity_size(partition, op.key, op.values)
    if len(ops) == 1 or _most_bytes_of(ops) < MAX_TRANSACTION_BYTES:
        return
    if (size := transaction_bytes(partition, ops)) >= MAX_TRANSACTION_BYTES:
        raise ValueError(f"a transaction of {size} bytes; the limit is {MAX_TRANSACTION_BYTES}")


def check_values(values: Mapping[str, Value]) -> None:
    """At most 252 columns with plain names, each value of an allowed type and size."""
    if len(values) > MAX_PROPERTIES:
        raise ValueError(f"{len(values)} columns; the limit is {MAX_PROPERTIES}")
    for name, value in values.items():
        _check_stored_column(name)
        # short texts are most of what is stored
        if type(value) is not str or len(value) > MAX_STRING_UNITS // 2:
            check_value(name, value)


@lru_cache(maxsize=1000)
def _check_stored_column(name: str) -> None:
    check_column(name)
    if name in _SYSTEM_PROPERTIES:
        raise ValueError(f"column name {name!r} belongs to the service")


def check_column(name: str) -> None:
    """Up to 255 letters, digits and underscores, first no digit."""
    if not _PROPERTY_NAME.fullmatch(name) or len(name) > MAX_NAME_UNITS:
        raise ValueError(f"column name {name!r}: up to 255 letters, digits and _, first no digit")


def check_value(name: str, value: Value) -> None:
    """A value's own limits; naive datetimes and years before 1601 are refused."""
    match value:
        case bool() | float():
            return
        case str():
            if _utf16_units(value) > MAX_STRING_UNITS:
                raise ValueError(f"column {name!r}: over {MAX_STRING_UNITS} UTF-16 units")
        case bytes():
            if len(value) > MAX_BINARY_BYTES:
                raise ValueError(f"column {name!r}: over {MAX_BINARY_BYTES} bytes")
        case int():
            if not -(2**63) <= value < 2**63:
                raise ValueError(f"column {name!r}: {value} does not fit 64 bits")
        case datetime():
            if value.tzinfo is None:
                raise ValueError(f"column {name!r}: a datetime needs a time zone")
            if value < EARLIEST_TIME:
                raise ValueError(
                    f"column {name!r}: the earliest time is {EARLIEST_TIME.isoformat()}"
                )
        case _:
            raise ValueError(f"column {name!r}: {type(value).__name__} cannot be stored")


def check_entity_size(partition: str, key: str, values: Mapping[str, Value]) -> None:
    """At most 1 MiB as the service counts it: strings and names as UTF-16."""
    if _most_bytes(values) < MAX_ENTITY_BYTES // 2:
        return
    size = 4 + 2 * (len(partition) + len(key))
    size += sum(8 + 2 * len(name) + _stored_bytes(value) for name, value in values.items())
    if size > MAX_ENTITY_BYTES:
        raise ValueError(f"an entity of {size} bytes; the limit is {MAX_ENTITY_BYTES}")


def transaction_bytes(partition: str, ops: Sequence[Op]) -> int:
    """About how long the request's body is: values as JSON, binary ones as base64."""
    size = 0
    for op in ops:
        # Keys stand in the body and, percent-encoded, in the URL.
        size += _OPERATION_OVERHEAD + 4 * (len(partition) + len(op.key))
        if not isinstance(op, Delete):
            size += sum(len(name) + _wire_bytes(value) for name, value in op.values.items())
    return size


def check_query(table: str, where: Sequence[Condition], limit: int) -> None:
    """1 to 1,000 rows a page, columns and values that can be, and at most 15 comparisons."""
    check_table_name(table)
    if not 1 <= limit <= MAX_PAGE:
        raise ValueError(f"a page holds 1 to {MAX_PAGE} rows, not {limit}")
    comparisons = [
        (condition.column, value)
        for condition in where
        for value in ((condition.value,) if isinstance(condition, Where) else condition.values)
    ]
    for column, value in comparisons:
        check_column(column)
        check_value(column, value)
    if any(isinstance(condition, OneOf) and not condition.values for condition in where):
        raise ValueError("a condition that lists no value matches nothing")
    if len(comparisons) > MAX_COMPARISONS:
        raise ValueError(
            f"a query compares at most {MAX_COMPARISONS} times, not {len(comparisons)}"
        )


def check_receive(limit: int, lease: float) -> None:
    """1 to 32 messages, leased for more than 0 s, up to 7 days."""
    if not 1 <= limit <= MAX_RECEIVE:
        raise ValueError(f"receive takes 1 to {MAX_RECEIVE} messages, not {limit}")
    if not 0 < lease <= MAX_DELAY_SECONDS:
        raise ValueError(f"a lease is over 0 and up to {MAX_DELAY_SECONDS} s, not {lease}")


def check_delay(seconds: float) -> None:
    """0 s to 7 days."""
    if not 0 <= seconds <= MAX_DELAY_SECONDS:
        raise ValueError(f"messages are hidden for 0 to {MAX_DELAY_SECONDS} s, not {seconds}")


def check_body(body: bytes) -> None:
    """48 KiB, which base64 makes the 64 KiB that a queue takes."""
    if len(body) > MAX_BODY_BYTES:
        raise ValueError(f"a message of {len(body)} bytes; the limit is {MAX_BODY_BYTES}")


def _utf16_units(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def _most_bytes(values: Mapping[str, Value]) -> int:
    """No fewer than the values take with their names, in the store or on the wire: counted fast."""
    texts = sum(len(value) for value in values.values() if isinstance(value, str | bytes))
    return 12 * texts + 600 * len(values)


def _most_bytes_of(ops: Sequence[Op]) -> int:
    values = sum(_most_bytes(op.values) for op in ops if not isinstance(op, Delete))
    return values + len(ops) * (_OPERATION_OVERHEAD + 8 * MAX_KEY_UNITS)


def _stored_bytes(value: Value) -> int:
    match value:
        case bool():
            return 1
        case str():
            return 4 + 2 * _utf16_units(value)
        case bytes():
            return 4 + len(value)
        case _:
            return 8


def _wire_bytes(value: Value) -> int:
    match value:
        case str():
            return len(json.dumps(value)) + 4
        case bytes():
            return 4 * ((len(value) + 2) // 3) + 40
        case _:
            return 80
