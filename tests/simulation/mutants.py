"""Faults that the simulation has to find: `make mutants` plants them one by one in a copy of the
code, and says which seed kills each.

A mutant is text of today's code and what stands there instead; where two guards back each other
up, it takes both away. `test_mutants.py` holds the texts against the code.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

ROOT = Path(__file__).parents[2]
SEEDS = 10_000


@dataclass(frozen=True)
class Mutant:
    """`edits` are (file below `durable/`, text that is there once, text instead)."""

    name: str
    edits: tuple[tuple[str, str, str], ...]


MUTANTS = (
    Mutant(
        "dispatch before commit",
        (
            (
                "runtime/turns.py",
                "            self._hold.check()\n            stored_head = await",
                "            self._hold.check()\n"
                "            for item in commit.outbox:\n"
                "                send = self._runtime.dispatcher.send\n"
                "                await send(after, turn, item, again=False)\n"
                "            stored_head = await",
            ),
        ),
    ),
    Mutant(
        "no If-Match on the head",
        (
            (
                "hub/instances.py",
                "Merge(head_key(instance), values, head.etag))",
                "Merge(head_key(instance), values))",
            ),
            (
                "hub/instances.py",
                "values, head.etag), *_replaced",
                "values), *_replaced",
            ),
        ),
    ),
    Mutant(
        "no execution id check",
        (("engine/ledger.py", "or arrival.execution_id != execution_id", "or False"),),
    ),
    Mutant(
        "no tombstones",
        (("engine/ledger.py", "if event.message_id in self.seen:", "if False:"),),
    ),
    Mutant(
        "an entity remembers nothing",
        (
            (
                "engine/entities.py",
                "        self._remember(turn)\n        self.sequence += 1\n",
                "        self.sequence += 1\n",
            ),
        ),
    ),
    Mutant(
        "an entity's turn reduced before it was sent",
        (
            (
                "hub/instances.py",
                "        ops: list[Op] = []\n        if not spill",
                "        if is_entity(instance):\n"
                "            turn = replace(turn, events=())\n"
                "            data = encode_turn(replace(stored, turn=turn, outbox=()))\n"
                "        ops: list[Op] = []\n        if not spill",
            ),
        ),
    ),
    Mutant(
        "an entity's turn never reduced",
        (("hub/reduction.py", "not stored.turn.events or", "True or"),),
    ),
    Mutant(
        "random child ids",
        (
            (
                "runtime/children.py",
                "            instance_id=event.instance_id,\n",
                "            instance_id=event.instance_id + self._hub.new_id(2),\n",
            ),
        ),
    ),
    Mutant(
        "doorbell deleted first",
        (
            (
                "runtime/messages.py",
                "            await work\n",
                "            await self._runtime.keeping.release(guard)\n            await work\n",
            ),
        ),
    ),
    Mutant(
        "outbox not drained",
        (
            (
                "runtime/hold.py",
                "            if take(h) and h.guard != self.guard.key\n",
                "            if False\n",
            ),
        ),
    ),
    Mutant(
        "guard that never rings",
        (
            (
                "runtime/guards.py",
                "send(queue, body, delay=LEASE)",
                "send(queue, body, delay=600_000)",
            ),
        ),
    ),
    Mutant(
        "no fencing",
        (("runtime/hold.py", "        if not follows:\n            return\n", "        return\n"),),
    ),
    Mutant(
        "no gate",
        (
            (
                "hub/instances.py",
                "[] if is_entity(instance_id) else [Merge(gate_key(incarnation), {})]",
                "[]",
            ),
        ),
    ),
    Mutant(
        "gate deleted without its ETag",
        (
            (
                "hub/instances.py",
                "ops.append(Delete(gate_key(incarnation), gate))",
                "ops.append(Delete(gate_key(incarnation)))",
            ),
        ),
    ),
    Mutant(
        "gate taken without a look into the inbox",
        (
            (
                "runtime/orchestrations.py",
                "rows = _fitting((await self._look(head)).rows, most)\n            execution.take(",
                "rows = (await self._look(head)).rows[:0]\n            execution.take(",
            ),
        ),
    ),
    Mutant(
        "abort on an ambiguous answer",
        (
            (
                "runtime/turns.py",
                "                if nonce is not None and nonce != turn.nonce:\n",
                "                if True:\n",
            ),
        ),
    ),
    Mutant(
        "lock kept at the end",
        (
            (
                "engine/execution.py",
                "            OutboxItem(Send.UNLOCK, lock, entity) for lock, entity in "
                "self.ledger.locks.items()\n",
                "",
            ),
        ),
    ),
    Mutant(
        "events dropped at continue-as-new",
        (("engine/execution.py", "carried = self._decider.unconsumed()", "carried = []"),),
    ),
    Mutant(
        "payload overwritten",
        (("hub/payloads.py", 'return f"{nonce}.{number}"', 'return f"p.{number}"'),),
    ),
    Mutant(
        "timer taken from the doorbell",
        (
            ("engine/ledger.py", "and item.event.fire_at <= now", "and True"),
            (
                "runtime/orchestrations.py",
                "due = head.next_timer is not None and head.next_timer <= now",
                "due = head.next_timer is not None",
            ),
        ),
    ),
    Mutant(
        "completion counted twice",
        (
            (
                "engine/ledger.py",
                "                    open_task is None\n"
                "                    or arrival.execution_id != execution_id\n"
                "                    or not isinstance(event, _ANSWERS[type(open_task.event)])\n",
                "                    arrival.execution_id != execution_id\n",
            ),
        ),
    ),
    Mutant(
        "purge head first",
        (
            (
                "hub/purge.py",
                "    # never another incarnation's: someone may be starting one at this moment\n",
                "    await hub.instances.delete_head(head)\n",
            ),
            (
                "hub/purge.py",
                "    await hub.projection.withdraw(listing_key(head.created, head.instance_id))\n"
                "    await hub.instances.delete_head(head)\n",
                "    await hub.projection.withdraw(listing_key(head.created, head.instance_id))\n",
            ),
        ),
    ),
    Mutant(
        "purge before the outbox is empty",
        (("hub/purge.py", "        if not current.holdings:\n", "        if True:\n"),),
    ),
    Mutant(
        "inbox not consumed with the turn",
        (("hub/instances.py", "ops += [Delete(key) for key in consumed]", "pass"),),
    ),
    Mutant(
        "projection not shown",
        (
            (
                "runtime/actor.py",
                "        if self._shown == _visible(head):\n",
                "        if True:\n",
            ),
        ),
    ),
    Mutant(
        "a start replaces whatever it finds after waiting",
        (
            (
                "hub/purge.py",
                "        if current.incarnation != head.incarnation or not current.is_terminal:\n",
                "        if False:\n",
            ),
        ),
    ),
    Mutant(
        "steering before a scheduled start taken twice",
        (
            (
                "engine/execution.py",
                "                    arrivals = [a for a in arrivals if not isinstance(a.event, "
                "_STEERING)]\n",
                "",
            ),
        ),
    ),
    Mutant(
        "resumed too late for a generation, and for the next",
        (
            (
                "engine/decider.py",
                "                self.suspended = isinstance(event, ExecutionSuspended)\n",
                "                pass\n",
            ),
        ),
    ),
    Mutant(
        "a guard forgets whom it followed",
        (
            (
                "runtime/runtime.py",
                "        heir_of = predecessors(follows)\n",
                "        heir_of = ()\n",
            ),
        ),
    ),
    Mutant(
        "a trigger's work item takes nothing over",
        (
            (
                "runtime/work.py",
                "        if guard is None and follows:\n",
                "        if False:\n",
            ),
        ),
    ),
    Mutant(
        "a schedule follows plans that were changed",
        (
            (
                "scheduling/entity.py",
                "if state.status is not ScheduleStatus.ACTIVE or token != state.token:",
                "if False:",
            ),
        ),
    ),
    Mutant(
        "a schedule forgets what it dealt with",
        (
            (
                "scheduling/entity.py",
                "        state.done_until, state.trouble = until, None\n",
                "        state.trouble = None\n",
            ),
        ),
    ),
    Mutant(
        "retention does not wait",
        (
            (
                "runtime/retention.py",
                "after is not None and now - ended >= after",
                "after is not None",
            ),
            (
                "runtime/retention.py",
                "            created_to=now - shortest,\n            updated_to=now - shortest,\n",
                "",
            ),
        ),
    ),
    Mutant(
        "times of two processes compared exactly",
        (("runtime/mail.py", "turn.time + APART", "turn.time"),),
    ),
    Mutant(
        "an entity's run without time left rings for itself",
        (("runtime/entities.py", "and not self.is_over", "and True"),),
    ),
    Mutant(
        "work items that were not sent forgotten",
        (
            (
                "runtime/turns.py",
                "send = send and any(item.turn == holding.sequence for item in",
                "send = False and any(item.turn == holding.sequence for item in",
            ),
        ),
    ),
    Mutant(
        "rings for several taken apart without their heirs",
        (
            (
                "runtime/runs.py",
                "bell = Doorbell(instance_id, died=True, heir_of=predecessors(follows))",
                "bell = Doorbell(instance_id, died=True)",
            ),
        ),
    ),
    Mutant(
        "an update answered before its turn is stored",
        (
            (
                "hub/instances.py",
                "        ops += answer_rows(turn, incarnation, answers) if answers else []\n",
                "        if answers:\n"
                "            rows = answer_rows(turn, incarnation, answers)\n"
                "            await self._tables.transact(self._table, partition, rows)\n",
            ),
        ),
    ),
    Mutant(
        "a batch deleted before its results are stored",
        (("runtime/batches.py", "            await running.ended()\n", ""),),
    ),
    Mutant(
        "a turn that was lost is told of",
        (
            (
                "runtime/turns.py",
                "            telling.lost(lost)\n            return\n",
                "            telling.lost(lost)\n",
            ),
        ),
    ),
    Mutant(
        "what a rewind leads to is told under the ids of what failed",
        (("engine/folding.py", "            self.rewinds.append(event)\n", ""),),
    ),
    Mutant(
        "a child begins a trace of its own",
        (("runtime/children.py", "trace=inherited(self._hub.telemetry, head)", 'trace=("", "")'),),
    ),
    Mutant(
        "a fork does again what it took over",
        (
            (
                "engine/forking.py",
                "return task_id >= step or (isinstance",
                "return True or task_id >= step or (isinstance",
            ),
        ),
    ),
    Mutant(
        "a fork begins at its beginning",
        (
            (
                "runtime/forking.py",
                "    if head.sequence > 0 or fork is None or execution.ends:",
                "    if True or fork is None:",
            ),
        ),
    ),
    Mutant(
        "a fork takes over whoever has the name of its source",
        (
            (
                "hub/forking.py",
                "elif head.incarnation != fork.incarnation:",
                "elif False:",
            ),
            ("hub/forking.py", "elif head.execution_id != fork.execution_id:", "elif False:"),
        ),
    ),
    Mutant(
        "permits of others not counted",
        (("hub/permits.py", "min(wanted, limit - taken)", "min(wanted, limit)"),),
    ),
    Mutant(
        "a timeout that nobody watches",
        (("runtime/attempts.py", "if attempt.has_limits else work", "if False else work"),),
    ),
    Mutant(
        "an attempt that ran over counts its late result",
        (
            (
                "runtime/attempts.py",
                "            return TaskFailed(attempt.item.task_id, failure)\n",
                "            return task.result() if task.done() else TaskFailed("
                "attempt.item.task_id, failure)\n",
            ),
        ),
    ),
    Mutant(
        "what was said last is not given to the next attempt",
        (
            (
                "runtime/attempts.py",
                "        if item.begun > 1 or item.task_id != item.call:\n",
                "        if item.begun > 1:\n",
            ),
        ),
    ),
    Mutant(
        "what one call said is given to another",
        (
            (
                "hub/heartbeats.py",
                "return details_key(item.incarnation, item.execution_id, item.call)",
                "return details_key(item.incarnation, item.execution_id, 0)",
            ),
        ),
    ),
)


def plant(mutant: Mutant, folder: Path) -> None:
    """Copy the code to a folder and change it."""
    for part in ("durable", "tests"):
        ignore = shutil.ignore_patterns("__pycache__", "golden", "agents", "compat")
        keep = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / part, folder / part, ignore=keep if part == "durable" else ignore)
    for name, old, new in mutant.edits:
        file = folder / "durable" / name
        file.write_text(replaced(file.read_text(), old, new))


def replaced(text: str, old: str, new: str) -> str:
    """The text with the one place changed; ValueError where there is none, or several."""
    if text.count(old) != 1:
        raise ValueError(f"there {text.count(old)} times: {old!r}")
    return text.replace(old, new)


def hunt(mutant: Mutant, seeds: int, jobs: int) -> tuple[int, str] | None:
    """The first seed found that breaks a promise, and which; None where none does."""
    with tempfile.TemporaryDirectory() as folder:
        plant(mutant, Path(folder))
        given = ["--seeds", str(seeds), "--jobs", str(jobs), "--stop"]
        ran = subprocess.run(
            [sys.executable, "-m", "tests.simulation", *given],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": folder},
            capture_output=True,
            text=True,
            check=False,
        )
        found = re.search(r"^seed (\d+) at commit \S+: (.*)$", ran.stdout, re.MULTILINE)
        if found is None:
            if ran.returncode:
                raise RuntimeError(ran.stdout + ran.stderr)
            return None
        return int(found[1]), found[2]


def main() -> int:
    """The command; 1 where a mutant lives."""
    parser = argparse.ArgumentParser(prog="make mutants", description=__doc__)
    parser.add_argument("--name", default="", help="only those with this in their names")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args()
    alive = 0
    chosen = [mutant for mutant in MUTANTS if given.name in mutant.name]
    for mutant in chosen:
        began = monotonic()
        found = hunt(mutant, given.seeds, given.jobs)
        alive += found is None
        killed = f"killed by seed {found[0]}: {found[1]:.90}" if found else "ALIVE"
        print(f"{mutant.name:52} {monotonic() - began:4.0f} s  {killed}", flush=True)
    print(f"{len(chosen) - alive} of {len(chosen)} mutants killed")
    return 1 if alive else 0


if __name__ == "__main__":
    sys.exit(main())
