"""Records golden histories: `python -m tests.golden.record NAME...`, by the names in `recipes`;
`--missing` for all that no file is there of, `--azurite` for the one of `tests.golden.azurite`.
What is there is never written again."""

from __future__ import annotations

import argparse
import asyncio
import itertools
from copy import deepcopy
from hashlib import sha256
from pathlib import Path
from typing import Any

from durable.client import DurableOrchestrationClient
from durable.hub.hub import Hub
from durable.ports import Storage
from durable.testing.processes import Mortal, Process
from tests.azurite import Azurite
from tests.golden import azurite
from tests.golden.dumps import dump
from tests.golden.manifest import HISTORIES, append, is_recorded
from tests.golden.programs import registry_of
from tests.golden.recipes import RECIPES, Recipe
from tests.golden.replaying import seen
from tests.golden.steps import Step, outcome, perform
from tests.golden.text import pretty
from tests.golden.world import World
from tests.memory_hub import MemoryHub

_WRITES = ("transact", "send", "delete")


class Recorder:
    """Runs one recipe once and keeps what is dumped on the way."""

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe
        self._hub = MemoryHub(workers=0)
        self._world = World(self._hub.clock.sleep)
        self._dumps: dict[str, dict[str, Any]] = {}
        self._left: list[Step] = []
        self._writes = 0
        self._ids = 0

    async def record(self) -> dict[str, dict[str, Any]]:
        """The dumps by the names of their cuts, each with what follows and how it ends."""
        hub = self._hub
        hub.registry = registry_of(self._world)
        hub.use(hub.storage, self._new_id)
        async with hub:
            hub.tamper(await hub.add_runtime(), after=self._written)
            for number, step in enumerate(self._recipe.steps):
                self._left = self._recipe.steps[number:]
                if step["do"] == "cut":
                    await self._dump(step["name"])
                elif step["do"] == "purge":
                    self._left = self._recipe.steps[number + 1 :]
                    await perform(hub, self._world, step, self._purger())
                else:
                    await perform(hub, self._world, step)
            expected = await outcome(hub)
            self._left = []
            await self._dump("end")
        missed = [n for n in self._recipe.writes if f"write-{n:02}" not in self._dumps]
        missed += [n for n in self._recipe.purges if f"purge-{n:02}" not in self._dumps]
        assert not missed, f"{self._recipe.name} has only {self._writes} writes"
        return {name: {**stored, "ends": expected} for name, stored in self._dumps.items()}

    async def _written(self, call: str, arguments: tuple[Any, ...]) -> None:
        if call in _WRITES:
            self._writes += 1
            if self._writes in self._recipe.writes:
                await self._dump(f"write-{self._writes:02}")

    def _purger(self) -> DurableOrchestrationClient:
        """A client in a process of its own, each of whose writes is counted."""
        process, writes = Process(self._hub.clock), itertools.count(1)

        async def after(call: str, arguments: tuple[Any, ...]) -> None:
            if call in _WRITES and (number := next(writes)) in self._recipe.purges:
                await self._dump(f"purge-{number:02}")

        process.after = after
        storage = self._hub.storage
        mortal = Storage(
            tables=Mortal(storage.tables, process),
            queues=Mortal(storage.queues, process),
            clock=storage.clock,
        )
        return DurableOrchestrationClient(Hub(mortal, "Test", new_id=self._new_id))

    async def _dump(self, name: str) -> None:
        self._dumps[name] = {
            "shows": self._recipe.about,
            "cut": name,
            "mended": self._world.is_mended,
            "then": [deepcopy(step) for step in self._left if step["do"] != "cut"],
            "orchestrations": await seen(self._hub),
            **await dump(self._hub),
        }

    def _new_id(self, size: int) -> str:
        self._ids += 1
        return sha256(f"{self._recipe.name} {self._ids}".encode()).hexdigest()[: 2 * size]


async def record(recipe: Recipe, folder: Path = HISTORIES) -> list[str]:
    """Write a recipe's files. Raises FileExistsError, and writes nothing, where one is there or
    was once."""
    files = {
        f"{recipe.name}.{cut}.json": pretty(stored) + "\n"
        for cut, stored in (await Recorder(recipe).record()).items()
    }
    for name in files:
        if is_recorded(name, folder):
            raise FileExistsError(
                f"{name} is recorded already: golden histories are only added. Give the new one "
                "another name"
            )
    for name, text in files.items():
        with (folder / name).open("x", encoding="utf-8") as file:
            file.write(text)
    append(list(files), folder)
    return list(files)


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="of a recipe")
    parser.add_argument("--missing", action="store_true", help="all that are not recorded yet")
    parser.add_argument("--azurite", action="store_true", help="what is recorded on Azurite")
    chosen = parser.parse_args()
    if chosen.azurite:
        with Azurite() as running:
            print(asyncio.run(azurite.record(running)))
        return
    known = {recipe.name: recipe for recipe in RECIPES}
    names = chosen.names or [
        name for name in known if chosen.missing and not is_recorded(f"{name}.end.json", HISTORIES)
    ]
    if unknown := [name for name in names if name not in known]:
        parser.error(f"no recipe is named {', '.join(unknown)}; there are {', '.join(known)}")
    for name in names:
        print(*asyncio.run(record(known[name])), sep="\n")


if __name__ == "__main__":
    main()
