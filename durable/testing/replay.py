"""Stored histories held against today's code, for tests: see `durable.replaying`."""

from durable.replaying import (
    Replayed,
    ReplayReport,
    StoredHistory,
    Verdict,
    replay,
    replay_instances,
)

__all__ = [
    "ReplayReport",
    "Replayed",
    "StoredHistory",
    "Verdict",
    "replay",
    "replay_instances",
]
