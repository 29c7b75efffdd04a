"""docs/guide/steering.md"""

from __future__ import annotations

import pytest

import durable as df
from durable.model.instance import OrchestrationRuntimeStatus as Status
from tests.guide.running import Guide, result


class Store:
    """Locked at first."""

    is_open = False

    def fetch(self, item: str) -> str:
        if not self.is_open:
            raise OSError("the store is locked")
        return f"{item} fetched"


async def test_the_page() -> None:
    notes: list[str] = []
    store = Store()
    async with Guide("steering", notes=notes, store=store) as guide:
        for instance_id in ("restock-1", "restock-2"):
            await guide.start("restock", instance_id, instance_id)
        await guide.client.suspend("restock-1")
        await guide.client.raise_event("restock-1", "approved")
        await guide.run(60)
        assert (await guide.status("restock-1")).runtime_status is Status.SUSPENDED
        await guide.client.resume("restock-1")
        failed = await guide.wait("restock-1")
        assert failed.runtime_status is Status.FAILED

        await guide.snippet("terminate")
        terminated = await guide.wait("restock-2")
        assert terminated.runtime_status is Status.TERMINATED
        client = guide.page.names["client"]
        for steer in (client.suspend, client.resume, client.terminate):
            await steer("restock-2")
            with pytest.raises(df.InstanceNotFoundError):
                await steer("restock-3")
        with pytest.raises(df.InstanceFinishedError):
            await guide.snippet("suspend")

        store.is_open = True
        await guide.snippet("rewind")
        assert result(await guide.wait("restock-1")) == "restock-1 fetched"
        # what had succeeded did not run again
        assert notes == ["restock-1", "restock-2"]

        await guide.snippet("restart")
        await guide.run(1)
        for instance_id in (guide.page.names["new_id"], "restock-2"):
            assert (await guide.status(instance_id)).runtime_status is Status.RUNNING
        assert sorted(notes) == ["restock-1", "restock-1", "restock-2", "restock-2"]


async def test_suspend_and_resume() -> None:
    store = Store()
    store.is_open = True
    async with Guide("steering", checked=False, notes=[], store=store) as guide:
        await guide.start("restock", "tea", "restock-1")
        await guide.snippet("suspend")
        assert result(await guide.wait("restock-1")) == "tea fetched"
