"""The app of a page of the guide, on a hub in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Self, TypeVar

import durable as df
from durable.client import DurableOrchestrationClient
from durable.client.builtin import bind_client
from durable.codec import decode
from durable.model.instance import InstanceStatus
from durable.purging import with_purge_jobs
from durable.runtime.options import RuntimeOptions
from tests.guide.pages import GUIDE, Page
from tests.memory_hub import MemoryHub

T = TypeVar("T")


class Guide(MemoryHub):
    """A page's app, with whatever it configures, and its examples in `page`.

    At the end each Python example has to have run, with every statement of its functions.
    """

    def __init__(
        self,
        page: str | Path,
        *,
        checked: bool = True,
        options: RuntimeOptions | None = None,
        workers: int = 1,
        **given: Any,
    ) -> None:
        """A page of the guide by its name, or a file; `given` is what its examples use and do
        not define. Unless `checked`, nothing has to have run: for further tests of a page."""
        self.checked = checked
        self.page = Page(GUIDE / f"{page}.md" if isinstance(page, str) else page)
        try:
            self.page.load(given)
            self.app: df.DFApp = self.page.names["app"]
            durable = self.app.durable
            options = replace(
                options or RuntimeOptions(),
                filters=durable.filters,
                versioning=durable.versioning or df.VersioningOptions(),
            )
            super().__init__(options, workers=workers)
            tables: Any = _Ticking(self.storage)
            self.use(replace(self.storage, tables=tables))
            self.registry.update(durable.registry)
            if durable.exceptions is not None:
                self.registry = self.registry.described_by(durable.exceptions)
            with_purge_jobs(self.registry)
        except BaseException:
            self.page.unload()
            raise

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        ringer = self.runtimes[0].ringer if self.runtimes else None
        answerer = self.runtimes[0].queries if self.runtimes else None
        version = self.options.versioning.default_version
        self.client = DurableOrchestrationClient(
            self.hub,
            ringer=ringer,
            registry=self.registry,
            answerer=answerer,
            default_version=version,
        )
        bind_client(self.registry, self.client)
        # what a function with a durable client is given
        self.page.names["client"] = df.DurableFunctionsClient(self.client)
        return self

    async def __aexit__(self, *exc: object) -> None:
        await super().__aexit__(*exc)
        self.page.unload()
        if exc[0] is None and self.checked:
            assert self.page.missing() == []

    async def during(self, work: Coroutine[Any, Any, T]) -> T:
        """Let things happen until a client's call returns."""
        task = asyncio.ensure_future(work)
        await self.until(task.done, timedelta(days=3650).total_seconds())
        return task.result()

    async def snippet(self, containing: str) -> None:
        """Run the example with that text, as a client would."""
        await self.during(self.page.run(containing))

    async def start(self, name: str, value: object = None, instance_id: str | None = None) -> str:
        """Start an orchestrator of the page and let it come as far as it can for now."""
        instance_id = await self.client.start_new(name, instance_id, value)
        await self.run(1)
        return instance_id

    async def outcome(self, name: str, value: object = None) -> Any:
        """The output of a new instance, or its failure's text."""
        return result(await self.wait(await self.client.start_new(name, client_input=value)))

    async def status(self, instance_id: str) -> InstanceStatus:
        """As it is now; it has to be there."""
        status = await self.client.get_status(instance_id)
        assert status is not None
        return status


class _Ticking:
    """Tables whose service's time moves on with each write, so that a client's calls have an
    order."""

    def __init__(self, storage: Any) -> None:
        self._tables, self._clock = storage.tables, storage.clock

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tables, name)

    async def transact(self, *arguments: Any, **options: Any) -> Any:
        answer = await self._tables.transact(*arguments, **options)
        self._clock.advance(0.000_001)
        return answer


def result(status: InstanceStatus) -> Any:
    """The output, or the failure's text."""
    return str(status.failure) if status.failure else decode(status.output)
