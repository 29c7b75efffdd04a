"""The ceiling: the storage operations of our protocol and nothing else, sent as bytes.

A hand-made client over asyncio streams issues just what the engine commits, with rows of the
sizes that no-op activities make: no engine, no user code, no retries, no checks but the status.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import re
import time
import uuid
from email.utils import formatdate
from itertools import count

from tools.processes import ACCOUNT, KEY

TABLE, QUEUE = "Ceiling", "ceiling"
CONNECTIONS = 16
SLOTS = 16
"""Turns that stand in a head."""

PACK = 50
"""Activities of a fan-out in one message, and results in one transaction."""
_VERSION = "2019-02-02"
_KEY = base64.b64decode(KEY)
_ATOM = "http://127.0.0.1/devstoreaccount1"
_STATE = '"status":"Running","sequence":1,"guard":"0123456789abcdef","waits":"","v":1'
_EVENT = '[{"type":"TaskCompleted","id":1,"result":"1"},{"type":"TaskScheduled","id":2}]'
_MESSAGE = base64.b64encode(b'{"instance":"0123456789abcdef0123456789abcdef","task":1,"input":"1"}')


class Wire:
    """Requests to one service over kept connections, at most CONNECTIONS at once."""

    def __init__(self, port: int, *, queues: bool = False) -> None:
        self._port = port
        self._queues = queues
        self._free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter, float]] = []
        self._room = asyncio.Semaphore(CONNECTIONS)

    async def send(self, method: str, path: str, body: bytes = b"", headers: str = "") -> bytes:
        """The body of the answer; RuntimeError for any status but 2xx."""
        date = formatdate(usegmt=True)
        resource = f"/{ACCOUNT}/{ACCOUNT}{path.partition('?')[0]}"
        to_sign = f"{date}\n{resource}"
        if self._queues:
            to_sign = f"{method}\n\n\n\nx-ms-date:{date}\nx-ms-version:{_VERSION}\n{resource}"
        signed = hmac.digest(_KEY, to_sign.encode(), hashlib.sha256)
        head = (
            f"{method} /{ACCOUNT}{path} HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\n"
            f"x-ms-date: {date}\r\nx-ms-version: {_VERSION}\r\nDataServiceVersion: 3.0\r\n"
            "Accept: application/json;odata=nometadata\r\nPrefer: return-no-content\r\n"
            f"Authorization: SharedKeyLite {ACCOUNT}:{base64.b64encode(signed).decode()}\r\n"
            f"{headers}Content-Length: {len(body)}\r\n\r\n"
        )
        async with self._room:
            reader, writer = await self._connection()
            writer.write(head.encode() + body)
            status, answer = await _answer(reader)
            self._free.append((reader, writer, time.monotonic()))
        if not 200 <= status < 300:
            raise RuntimeError(f"{method} {path}: {status} {answer[:300]!r}")
        return answer

    def close(self) -> None:
        """End the connections."""
        for _, writer, _ in self._free:
            writer.close()

    async def _connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        while self._free:
            reader, writer, used = self._free.pop()
            # the service ends a connection that was quiet for five seconds
            if time.monotonic() - used < 4:
                return reader, writer
            writer.close()
        return await asyncio.open_connection("127.0.0.1", self._port, limit=2**24)


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    status = int(head.split(" ", 2)[1])
    if found := re.search(r"content-length: (\d+)", head):
        return status, await reader.readexactly(int(found[1]))
    body = b""
    if "transfer-encoding: chunked" in head:
        while size := int(await reader.readline(), 16):
            body += await reader.readexactly(size)
            await reader.readline()
        await reader.readline()
    return status, body


class Ceiling:
    """The protocol's operations. `table` and `queue` are ports of an Azurite."""

    def __init__(self, queue: int, table: int) -> None:
        self._tables, self._queues = Wire(table), Wire(queue, queues=True)
        self._names = count()

    async def set_up(self) -> None:
        """Make the table and the queue."""
        name = f'{{"TableName":"{TABLE}"}}'.encode()
        await self._tables.send("POST", "/Tables", name, _JSON)
        await self._queues.send("PUT", f"/{QUEUE}")

    def close(self) -> None:
        """End the connections."""
        self._tables.close()
        self._queues.close()

    async def chain(self, steps: int, *, queued: bool = False) -> None:
        """One orchestration of a chain: inline, or each activity through its queue."""
        instance, guard = await self._start()
        deleting: asyncio.Task[bytes] | None = None
        for number in range(steps):
            if queued:
                await self._put(0)
                message = await self._get()
            await self._commit(instance, number, 1)
            if queued:
                if deleting is not None:
                    await deleting
                deleting = asyncio.create_task(self._delete(message))
        if deleting is not None:
            await deleting
        await self._end(instance, guard)

    async def chains(self, instances: int, steps: int, *, queued: bool = False) -> None:
        """Many at once."""
        room = asyncio.Semaphore(CONNECTIONS)

        async def one() -> None:
            async with room:
                await self.chain(steps, queued=queued)

        await asyncio.gather(*(one() for _ in range(instances)))

    async def fan_out(self, activities: int, *, queued: bool = False) -> None:
        """One orchestration that schedules all at once: results are committed PACK at a time,
        after a message for as many where they are queued."""
        instance, guard = await self._start()
        await self._commit(instance, 0, activities)
        packs = range(1, activities // PACK + 1)
        if queued:
            await asyncio.gather(*(self._pack(instance, number) for number in packs))
        for number in packs:
            await self._commit(instance, number, PACK)
        await self._end(instance, guard)

    async def _pack(self, instance: str, number: int) -> None:
        await self._put(0, PACK)
        message = await self._get()
        row = f"{instance}|b|{number}"
        await self._transact(instance, [_insert(instance, row, PACK)])
        await self._delete(message)

    async def _start(self) -> tuple[str, str]:
        instance = f"{next(self._names):08}{uuid.uuid4().hex[:24]}"
        row = f'{{"PartitionKey":"00","RowKey":"{instance}",{_STATE}}}'.encode()
        await self._tables.send("POST", f"/{TABLE}", row, _JSON)
        guard = await self._put(20)
        rows = [_insert(instance, f"!{instance}", 1), _insert(instance, f"{instance}|a", 1)]
        await self._transact(instance, rows)
        return instance, guard

    async def _commit(self, instance: str, number: int, events: int) -> None:
        if events == 1 and number % (SLOTS + 1) < SLOTS:
            # a short turn is a column of the head
            key = f"(PartitionKey='{instance}',RowKey='!{instance}')"
            data = _EVENT.replace('"', '\\"')
            row = f'{{{_STATE},"turn{number % SLOTS}":"{data}"}}'.encode()
            headers = f"{_JSON}If-Match: *\r\n"
            await self._tables.send("MERGE", f"/{TABLE}{key}", row, headers)
            return
        turn = f"{instance}|h|{number:010}"
        # a string column holds 32 K characters: the rest is a payload row in the same transaction
        parts = -(-events * len(_EVENT) // 24_000)
        rows = [_insert(instance, f"{turn}|{part}", events // parts) for part in range(parts)]
        await self._transact(instance, [_merge(instance, f"!{instance}"), *rows])

    async def _end(self, instance: str, guard: str) -> None:
        key = f"(PartitionKey='00',RowKey='{instance}')"
        row = f"{{{_STATE}}}".encode()
        asked = self._tables.send("MERGE", f"/{TABLE}{key}", row, f"{_JSON}If-Match: *\r\n")
        await asyncio.gather(asked, self._delete(guard))

    async def _transact(self, instance: str, rows: list[str]) -> None:
        parts = "".join(f"--changeset_c\r\n{row}\r\n" for row in rows)
        inner = f"Content-Type: multipart/mixed; boundary=changeset_c\r\n\r\n{parts}"
        body = f"--batch_b\r\n{inner}--changeset_c--\r\n--batch_b--\r\n"
        answer = await self._tables.send("POST", "/$batch", body.encode(), _BATCH)
        if answer.count(b"HTTP/1.1 204") != len(rows):
            raise RuntimeError(f"a transaction on {instance} failed: {answer[:500]!r}")

    async def _put(self, delay: int, size: int = 1) -> str:
        text = _MESSAGE * size
        body = b"<QueueMessage><MessageText>" + text + b"</MessageText></QueueMessage>"
        path = f"/{QUEUE}/messages?visibilitytimeout={delay}&messagettl=-1"
        return _path(await self._queues.send("POST", path, body))

    async def _get(self) -> str:
        path = f"/{QUEUE}/messages?numofmessages=1&visibilitytimeout=30"
        while b"<MessageId>" not in (got := await self._queues.send("GET", path)):
            pass
        return _path(got)

    async def _delete(self, path: str) -> bytes:
        return await self._queues.send("DELETE", path)


_JSON = "Content-Type: application/json\r\n"
_BATCH = "Content-Type: multipart/mixed; boundary=batch_b\r\n"
_PART = "Content-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n"
_ROW = f"{_PART}%s HTTP/1.1\r\n{_JSON}Accept: application/json;odata=nometadata\r\n"


def _insert(instance: str, row: str, events: int) -> str:
    data = (_EVENT * events).replace('"', '\\"')
    text = f'{{"PartitionKey":"{instance}","RowKey":"{row}","data":"{data}","v":1}}'
    return f"{_ROW % f'POST {_ATOM}/{TABLE}'}Prefer: return-no-content\r\n\r\n{text}"


def _merge(instance: str, row: str) -> str:
    where = f"{_ATOM}/{TABLE}(PartitionKey='{instance}',RowKey='{row}')"
    return f"{_ROW % f'MERGE {where}'}If-Match: *\r\n\r\n{{{_STATE}}}"


def _path(answer: bytes) -> str:
    text = answer.decode()
    found = re.search(r"<MessageId>(.*?)</MessageId>.*<PopReceipt>(.*?)</PopReceipt>", text, re.S)
    if found is None:
        raise RuntimeError(f"no message in {text[:300]}")
    receipt = found[2].replace("+", "%2B").replace("/", "%2F").replace("=", "%3D")
    return f"/{QUEUE}/messages/{found[1]}?popreceipt={receipt}"
