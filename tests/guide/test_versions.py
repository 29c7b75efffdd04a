"""docs/guide/versions.md"""

from __future__ import annotations

import durable as df
from durable.model.instance import OrchestrationRuntimeStatus as Status
from durable.runtime.options import RuntimeOptions
from tests.guide.running import Guide, result


async def test_the_page() -> None:
    checked: list[str] = []
    async with Guide("versions", checked_orders=checked) as guide:
        await guide.snippet("order-1")
        await guide.start("process_order", "milk", "order-2")
        for instance_id, version, item in (("order-1", "1.0", "tea"), ("order-2", "2.0", "milk")):
            await guide.client.raise_event(instance_id, "confirmed")
            status = await guide.wait(instance_id)
            assert (status.version, result(status)) == (version, f"{item} paid")
        assert checked == ["milk"]

        # a later version waits for a worker that takes it
        await guide.client.start_new("process_order", "order-3", "rum", version="2.1")
        await guide.client.raise_event("order-3", "confirmed")
        await guide.run(60)
        waiting = await guide.status("order-3")
        assert waiting.runtime_status is Status.PENDING
        assert waiting.waiting is not None
        assert "'process_order' of version '2.1'" in waiting.waiting
        await guide.add_runtime(options=options(df.VersionFailureStrategy.REJECT, "2.1"))
        assert result(await guide.wait("order-3")) == "rum paid"


async def test_fail() -> None:
    async with Guide("versions", checked=False, workers=0, checked_orders=[]) as guide:
        await guide.add_runtime(options=options(df.VersionFailureStrategy.FAIL, "2.0"))
        await guide.outside.start_new("process_order", "order-3", "rum", version="2.1")
        status = await guide.wait("order-3")
        assert status.failure is not None
        assert status.failure.error_type == "VersionMismatch"


def options(failure: df.VersionFailureStrategy, version: str) -> RuntimeOptions:
    """A worker of a version that takes earlier ones too."""
    older = df.VersionMatchStrategy.CURRENT_OR_OLDER
    return RuntimeOptions(versioning=df.VersioningOptions(version, version, older, failure))
