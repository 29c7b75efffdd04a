"""What one storage operation costs each client: `python -m bench.storage_clients`.

Every client does the same operations against one Azurite on disk, a few at once, in turns. Printed
are medians: the client's CPU time an operation, operations a second (which Azurite's own speed
bounds), and the ratio of the CPU times.
"""

from __future__ import annotations

import argparse
import asyncio
import secrets
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import get_args

from durable.ports import ANY, Insert, Merge, Op, Receipt, Replace, Storage, Value
from durable.storage.azure import Connection, StorageClient, open_storage
from tests.azurite import Azurite

AT_ONCE = 8
VALUES: dict[str, Value] = {
    "status": "Running",
    "sequence": 7,
    "events": '{"kind":"TaskCompleted"}' * 20,
}


@dataclass
class Figures:
    """Of one operation and client, a number for each round."""

    cpu_ms: list[float] = field(default_factory=list)
    a_second: list[float] = field(default_factory=list)


class Round:
    """One client's turn, on a table and a queue of its own."""

    def __init__(self, storage: Storage) -> None:
        mark = secrets.token_hex(6)
        self.table, self.queue = f"Bench{mark}", f"bench-{mark}"
        self.storage = storage
        self.receipts: list[Receipt] = []

    async def open(self) -> None:
        """Create what the operations work on."""
        await self.storage.tables.create_table(self.table)
        await self.storage.queues.create_queue(self.queue)
        await self._transact("page", [Insert(f"{n:03}", VALUES) for n in range(100)])

    async def close(self) -> None:
        """Azurite scans all messages of an account on each call: leave none."""
        await self.storage.queues.delete_queue(self.queue)
        await self.storage.tables.delete_table(self.table)

    def operations(self) -> Iterator[tuple[str, int, Callable[[int], Awaitable[object]]]]:
        """Name, how often, and the operation, which is given its number."""
        tables, queues = self.storage.tables, self.storage.queues
        yield "insert", 400, lambda n: self._transact(f"i{n}", [Insert("k", VALUES)])
        yield "get", 400, lambda n: tables.get(self.table, f"i{n}", "k")
        yield (
            "conditional update",
            400,
            lambda n: self._transact(f"i{n}", [Replace("k", VALUES, ANY)]),
        )
        yield (
            "transaction of 3",
            160,
            lambda n: self._transact(f"t{n}", [Insert(f"{k}", VALUES) for k in range(3)]),
        )
        yield (
            "transaction of 100",
            16,
            lambda n: self._transact("page", [Merge(f"{k:03}", VALUES) for k in range(100)]),
        )
        yield "query of 100 rows", 64, lambda n: tables.query(self.table, [], limit=100)
        yield "send", 256, lambda n: queues.send(self.queue, b"x" * 300)
        yield "receive of 32", 8, self._receive
        yield "delete", 256, lambda n: queues.delete(self.queue, self.receipts[n])

    async def _transact(self, partition: str, ops: list[Op]) -> None:
        await self.storage.tables.transact(self.table, partition, ops)

    async def _receive(self, _: int) -> None:
        messages = await self.storage.queues.receive(self.queue, limit=32, lease=600)
        self.receipts += [each.receipt for each in messages]


async def measured(
    count: int, operation: Callable[[int], Awaitable[object]]
) -> tuple[float, float]:
    """Milliseconds of CPU an operation, and operations a second."""
    numbers = iter(range(count))

    async def worker() -> None:
        for number in numbers:
            await operation(number)

    cpu, wall = time.process_time(), time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(AT_ONCE)))
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return cpu * 1000 / count, count / wall


async def compare(connection: Connection, rounds: int) -> dict[str, dict[str, Figures]]:
    """By operation and client."""
    found: dict[str, dict[str, Figures]] = {}
    clients: tuple[StorageClient, ...] = get_args(StorageClient)
    # the first turn of each pays for imports and connections, and is not counted
    for number in range(rounds + 1):
        for client in clients:
            async with await open_storage(connection, client=client) as opened:
                turn = Round(opened.storage)
                await turn.open()
                for name, count, operation in turn.operations():
                    cpu, speed = await measured(count, operation)
                    if number:
                        figures = found.setdefault(name, {}).setdefault(client, Figures())
                        figures.cpu_ms.append(cpu)
                        figures.a_second.append(speed)
                await turn.close()
    return found


def table(found: dict[str, dict[str, Figures]]) -> str:
    """As Markdown."""
    lines = [
        "| operation | sdk: CPU ms, ops/s | lean: CPU ms, ops/s | CPU ratio |",
        "| --- | --- | --- | --- |",
    ]
    for name, clients in found.items():
        median = {
            client: (statistics.median(each.cpu_ms), statistics.median(each.a_second))
            for client, each in clients.items()
        }
        cells = [f"{median[client][0]:.2f}, {median[client][1]:.0f}" for client in ("sdk", "lean")]
        ratio = median["lean"][0] / median["sdk"][0]
        lines.append(f"| {name} | {' | '.join(cells)} | {ratio:.2f} |")
    return "\n".join(lines)


def main() -> None:
    """Start an Azurite, compare, and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with Azurite() as azurite:
        connection = Connection.from_string(azurite.connection_string)
        print(table(asyncio.run(compare(connection, options.rounds))))


if __name__ == "__main__":
    main()
