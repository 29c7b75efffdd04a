"""Tests of durable apps: a hub in memory with the real engine, and a clock that skips.

from durable.testing import TestHub

async def test_nobody_answers():
    async with TestHub(app) as hub:
        assert await hub.run("request_approval", request) == "expired"
"""

from durable.testing.activities import ActivityCall
from durable.testing.blocking import SyncTestHub, run
from durable.testing.errors import OrchestrationFailedError, StalledError
from durable.testing.hub import TestHub

__all__ = [
    "ActivityCall",
    "OrchestrationFailedError",
    "StalledError",
    "SyncTestHub",
    "TestHub",
    "run",
]
