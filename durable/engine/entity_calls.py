"""What an orchestrator does with entities: calls, signals, and sections that lock them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, TypeVar, overload

from durable.codec import encode
from durable.engine.decider import Decider
from durable.engine.tasks import DurableTask, MappedTask, PayloadTask
from durable.errors import InvalidRequestError
from durable.model.entities import EntityId
from durable.model.events import (
    EntityLockRequested,
    EntityOperationCalled,
    EntityOperationSignaled,
    EntityUnlockSent,
)

T = TypeVar("T")


class EntityLock:
    """Entities that this orchestration has to itself, until `release` or the end of a `with`
    or `async with`."""

    def __init__(self, entity_ids: tuple[EntityId, ...], release: Callable[[], None]) -> None:
        self.entity_ids = entity_ids
        self._release: Callable[[], None] | None = release

    def release(self) -> None:
        """Let others in; a second time does nothing."""
        release, self._release = self._release, None
        if release is not None:
            release()

    def __enter__(self) -> EntityLock:
        return self

    def __exit__(self, *error: object) -> None:
        self.release()

    async def __aenter__(self) -> EntityLock:
        return self

    async def __aexit__(self, *error: object) -> None:
        self.release()


class LockTask(MappedTask[EntityLock]):
    """Done when all entities are locked. `async with` waits for it, and releases them."""

    async def __aenter__(self) -> EntityLock:
        return await self

    async def __aexit__(self, *error: object) -> None:
        self.get_result().release()


class EntityCalls:
    """The entity part of an orchestration's context."""

    def __init__(self, decider: Decider) -> None:
        self._decider = decider
        self._section: frozenset[EntityId] | None = None
        self._called: dict[EntityId, DurableTask[Any]] = {}

    @overload
    def call_entity(
        self,
        entity_id: EntityId,
        operation: str,
        input_: object = None,
        *,
        expected_type: type[T],
    ) -> DurableTask[T]: ...
    @overload
    def call_entity(
        self, entity_id: EntityId, operation: str, input_: object, expected_type: type[T]
    ) -> DurableTask[T]: ...
    @overload
    def call_entity(
        self,
        entity_id: EntityId,
        operation: str,
        input_: object = None,
        expected_type: Any = None,
    ) -> DurableTask[Any]: ...
    def call_entity(
        self,
        entity_id: EntityId,
        operation: str,
        input_: object = None,
        expected_type: Any = None,
    ) -> DurableTask[Any]:
        """Have an entity perform an operation, and await its result. One that raises makes the
        task fail with EntityOperationFailedError.

        Between `lock_entities` and the release only locked entities can be called, each once
        at a time.
        """
        check_operation(entity_id, operation)
        if self._section is not None:
            if entity_id not in self._section:
                raise InvalidRequestError(
                    f"{entity_id} is not locked, and in a critical section only locked entities "
                    "can be called: lock it too, or call it before or after"
                )
            earlier = self._called.get(entity_id)
            if earlier is not None and not earlier.is_completed:
                raise InvalidRequestError(
                    f"a call of {entity_id} is under way: await it before the next one"
                )
        decider, task = self._decider, PayloadTask[Any](expected_type)
        task_id = decider.new_id()
        decider.track(task_id, f"{operation} of {entity_id}", task)
        payload = encode(input_) if input_ is not None else None
        decider.decide(EntityOperationCalled(task_id, str(entity_id), operation, payload))
        self._called[entity_id] = task
        return task

    def signal_entity(
        self,
        entity_id: EntityId,
        operation: str,
        input_: object = None,
        *,
        signal_time: datetime | None = None,
    ) -> None:
        """Have an entity perform an operation, at `signal_time` at the earliest, and do not wait
        for it. Signals from one orchestration arrive in their order."""
        check_operation(entity_id, operation)
        if self._section is not None and entity_id in self._section:
            raise InvalidRequestError(
                f"{entity_id} is locked by this orchestration: call it, or signal it afterwards"
            )
        decider = self._decider
        payload = encode(input_) if input_ is not None else None
        due = as_utc(signal_time)
        decider.decide(
            EntityOperationSignaled(decider.new_id(), str(entity_id), operation, payload, due)
        )

    def lock_entities(self, entity_ids: Iterable[EntityId]) -> LockTask:
        """Have entities to oneself: `async with context.lock_entities([a, b]):`, in a generator
        `with (yield context.lock_entities([a, b])):`.

        They are locked one after another in the order of their ids, so that two orchestrations
        never wait for each other. Sections do not nest. However the orchestration ends, its
        locks end with it.
        """
        wanted = tuple(sorted(set(entity_ids), key=str))
        for entity_id in wanted:
            check_operation(entity_id, "lock")
        if not wanted:
            raise InvalidRequestError("lock_entities needs at least one entity")
        self._refuse_in_section("lock entities")
        # asked for is as good as locked: nothing may slip in between
        self._section = frozenset(wanted)
        decider, asked = self._decider, list[EntityLockRequested]()

        def request() -> DurableTask[Any]:
            task: PayloadTask[Any] = PayloadTask(None)
            entity_id = str(wanted[len(asked)])
            lock = EntityLockRequested(decider.new_id(), entity_id)
            asked.append(lock)
            decider.track(lock.task_id, f"lock of {entity_id}", task)
            decider.decide(lock)
            return task

        def release() -> None:
            self._section = None
            for lock in reversed(asked):
                decider.decide(EntityUnlockSent(lock.task_id, lock.entity_id))

        def step(outer: MappedTask[EntityLock], done: DurableTask[Any]) -> DurableTask[Any] | None:
            if len(asked) < len(wanted):
                return request()
            outer.complete(EntityLock(wanted, release))
            return None

        return LockTask(request(), step)

    def _refuse_in_section(self, what: str) -> None:
        if self._section is not None:
            raise InvalidRequestError(
                f"an orchestration that holds entity locks cannot {what}: release them first"
            )


def check_operation(entity_id: object, operation: object) -> None:
    """Raises InvalidRequestError unless these are an EntityId and an operation's name."""
    if not isinstance(entity_id, EntityId):
        raise InvalidRequestError(
            f"an entity is named by an EntityId(name, key), not {type(entity_id).__name__}"
        )
    if not isinstance(operation, str) or not operation:
        raise InvalidRequestError("an operation is named by a text that is not empty")


def as_utc(moment: datetime | None) -> datetime | None:
    """A naive time is taken as UTC. Raises InvalidRequestError for what is no time."""
    if moment is None:
        return None
    if not isinstance(moment, datetime):
        raise InvalidRequestError(f"expected a datetime, not {type(moment).__name__}")
    try:
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError:
        raise InvalidRequestError(f"{moment} is not a time between the years 1 and 9999") from None
