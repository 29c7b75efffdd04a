"""Forks: new instances that begin at a step of others."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final

from durable.client.reusing import IdReusePolicy
from durable.client.starting import StartRequest, start
from durable.client.steering import Steering
from durable.engine.forking import check_step
from durable.errors import InstanceNotFoundError
from durable.hub.rows import PURGING, Head
from durable.model.instance import ForkedFrom, check_instance_id
from durable.model.tags import check_tags
from durable.model.versioning import check_version


class Unchanged(Enum):
    """What says that a fork has the input of its source."""

    UNCHANGED = "unchanged"


UNCHANGED: Final = Unchanged.UNCHANGED


class Forking(Steering):
    """See the module."""

    async def fork(
        self,
        instance_id: str,
        step: int,
        *,
        input_: object = UNCHANGED,
        new_instance_id: str | None = None,
        version: str | None = None,
        tags: Mapping[str, str] | None = None,
        trace: tuple[str, str] = ("", ""),
    ) -> str:
        """Start a new instance from a step of another, which may run or have ended; its id.

        A step is the number of a task, from 0 in the order in which the orchestrator asked for
        them. Results of tasks before `step`, and events that came before it was asked for, are
        taken over as they are recorded when the fork begins; all else runs anew, with the code
        that the worker has. What was taken over is not done again, and tasks before `step` that
        had no result are. From 0 it is a start with the same input. Of an instance that continued
        as new the present generation counts.

        Function, input, version ("" is none) and tags are the source's unless given. Raises
        InstanceNotFoundError, InvalidRequestError for a step that the instance has not, or inside
        a critical section, and InstanceExistsError where `new_instance_id` is in use.
        """
        head = await self._source(instance_id)
        history = [stored.turn for stored in await self._hub.instances.history(head)]
        check_step(instance_id, history, step)
        marks = head.tags if tags is None else check_tags(tags)
        target = self.new_id() if new_instance_id is None else check_instance_id(new_instance_id)
        request = StartRequest(
            head.name,
            target,
            await self._input_of(head, input_),
            head.version if check_version(version) is None else version or None,
            marks,
            IdReusePolicy.of("error"),
            chosen=new_instance_id is not None,
            trace=trace,
            fork=ForkedFrom(instance_id, head.incarnation, head.execution_id, step),
        )
        return await start(self._hub, self._ringer, request)

    async def _source(self, instance_id: str) -> Head:
        head = await self._head(instance_id)
        if head.status == PURGING:
            raise InstanceNotFoundError(f"instance {instance_id!r} is being purged")
        return head

    async def _input_of(self, head: Head, given: object) -> str | None:
        if given is UNCHANGED:
            return await self._hub.instances.text(head.instance_id, head.incarnation, head.input)
        return self._payload(given, "the input")
