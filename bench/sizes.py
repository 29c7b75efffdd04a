"""How much of each workload is run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sizes:
    """Of one repetition."""

    chains: int = 30
    """W1: latencies measured."""
    warm: int = 200
    """W1 and W4: chains of five, all at once, before."""
    instances: int = 500
    """W2."""
    fan_out: int = 1_000
    """W3, the smaller."""
    large_fan_out: int = 10_000
    chain: int = 500
    """W4, the shorter: steps."""
    long_chain: int = 5_000
    waiting: int = 10_000
    """W5: instances that wait for an event."""
    few_waiting: int = 100
    """W5: what memory is compared with."""
    idle_seconds: float = 20.0
    """W5, and W1 started from another process."""
    replayed: int = 5_000
    """W7: steps of the history."""
    events: int = 10
    """W8: events, timers and starts."""
    large_payload: int = 5_000_000
    """W9: characters of the larger."""
    operations: int = 1_000
    """W10."""


FULL = Sizes()
QUICK = Sizes(
    chains=3,
    warm=5,
    instances=10,
    fan_out=100,
    large_fan_out=200,
    chain=40,
    long_chain=80,
    waiting=40,
    few_waiting=10,
    idle_seconds=2.0,
    replayed=100,
    events=3,
    large_payload=200_000,
    operations=20,
)
