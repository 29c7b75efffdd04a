"""Stored histories held against today's code: does it still decide what they have?

Nothing is written and no activity runs: the orchestrators alone are run over what is stored.
"""

from durable.replaying.hub import read_histories, replay_instances
from durable.replaying.replaying import replay
from durable.replaying.report import Replayed, ReplayReport, Verdict
from durable.replaying.stored import StoredHistory, UnreadableHistory

__all__ = [
    "ReplayReport",
    "Replayed",
    "StoredHistory",
    "UnreadableHistory",
    "Verdict",
    "read_histories",
    "replay",
    "replay_instances",
]
