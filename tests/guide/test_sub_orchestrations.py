"""docs/guide/sub-orchestrations.md"""

from __future__ import annotations

from durable.model.instance import OrchestrationRuntimeStatus as Status
from tests.guide.running import Guide, result


async def test_the_page() -> None:
    async with Guide("sub-orchestrations") as guide:
        await guide.start("ship_order", ["a", "b"], "order-0")
        child = await guide.status("order-0-a")
        assert (child.parent_instance_id, child.tags) == ("order-0", {"kind": "parcel"})
        for name in "ab":
            await guide.client.raise_event(f"order-0-{name}", "packed")
        expected = ["a is on its way", "b is on its way"]
        assert result(await guide.wait("order-0")) == expected

        await guide.start("ship_order", ["a"], "order-1")
        await guide.snippet("terminate")
        for ended in ("order-1", "order-1-a"):
            assert (await guide.wait(ended)).runtime_status is Status.TERMINATED
        await guide.start("ship_order", ["a"], "order-2")
        await guide.client.terminate("order-2")
        await guide.run(60)
        assert (await guide.status("order-2-a")).runtime_status is Status.RUNNING
