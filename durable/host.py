"""Puts an app together: settings, storage, hub, runtime and client. The composition root."""

from __future__ import annotations

import asyncio
import os
import platform
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from durable.client import DurableOrchestrationClient
from durable.client.builtin import bind_client
from durable.hub.hub import Hub
from durable.management.links import LinkSigner
from durable.model.failure import ExceptionPropertiesProvider
from durable.model.filters import WorkItemFilters
from durable.model.functions import Registry
from durable.model.meter import Meter, upkeep
from durable.model.versioning import VersioningOptions
from durable.outbound import LateSender, with_durable_http
from durable.ports import Storage
from durable.purging import with_purge_jobs
from durable.runtime.guards import ThreadKeeping
from durable.runtime.metering import UsageReporter
from durable.runtime.options import RuntimeOptions
from durable.runtime.runtime import Runtime
from durable.runtime.sweep_lease import SweepLease
from durable.settings import Settings, load_settings
from durable.storage.azure import Connection, open_storage
from durable.storage.azure.clock import ServiceClock, keep_sharp
from durable.storage.metering import metered
from durable.telemetry import find_telemetry

LOCAL_BUDGET = 30.0
"""Seconds for which a run begun by an HTTP function under the Functions host takes work on."""

LAST_WRITE = 5.0
"""Seconds that the last figures may take at most: nobody waits for them."""


class DurableHost:
    """One opened hub with a runtime, on the event loop that opened it."""

    def __init__(
        self,
        settings: Settings,
        hub: Hub,
        registry: Registry,
        runtime: Runtime,
        links: LinkSigner,
        storage: Storage,
        usage: UsageReporter,
        sweeping: SweepLease | None,
        closers: list[Callable[[], Awaitable[None]]],
    ) -> None:
        self.settings = settings
        self.hub = hub
        self.registry = registry
        self.runtime = runtime
        self.links = links
        self.storage = storage
        """The hub's account, where nothing is counted: for what is not the hub's."""
        self.usage = usage
        self._sweeping = sweeping
        self.client = DurableOrchestrationClient(
            hub,
            ringer=runtime.ringer,
            registry=registry,
            links=links,
            answerer=runtime.queries,
            max_payload=settings.max_payload,
            default_version=runtime.taking.default_version,
        )
        bind_client(runtime.registry, self.client)
        self._closers = closers

    @classmethod
    async def open(
        cls,
        settings: Settings,
        registry: Registry,
        *,
        base_url: str | None = None,
        under_functions: bool = False,
        versioning: VersioningOptions | None = None,
        filters: WorkItemFilters | None = None,
    ) -> DurableHost:
        """Connect, create what the hub lacks, claim it for this app, and make a runtime.

        `versioning` and `filters` are the app's own, where the settings say nothing else.
        `base_url` is what links begin with unless the settings have one. `under_functions`
        bounds runs that begin beside an invocation. Raises ConfigurationError, HubInUseError
        or StorageError; nothing stays open then.
        """
        options = replace(
            _options(settings, under_functions),
            filters=settings.filters or filters,
            versioning=settings.versioning.over(versioning or VersioningOptions()),
        )
        if options.filters is not None:
            options.filters.applied(registry)
        connection = Connection.from_settings(settings.values, settings.connection_name)
        clock = ServiceClock()
        opening = partial(
            open_storage,
            connection,
            message_encoding=settings.message_encoding,
            clock=clock,
            client=settings.storage_client,
        )
        opened = await opening()
        closers: list[Callable[[], Awaitable[None]]] = [opened.close]
        try:
            telemetry = find_telemetry(
                tracing=settings.tracing.enabled, payloads=settings.tracing.payloads
            )
            sender = LateSender(settings.http, traced=telemetry.traces)
            closers.append(sender.close)
            registry = with_purge_jobs(with_durable_http(registry, sender))
            meter = Meter()
            own = metered(opened.storage, meter)
            hub = Hub(
                own, settings.hub, control_queues=settings.control_queues, telemetry=telemetry
            )
            await hub.create(
                app=settings.app_name,
                activities=tuple(registry.activities),
                prioritized=registry.prioritized,
            )

            async def another() -> tuple[Storage, Callable[[], Awaitable[None]]]:
                storage = await opening()
                return metered(storage.storage, meter), storage.close

            keeping = ThreadKeeping(another)
            await keeping.start()
            closers.append(keeping.close)
            runtime = Runtime(hub, registry, keeping, options)
            kind = "functions" if under_functions else "worker"
            usage = UsageReporter(hub, meter, runtime.spawn, host=kind, node=platform.node())
            runtime.on_turn = usage.note_turn
            # there, a timer trigger sweeps, which runs in one process
            sweeping = None if under_functions else SweepLease(hub, runtime.taking)
            links = LinkSigner(
                (await hub.secret("links")).encode(),
                f"{_base(settings, base_url)}{_prefix(settings)}",
                lifetime=settings.link_lifetime,
                now=hub.storage.clock.now,
            )

            async def ask() -> None:
                with upkeep():
                    await own.tables.get(hub.names.hub_table, "-", "-")

            asking = asyncio.create_task(keep_sharp(clock, ask))
            closers.append(partial(_ended, asking))
        except BaseException:
            for close in reversed(closers):
                await close()
            raise
        return cls(
            settings, hub, registry, runtime, links, opened.storage, usage, sweeping, closers
        )

    async def sweep(self) -> None:
        """See `Runtime.sweep`: one of several workers does it. Now and then the figures of this
        process are written."""
        lease = self._sweeping
        if lease is None or await lease.acquire():
            try:
                await self.runtime.sweep()
            except Exception:
                if lease is not None:
                    await lease.release()
                raise
        await self.usage.write_if_due()

    async def drain(self, seconds: float) -> None:
        """See `Runtime.drain`; then the last figures of this process are written."""
        is_first = not self.runtime.is_draining
        await self.runtime.drain(seconds)
        if is_first:
            with suppress(TimeoutError):
                async with asyncio.timeout(LAST_WRITE):
                    if self._sweeping is not None:
                        await self._sweeping.release()
                    await self.usage.write()

    async def close(self, *, drain: float = 0.0) -> None:
        """Stop taking work on, give what runs up to `drain` seconds, and disconnect."""
        await self.drain(drain)
        for close in reversed(self._closers):
            await close()
        self._closers.clear()


