"""The bars for storage operations, as counts."""

from __future__ import annotations

import pytest

from durable.model.usage import Usage
from tests.cost.workloads import chaining, fanning, raising, work_of

ORCHESTRATION = 6
"""Operations that an orchestration may take beside its steps."""


async def test_a_chain_of_inline_steps_takes_one_operation_a_step() -> None:
    work = await work_of(chaining("inline", 10))
    assert (work.ended, work.inline_activities, work.queued_activities) == (1, 10, 0)
    assert work.operations <= 10 * 1.0 + ORCHESTRATION, work


async def test_a_chain_of_queued_activities_takes_four_operations_an_activity() -> None:
    work = await work_of(chaining("queued", 10))
    assert (work.ended, work.inline_activities, work.queued_activities) == (1, 0, 10)
    # one more than inline: that it runs is shown while it waits for the first
    assert work.operations <= 10 * 4.0 + ORCHESTRATION + 1, work
    more = await work_of(chaining("queued", 20))
    assert (more - work).operations == 10 * 4.0


@pytest.mark.parametrize("kind", ["inline", "queued"])
async def test_a_fan_in_of_1000_takes_sixty_commits(kind: str) -> None:
    work = await work_of(fanning(kind, 1000))
    assert (work.ended, work.activities) == (1, 1000)
    assert work.turns <= 60, work


async def test_a_step_costs_the_same_at_the_end_of_a_long_chain() -> None:
    short, long, longer = [await work_of(chaining("inline", n)) for n in (10, 110, 210)]
    assert _operations(longer - long) == _operations(long - short)
    assert (longer - long).bytes_received == 0


async def test_each_event_costs_the_same() -> None:
    few, more, most = [await work_of(raising(n)) for n in (2, 12, 22)]
    assert (most - more).events == 10
    assert _operations(most - more) == _operations(more - few)


def _operations(usage: Usage) -> tuple[int, int]:
    return usage.table_operations, usage.queue_operations
