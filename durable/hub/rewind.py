"""Lets a failed instance go on: what its failures undo is decided by its next turn."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from durable.errors import RowChanged, RowExists, RowMissing
from durable.hub.hub import Hub
from durable.hub.purge import guarded, settled
from durable.hub.ringing import Ringer, repeat
from durable.hub.rows import Head
from durable.model.events import Arrival, ExecutionRewound
from durable.model.instance import OrchestrationRuntimeStatus


async def rewind(hub: Hub, head: Head, ringer: Ringer, message_id: str, reason: str | None) -> bool:
    """Rewind a failed instance; safe to repeat under one `message_id`. False when it is not that
    incarnation, or not failed, any more. Raises InstanceExistsError when its last messages do
    not get out."""
    arrival = Arrival(ExecutionRewound(message_id, reason))
    async with guarded(hub, head.instance_id):
        current = await repeat(hub, lambda: hub.instances.head(head.instance_id))
        while current is not None and current.incarnation == head.incarnation:
            if current.status != OrchestrationRuntimeStatus.FAILED:
                break
            quiet = await settled(hub, current, ringer)
            if quiet is not None and quiet.status == OrchestrationRuntimeStatus.FAILED:
                running = replace(quiet, status=OrchestrationRuntimeStatus.RUNNING, failure=None)
                with suppress(RowChanged, RowExists, RowMissing):
                    await repeat(
                        hub,
                        lambda: hub.instances.reopen(running, message_id, arrival),  # noqa: B023
                    )
                    await ringer.ring(head.instance_id)
                    return True
            current = await repeat(hub, lambda: hub.instances.head(head.instance_id))
        if current is not None and current.incarnation == head.incarnation:
            # an answer may have been lost on the way here, and it goes on since
            lies = await repeat(
                hub,
                lambda: hub.instances.has_message(head.instance_id, head.incarnation, message_id),
            )
            if lies:
                await ringer.ring(head.instance_id)
                return True
    return False
