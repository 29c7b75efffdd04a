"""A hub in memory as plain JSON, all rows of its tables and all messages of its queues, and back.

Texts that are JSON stand there decoded, so that a reader sees the events.
"""

from __future__ import annotations

import heapq
import itertools
import json
import re
from base64 import b64decode, b64encode
from datetime import datetime
from pathlib import Path
from typing import Any

from durable.ports import Insert, Row, Value
from durable.storage.memory import ManualClock, memory_storage
from durable.storage.memory_queues import _Stored
from tests.memory_hub import MemoryHub

ROOT = str(Path(__file__).resolve().parents[2]) + "/"


async def dump(hub: MemoryHub) -> dict[str, Any]:
    """Tables, queues and time as they are now."""
    queues = {}
    for name, queue in hub.queues._queues.items():
        visible = {receipt: moment for moment, _, _, receipt in queue.schedule}
        queues[name] = [
            {
                "id": message_id,
                "inserted": stored.inserted_at.isoformat(),
                "visible": visible[stored.pop_receipt].isoformat(),
                "deliveries": stored.dequeue_count,
                "body": plain(stored.body.decode()),
            }
            for message_id, stored in queue.messages.items()
        ]
    now = hub.clock.now().isoformat()
    return {"now": now, "tables": await dump_tables(hub), "queues": queues}


async def dump_tables(hub: MemoryHub) -> dict[str, Any]:
    """All rows, with the service's times."""
    tables = {}
    for table in hub.hub.names.tables:
        page = await hub.tables.query(table, [])
        assert page.next is None, "too many rows for a golden history"
        tables[table] = [_row(row) for row in page.rows]
    return tables


async def restore(stored: dict[str, Any]) -> MemoryHub:
    """A hub without workers that holds just that."""
    rows = [
        (datetime.fromisoformat(row["written"]), table, row)
        for table, rows in stored["tables"].items()
        for row in rows
    ]
    rows.sort(key=lambda entry: entry[0])
    clock = ManualClock(rows[0][0])
    hub = MemoryHub(workers=0, storage=memory_storage(clock))
    for table in stored["tables"]:
        await hub.tables.create_table(table)
    for written, table, row in rows:
        clock.advance_to(written)
        values = {name: _value(value) for name, value in row["values"].items()}
        await hub.tables.transact(table, row["partition"], [Insert(row["key"], values)])
    clock.advance_to(datetime.fromisoformat(stored["now"]))
    hub._swept = clock.now()
    for name, messages in stored["queues"].items():
        await hub.queues.create_queue(name)
        for message in messages:
            _put(hub.queues, name, message)
    return hub


def _put(queues: Any, name: str, message: dict[str, Any]) -> None:
    """What no port can do: a message under the id that rows know it by."""
    # Azurite's ids are no numbers
    found = re.fullmatch(r"message-(\d+)", message["id"])
    number = int(found[1]) if found else 0
    queues._serial = itertools.count(max(number, next(queues._serial)) + 1)
    serial = next(queues._serial)
    queue, receipt = queues._queues[name], f"receipt-{serial:08}"
    inserted, visible = (datetime.fromisoformat(message[k]) for k in ("inserted", "visible"))
    body = _text(message["body"]).encode()
    queue.messages[message["id"]] = _Stored(body, inserted, receipt, message["deliveries"])
    heapq.heappush(queue.schedule, (visible, serial, message["id"], receipt))


def _row(row: Row) -> dict[str, Any]:
    return {
        "partition": row.partition,
        "key": row.key,
        "written": row.timestamp.isoformat(),
        "values": {name: plain(value) for name, value in row.values.items()},
    }


def plain(value: Value) -> Any:
    """A value as JSON that a reader can make sense of."""
    match value:
        case datetime():
            return {"time": value.isoformat()}
        case bytes():
            return {"bytes": b64encode(value).decode()}
        case str():
            # the paths in stack traces are this machine's
            text = value.replace(ROOT, "")
            decoded = _decoded(text)
            return text if decoded is None else {"json": decoded}
    return value


def _decoded(text: str) -> Any:
    """What a text of JSON stands for, if that gives the same text again."""
    if not text.startswith(("{", "[")):
        return None
    try:
        decoded = json.loads(text)
    except ValueError:
        return None
    return decoded if _compact(decoded) == text else None


def _value(plain: Any) -> Value:
    match plain:
        case {"time": text}:
            return datetime.fromisoformat(text)
        case {"bytes": text}:
            return b64decode(text)
    return _text(plain) if isinstance(plain, dict) else plain


def _text(plain: Any) -> str:
    return _compact(plain["json"]) if isinstance(plain, dict) else plain


def _compact(data: Any) -> str:
    return json.dumps(data, separators=(",", ":"))
