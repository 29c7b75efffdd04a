"""What a fork takes over, read from its source."""

from __future__ import annotations

from dataclasses import replace

from durable.engine.forking import Prefix, prefix_of
from durable.errors import ForkError
from durable.hub.instances import Instances
from durable.hub.payloads import references
from durable.hub.reading import PayloadGone
from durable.hub.rows import PURGING, Head
from durable.hub.together import together
from durable.model.events import Turn
from durable.model.instance import ForkedFrom


async def prefix_for(instances: Instances, fork: ForkedFrom) -> Prefix:
    """What a fork takes over, all payloads as text. Raises ForkError when its source is not what
    it was forked from any more."""
    try:
        head = await _source(instances, fork)
        turns = [
            await _resolved(instances, head, stored.turn)
            for stored in await instances.history(head)
        ]
    except PayloadGone:
        await _source(instances, fork)
        raise
    # a source that was trimmed or purged meanwhile was read in part
    await _source(instances, fork)
    return prefix_of(fork.execution_id, turns, fork.step)


async def _source(instances: Instances, fork: ForkedFrom) -> Head:
    head = await instances.head(fork.instance_id)
    if head is None or head.status == PURGING:
        now = "is gone"
    elif head.incarnation != fork.incarnation:
        now = "was replaced by another"
    elif head.execution_id != fork.execution_id:
        now = "has continued as new"
    else:
        return head
    raise ForkError(
        f"instance {fork.instance_id!r}, from which this was forked at step {fork.step}, {now}: "
        "what was to be taken over is not there any more"
    )


async def _resolved(instances: Instances, head: Head, turn: Turn) -> Turn:
    if not references(turn):
        return turn
    # where they lie there is of no use in another partition
    events = await together(turn.events, lambda event: instances.resolve(head, event, {}))
    return replace(turn, events=tuple(events))
