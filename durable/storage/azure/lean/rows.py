"""Rows as JSON of the table service, and back."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from durable.ports import Row, Value
from durable.storage.azure.odata import KEY_COLUMNS, utc_text

_TYPE = "@odata.type"


def entity(partition: str, key: str, values: Mapping[str, Value]) -> str:
    """The JSON of a row, in ASCII, with the types that JSON does not tell."""
    found: dict[str, object] = {"PartitionKey": partition, "RowKey": key}
    for name, value in values.items():
        if isinstance(value, str | bool):
            found[name] = value
        elif isinstance(value, int):
            found[name + _TYPE] = "Edm.Int64"
            found[name] = str(value)
        elif isinstance(value, float):
            found[name + _TYPE] = "Edm.Double"
            found[name] = value if math.isfinite(value) else _not_finite(value)
        elif isinstance(value, bytes):
            found[name + _TYPE] = "Edm.Binary"
            found[name] = base64.b64encode(value).decode("ascii")
        else:
            found[name + _TYPE] = "Edm.DateTime"
            found[name] = utc_text(value)
    return json.dumps(found)


def row(found: Mapping[str, Any]) -> Row:
    """The row of an entity with minimal metadata. Raises what `answers.understanding` expects."""
    partition, key, written = (found[name] for name in KEY_COLUMNS)
    if not (isinstance(partition, str) and isinstance(key, str)):
        raise TypeError("the keys of a row are no text")
    values = {
        name: _value(value, found.get(name + _TYPE))
        for name, value in found.items()
        # what begins with "odata." and ends with "@odata.type" is about others; a column that
        # was selected and is absent comes as null
        if "." not in name and value is not None and name not in KEY_COLUMNS
    }
    etag = found.get("odata.etag") or f"W/\"datetime'{quote(written)}'\""
    return Row(partition, key, MappingProxyType(values), str(etag), _time(written))


def _not_finite(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def _value(value: Any, kind: str | None) -> Value:
    match kind:
        case None | "Edm.String" | "Edm.Int32" | "Edm.Boolean" | "Edm.Guid":
            if isinstance(value, str | int | float):
                return value
            raise TypeError("a column is neither text nor a number")
        case "Edm.Int64":
            return int(value)
        case "Edm.Double":
            return float(value)
        case "Edm.Binary":
            return base64.b64decode(value)
        case "Edm.DateTime":
            return _time(value)
    raise ValueError("a column is of an unknown type")


def _time(text: str) -> datetime:
    """In UTC, and cut to microseconds."""
    found = datetime.fromisoformat(text)
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
