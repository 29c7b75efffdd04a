"""Tests of durable apps: a hub in memory with the real engine, and a clock that skips.

from durable.testing import TestHub

async def test_nobody_answers():
    async with TestHub(app) as hub:
        assert await hub.run("request_approval", request) == "expired"

`replay` and `replay_instances` hold stored histories against today's code: see `durable.replaying`.
"""

from durable.replaying import (
    Replayed,
    ReplayReport,
    StoredHistory,
    Verdict,
    replay,
    replay_instances,
)
from durable.testing.activities import ActivityCall
from durable.testing.blocking import SyncTestHub, run
from durable.testing.errors import OrchestrationFailedError, StalledError
from durable.testing.hub import TestHub

__all__ = [
    "ActivityCall",
    "OrchestrationFailedError",
    "ReplayReport",
    "Replayed",
    "StalledError",
    "StoredHistory",
    "SyncTestHub",
    "TestHub",
    "Verdict",
    "replay",
    "replay_instances",
    "run",
]
