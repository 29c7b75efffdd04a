"""What an instance waits for, in words."""

from __future__ import annotations

from durable.engine.execution import Execution
from durable.errors import DurableError
from durable.hub.hub import Hub
from durable.hub.rows import Head
from durable.model.entities import EntityId
from durable.model.events import (
    EntityLockRequested,
    EntityOperationCalled,
    Event,
    SubOrchestrationInstanceCreated,
    TaskScheduled,
    TimerCreated,
)
from durable.model.instance import OrchestrationRuntimeStatus as Status
from durable.runtime.loading import stored_history
from durable.runtime.loopless import without_event_loop
from durable.runtime.taking import Taking

_ADD = (
    "check the name, or register the blueprint that has it, in the app or in a DFApp of the test's"
)


class Wanting:
    """Explains the instances of a hub."""

    def __init__(self, hub: Hub, taking: Taking) -> None:
        self._hub = hub
        self._taking = taking
        self._registry = taking.registry

    async def explain(self, instance_id: str) -> str:
        """Its name, its status, and what it waits for, as a part of a sentence."""
        head = await self._hub.instances.head(instance_id)
        if head is None:
            return f"there is no instance {instance_id!r}"
        status = head.runtime_status
        what = f"instance {instance_id!r} of {head.name!r} is {status}"
        if head.failure is not None:
            return f"{what}: {head.failure}"
        if head.is_terminal:
            return what
        if status is Status.SUSPENDED:
            return f"{what}, and goes on after a resume"
        if status is Status.PENDING and head.start_at is not None:
            return f"{what}, and begins at {head.start_at}"
        if lacking := self._taking.lacks(head):
            return f"{what} and waits for {lacking.needs}: {lacking}"
        try:
            execution = await self._execution(head)
        except DurableError as error:
            return f"{what}, and its history cannot be replayed: {error}"
        wanted = [await self._words(item.event) for item in execution.outstanding.values()]
        wanted += [f"the event {name!r}" for name in execution.decider.awaited_events]
        wanted += [f"the update {name!r}" for name in execution.decider.updates.awaited]
        names = dict.fromkeys(event.name for event in execution.decider.updates.unconsumed())
        untaken = "".join(f"; nothing takes its update {name!r}" for name in names)
        execution.close()
        return f"{what} and waits for {', and for '.join(wanted) or 'nothing'}{untaken}"

    async def _execution(self, head: Head) -> Execution:
        instances = self._hub.instances
        start, history = await stored_history(instances, head, {})
        definition = self._registry.orchestrator(head.name)
        with without_event_loop():
            return Execution.replay(definition, head.instance_id, start, head.parent, history)

    async def _words(self, event: Event) -> str:
        match event:
            case TaskScheduled():
                return f"the activity {event.name!r}"
            case TimerCreated():
                return f"a timer that is due at {event.fire_at}"
            case SubOrchestrationInstanceCreated(name=name):
                lack = await self._lack_of_child(event.instance_id, name)
                return f"the sub-orchestration {event.instance_id!r} of {name!r}{lack}"
            case EntityOperationCalled():
                lack = self._lack_of(event.entity_id)
                return f"the operation {event.operation!r} of the entity {event.entity_id}{lack}"
            case EntityLockRequested():
                lack = self._lack_of(event.entity_id)
                return f"the lock of the entity {event.entity_id}{lack}"
            case _:
                return type(event).__name__

    async def _lack_of_child(self, instance_id: str, name: str) -> str:
        if name not in self._registry.orchestrators:
            return f", which the app lacks: {_ADD}"
        head = await self._hub.instances.head(instance_id)
        lacking = None if head is None else self._taking.lacks(head)
        return "" if lacking is None else f", which waits for {lacking.needs}"

    def _lack_of(self, entity_id: str) -> str:
        name = EntityId.parse(entity_id).name
        return "" if name in self._registry.entities else f", which the app lacks: {_ADD}"
