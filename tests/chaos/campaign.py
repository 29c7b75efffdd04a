"""One campaign: start everything, strike, wait for the end, and hold the promises against what
is stored."""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from durable.hub.hub import Hub
from durable.model.instance import OrchestrationRuntimeStatus as Status
from durable.ports import Storage, Where
from durable.storage.azure.account import open_storage
from durable.storage.azure.connection import Connection
from tests.azurite import Azurite
from tests.chaos.checks import broken
from tests.chaos.cluster import Cluster, insist, now
from tests.chaos.hosts import Hosts
from tests.chaos.lies import Liar
from tests.chaos.plan import Job, plan
from tests.chaos.proxy import LyingAccount
from tests.chaos.recovery import ALONE, recoveries
from tests.chaos.report import Report
from tests.chaos.stored import Stored, load
from tests.chaos.workers import Workers
from tests.end_to_end.hub_state import HubState

STARTERS = 12
CONTROL_QUEUES = 2
BURST = 4
PAUSES = (1.0, 4.0, 12.0, 25.0)
QUIET_SECONDS = 120.0
LOOK_SECONDS = 1.0
BUSY_SECONDS = 0.2
BUSY_LOOKS = 50
SAY_SECONDS = 10.0

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Campaign:
    """`rate` is that of the proxy's lies, 0 for none. Each round of faults is a kill with a calm in
    which its recovery is measured, and then a burst, `between` so many seconds apart; `pauses` is
    the share of workers in it that only stand still. At most `at_once` orchestrations are open.
    `patience` are the seconds after the last fault in which everything has to end."""

    name: str
    seed: int
    size: int
    host: Literal["workers", "hosts"] = "workers"
    count: int = 3
    rate: float = 0.0
    between: tuple[float, float] = (3.0, 7.0)
    pauses: float = 0.3
    at_once: int = 70
    patience: float = 120.0


async def run(campaign: Campaign, folder: Path, say: Say) -> Report:
    """Carry it out on a storage emulator of its own; `folder` gets the logs."""
    with Azurite() as azurite:
        async with _stage(campaign, azurite, folder) as stage:
            await _Play(campaign, stage, say).perform()
            return await _judge(campaign, stage)


@dataclass(slots=True)
class _Stage:
    cluster: Cluster
    hub: Hub
    state: HubState
    liar: Liar
    effects: str
    jobs: list[Job]
    report: Report

    @property
    def storage(self) -> Storage:
        return self.hub.storage


@asynccontextmanager
async def _stage(campaign: Campaign, azurite: Azurite, folder: Path) -> AsyncIterator[_Stage]:
    mark = secrets.token_hex(5)
    hub_name, effects = f"Chaos{mark}", f"Effects{mark}"
    direct = azurite.connection_string
    rnd = random.Random(campaign.seed)
    async with AsyncExitStack() as stack:
        opened = await stack.enter_async_context(await open_storage(Connection.from_string(direct)))
        await opened.storage.tables.create_table(effects)
        liar = Liar(campaign.seed, campaign.rate)
        connection = direct
        if campaign.rate:
            account = LyingAccount(azurite.queue_port, azurite.table_port, liar)
            connection = (await stack.enter_async_context(account)).connection_string
        settings = {
            "AzureWebJobsStorage": connection,
            "HUB": hub_name,
            "EFFECTS_CONNECTION": direct,
            "EFFECTS_TABLE": effects,
        }
        make = Workers if campaign.host == "workers" else Hosts
        cluster: Cluster = make(settings, folder, campaign.count, rnd)
        stack.push_async_callback(cluster.close)
        await cluster.open()
        yield _Stage(
            cluster,
            Hub(opened.storage, hub_name, control_queues=CONTROL_QUEUES),
            HubState(direct, hub_name),
            liar,
            effects,
            plan(campaign.seed, campaign.size),
            Report(campaign.name, campaign.seed, campaign.size),
        )