class DurableApp:
    """What a DFApp or Blueprint carries as its attribute `durable`: its functions, and the host
    that runs them."""

    def __init__(self) -> None:
        self.registry = Registry()
        self.versioning: VersioningOptions | None = None
        self.filters: WorkItemFilters | None = None
        self.exceptions: ExceptionPropertiesProvider | None = None
        self.builtin: set[str] = set()
        self.folder: Path | None = None
        self._host: DurableHost | None = None
        self._lent: DurableOrchestrationClient | None = None
        self._opening: asyncio.Task[DurableHost] | None = None

    def taken(self, settings: Settings) -> Registry:
        """The functions that a worker with these settings takes work for. ConfigurationError for
        filters that name others than the app has."""
        filters = settings.filters or self.filters
        return self.registry if filters is None else filters.applied(self.registry)

    async def open(
        self, settings: Settings, *, base_url: str | None = None, under_functions: bool = False
    ) -> DurableHost:
        """A host of the app's functions: see `DurableHost.open`."""
        return await DurableHost.open(
            settings,
            self.registry
            if self.exceptions is None
            else self.registry.described_by(self.exceptions),
            base_url=base_url,
            under_functions=under_functions,
            versioning=self.versioning,
            filters=self.filters,
        )

    def attach(self, host: DurableHost | None) -> None:
        """Use this host from now on; None detaches it."""
        self._host = host

    def lend(self, client: DurableOrchestrationClient | None) -> DurableOrchestrationClient | None:
        """Give functions this client, and open no host for them; None ends it. Answers the one
        that was lent before."""
        before, self._lent = self._lent, client
        return before

    async def host(self) -> DurableHost:
        """The attached host, or else one opened on first use from the environment, as under the
        Functions host. Concurrent callers share one; a failed opening is tried again."""
        if self._host is None:
            if self._opening is None:
                self._opening = asyncio.ensure_future(self._open())
            try:
                self._host = await asyncio.shield(self._opening)
            finally:
                if self._opening is not None and self._opening.done():
                    self._opening = None
        return self._host

    async def client(self) -> DurableOrchestrationClient:
        """The client that is lent, else the host's."""
        if self._lent is not None:
            return self._lent
        return (await self.host()).client

    async def _open(self) -> DurableHost:
        # the Functions host spells it this way
        folder = self.folder or Path(os.environ.get("AzureWebJobsScriptRoot") or ".")  # noqa: SIM112
        return await self.open(load_settings(folder), under_functions=True)


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])


def _options(settings: Settings, under_functions: bool) -> RuntimeOptions:
    timeout = settings.function_timeout
    return RuntimeOptions(
        max_activities=settings.max_concurrent_activities,
        max_orchestrations=settings.max_concurrent_orchestrators,
        max_entities=settings.max_concurrent_entities,
        max_processes=settings.max_concurrent_processes,
        max_attempts=settings.max_attempts,
        max_payload=settings.max_payload,
        always_queue=settings.always_queue,
        cache=settings.cached_instances,
        checkpoint_steps=settings.checkpoint_steps,
        packed=settings.calls_per_message,
        direct=settings.direct_completion,
        grouped=settings.group_arrivals,
        retention=settings.retention,
        local_budget=LOCAL_BUDGET if under_functions else None,
        invocation_budget=(
            timeout.total_seconds() / 2 if under_functions and timeout is not None else None
        ),
    )


def _base(settings: Settings, listening: str | None) -> str:
    if settings.base_url:
        return settings.base_url.rstrip("/")
    if settings.website_hostname:
        scheme = "http" if settings.website_hostname.startswith("localhost") else "https"
        return f"{scheme}://{settings.website_hostname}"
    return (listening or "http://localhost:7071").rstrip("/")


def _prefix(settings: Settings) -> str:
    return f"/{settings.route_prefix}" if settings.route_prefix else ""