class _Play:
    """The campaign while it runs."""

    def __init__(self, campaign: Campaign, stage: _Stage, say: Say) -> None:
        self._campaign = campaign
        self._stage = stage
        self._say = say
        self._cluster = stage.cluster
        self._random = random.Random(campaign.seed + 1)
        self._acknowledged: set[str] = set()
        self._open: set[str] = set()
        self._looked = asyncio.Event()
        self._all_told = asyncio.Event()

    async def perform(self) -> None:
        """Until nothing is open and nothing is under way."""
        began = now()
        watching = asyncio.create_task(self._watch())
        striking = asyncio.create_task(self._strike())
        try:
            await self._tell_all()
            self._all_told.set()
            await striking
            await self._ended()
            self._stage.report.seconds = now() - began
            self._stage.liar.on = False
            await self._quiet()
        finally:
            for task in (watching, striking):
                task.cancel()
            await asyncio.gather(watching, striking, return_exceptions=True)

    # ---- users ----

    async def _tell_all(self) -> None:
        waiting = list(reversed(self._stage.jobs))
        # monitors first: they are to see all of it
        waiting.sort(key=lambda job: job.kind == "monitor")
        async with asyncio.TaskGroup() as group:

            async def starter() -> None:
                while waiting:
                    if len(self._open) + STARTERS > self._campaign.at_once:
                        self._looked.clear()
                        await self._looked.wait()
                        continue
                    job = waiting.pop()
                    await self._start(job)
                    if job.decides_after is not None:
                        group.create_task(self._decide(job, job.decides_after))

            starters = [group.create_task(starter()) for _ in range(STARTERS)]
            await asyncio.wait(starters)
            monitors = [job for job in self._stage.jobs if job.kind == "monitor"]
            for job in monitors:
                group.create_task(self._raise(job, "stop", None))

    async def _start(self, job: Job) -> None:
        status, said = await insist(
            self._cluster, "POST", f"start/{job.kind}/{job.instance_id}", job.input
        )
        if status != 202:
            self._stage.report.broken.append(f"start of {job.instance_id}: {status} {said}")
        self._open.add(job.instance_id)
        self._acknowledged.add(job.instance_id)

    async def _decide(self, job: Job, after: float) -> None:
        await asyncio.sleep(after)
        await self._raise(job, "decision", "approved")

    async def _raise(self, job: Job, event: str, data: object) -> None:
        path = f"durabletask/instances/{job.instance_id}/raiseEvent/{event}"
        status, said = await insist(self._cluster, "POST", path, data)
        # 410: an earlier try has arrived, and it has ended by it
        if status not in (202, 410):
            self._stage.report.broken.append(f"{event} to {job.instance_id}: {status} {said}")

    # ---- faults ----

    async def _strike(self) -> None:
        """Until all is told, two rounds at least."""
        rounds = 0
        while rounds < 2 or not self._all_told.is_set():
            rounds += 1
            await self._calm(self._pauses_left())
            await self._cluster.kill(among=await self._busy())
            await asyncio.sleep(ALONE)
            for _ in range(BURST):
                await self._calm()
                if self._random.random() < self._campaign.pauses:
                    await self._cluster.pause(self._random.choice(PAUSES))
                else:
                    await self._cluster.kill()

    async def _busy(self) -> set[str]:
        """The workers that have an activity in flight, once there is one; none if none comes."""
        for _ in range(BUSY_LOOKS):
            soon = Where("ends", "gt", now() + BUSY_SECONDS)
            page = await self._stage.storage.tables.query(self._stage.effects, [soon])
            if page.rows:
                return {str(row.values["worker"]) for row in page.rows}
            await asyncio.sleep(BUSY_SECONDS)
        return set()

    async def _calm(self, least: float = 0.0) -> None:
        await asyncio.sleep(max(self._random.uniform(*self._campaign.between), least))

    def _pauses_left(self) -> float:
        return max((fault.until for fault in self._cluster.faults), default=0.0) - now()

    # ---- waiting ----

    async def _watch(self) -> None:
        said = now()
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if not (known := set(self._acknowledged)):
                continue
            self._open = (self._open - known) | (known & await self._unfinished())
            self._looked.set()
            if now() - said >= SAY_SECONDS:
                said = now()
                kills = sum(fault.kind == "kill" for fault in self._cluster.faults)
                self._say(
                    f"  {len(self._acknowledged)} started, {len(self._open)} open, "
                    f"{kills} killed, {len(self._cluster.faults) - kills} stopped"
                )

    async def _unfinished(self) -> set[str]:
        found: dict[str, str] = {}
        token: str | None = None
        names, instances = self._stage.hub.names, self._stage.hub.instances
        where = [Where("status", "ne", str(status)) for status in Status if status.is_terminal]
        while True:
            page = await self._stage.storage.tables.query(
                names.instances, where, token=token, columns=["instance", "status"]
            )
            found |= {str(row.values["instance"]): str(row.values["status"]) for row in page.rows}
            if (token := page.next) is None:
                break
        for each in [each for each, status in found.items() if status == Status.PENDING]:
            head = await instances.head(each)
            if head is not None and head.is_terminal:
                # it was announced twice, as whoever announced it first had died
                del found[each]
        return set(found)

    async def _ended(self) -> None:
        try:
            async with asyncio.timeout(self._campaign.patience):
                while self._open:
                    self._looked.clear()
                    await self._looked.wait()
        except TimeoutError:
            shown = await asyncio.to_thread(self._stage.state.describe, self._open)
            self._stage.report.broken.append(
                f"open {self._campaign.patience:.0f} s after the last fault: "
                f"{sorted(self._open)}\n{shown}\n{self._cluster.logs()}"
            )

    async def _quiet(self) -> None:
        """Until the queues are empty, hidden messages included. The leases of a host that was
        killed hide its messages for ten minutes: there only what is visible counts."""
        left: dict[str, int] = {}
        deadline = now() + QUIET_SECONDS
        while now() < deadline:
            left = await self._messages()
            if not any(left.values()) and not await self._unsettled():
                return
            await asyncio.sleep(LOOK_SECONDS)
        if any(left.values()):
            self._stage.report.broken.append(f"messages are left: {left}")

    async def _messages(self) -> dict[str, int]:
        found = await asyncio.to_thread(self._stage.state.messages)
        if self._campaign.host == "workers":
            return found
        queues = self._stage.storage.queues
        return {queue: await queues.has_visible(queue) for queue in found}

    async def _unsettled(self) -> bool:
        """Whether anybody still has something to do for an instance."""
        names = self._stage.hub.names
        tables = self._stage.storage.tables
        index = await tables.query(names.index, [], limit=1)
        where = [Where("settled", "eq", False), Where("status", "ne", str(Status.PENDING))]
        behind = await tables.query(names.instances, where, limit=1)
        return bool(index.rows or behind.rows)


async def _judge(campaign: Campaign, stage: _Stage) -> Report:
    report, faults = stage.report, stage.cluster.faults
    stored: Stored = await load(stage.storage, stage.hub, stage.effects)
    report.broken += broken(stored, stage.jobs)
    report.broken += [f"a worker ended by itself: {text}" for text in stage.cluster.fallen]
    report.kills = sum(fault.kind == "kill" for fault in faults)
    report.pauses = len(faults) - report.kills
    report.attempts = len(stored.attempts)
    report.effects = sum(len(effects) for effects in stored.effects.values())
    report.commits = sum(len(turns) for turns in stored.turns.values())
    report.recovery = sorted(recoveries(stored, faults).values())
    if campaign.rate:
        liar = stage.liar
        report.lies = {str(lie): count for lie, count in sorted(liar.told.items())}
        report.calls, report.ambiguous = dict(liar.calls), dict(liar.ambiguous)
        report.broken += [f"never answered ambiguously: {k}" for k in liar.never_ambiguous()]
    return report
