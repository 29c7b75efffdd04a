"""Creates, changes and shows schedules."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Literal, Unpack

from durable.client.builtin import native
from durable.client.entities import EntityState
from durable.codec import decode
from durable.engine.entity_calls import as_utc
from durable.errors import InvalidRequestError, ScheduleExistsError, ScheduleNotFoundError
from durable.model.entities import EntityId
from durable.model.functions import name_of
from durable.scheduling.entity import Request
from durable.scheduling.spec import (
    ENTITY,
    ScheduleChanges,
    ScheduleDescription,
    ScheduleOptions,
    ScheduleSpec,
    ScheduleState,
    ScheduleStatus,
    describe,
)

_LONGEST_ID = 180
"""Runs are called after it."""


class _Refused(Exception):
    """What an update was made of is not there any more."""


class ScheduleClient:
    """The schedules of a hub, through a durable client of it.

    What changes a schedule returns once the schedule has changed. Where no worker does so within
    `timeout` it raises TimeoutError; the request is stored then and will be carried out. An app
    has schedules after `app.configure_scheduled_tasks()`.
    """

    def __init__(self, client: Any, *, timeout: timedelta | float = 60.0) -> None:
        """`timeout` is in seconds, or a timedelta."""
        self._client = native(client)
        self._timeout = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout

    async def create(
        self,
        schedule_id: str,
        orchestrator: str | Callable[..., Any],
        input_: Any = None,
        *,
        if_exists: Literal["error", "replace"] = "error",
        **options: Unpack[ScheduleOptions],
    ) -> ScheduleDescription:
        """Have `orchestrator` started with `input_` again and again: by `cron=` or `interval=`,
        and the other options of `ScheduleSpec`.

        Raises InvalidRequestError for what cannot be a schedule, UnknownFunctionError for an
        orchestrator that the app does not have, and ScheduleExistsError.
        """
        _check_names(options, ScheduleOptions)
        spec = ScheduleSpec(name_of(orchestrator), input_, **options)
        self._check(spec)
        entity_id = _entity_id(schedule_id)
        request = Request(self._client.new_id(), spec, if_exists == "replace")
        if if_exists == "error" and await self._state(entity_id) is not None:
            raise ScheduleExistsError(f"a schedule {schedule_id!r} exists already")
        return await self._ask(entity_id, "create", request, ScheduleExistsError)

    async def get(self, schedule_id: str) -> ScheduleDescription | None:
        """The schedule as it is now; None if there is none."""
        state = await self._state(_entity_id(schedule_id))
        return describe(schedule_id, state) if state is not None else None

    async def list(
        self,
        *,
        prefix: str = "",
        status: ScheduleStatus | None = None,
        created_from: datetime | None = None,
        created_to: datetime | None = None,
    ) -> AsyncIterator[ScheduleDescription]:
        """Schedules in the order of their ids: those whose ids begin with `prefix`, of that
        status, created in that time."""
        low, high = as_utc(created_from), as_utc(created_to)
        async for entity in self._client.list_entities(name=ENTITY, prefix=prefix):
            state = _read(entity)
            if (
                state is not None
                and (status is None or state.status is status)
                and (low is None or state.created_at >= low)
                and (high is None or state.created_at <= high)
            ):
                yield describe(entity.entity_id.key, state)

    async def update(
        self, schedule_id: str, **changes: Unpack[ScheduleChanges]
    ) -> ScheduleDescription:
        """Change what is given and leave the rest. A cron expression takes the place of an
        interval, and the other way round. Changes of its times count from now on.

        Raises as `create`, and ScheduleNotFoundError.
        """
        entity_id = _entity_id(schedule_id)
        _check_names(changes, ScheduleChanges)
        values: dict[str, Any] = dict(changes)
        if "cron" in changes or "interval" in changes:
            values = {"cron": None, "interval": None, **values}
        if "orchestrator" in changes:
            values["orchestrator"] = name_of(changes["orchestrator"])
        while True:
            state = await self._found(entity_id)
            spec = replace(state.spec, **values)
            self._check(spec)
            request = Request(self._client.new_id(), spec, expected=state.token)
            try:
                return await self._ask(entity_id, "update", request, _Refused)
            except _Refused:
                continue

    async def pause(self, schedule_id: str) -> ScheduleDescription:
        """Start nothing until `resume`. Raises ScheduleNotFoundError."""
        return await self._change(schedule_id, "pause")

    async def resume(self, schedule_id: str) -> ScheduleDescription:
        """Go on with a paused schedule; what was planned for the pause does not run. Raises
        ScheduleNotFoundError."""
        return await self._change(schedule_id, "resume")

    async def delete(self, schedule_id: str) -> None:
        """Remove a schedule; runs that it started go on. Raises ScheduleNotFoundError."""
        entity_id = _entity_id(schedule_id)
        state = await self._found(entity_id)
        await self._client.signal_entity(entity_id, "delete", Request(self._client.new_id()))

        async def gone() -> bool:
            now = await self._state(entity_id)
            # another may have created it anew meanwhile
            return now is None or now.created_at != state.created_at

        await self._client.wait_until(gone, self._timeout, f"the removal of {schedule_id!r}")

    # ---- helpers ----

    def _check(self, spec: ScheduleSpec) -> None:
        spec.check()
        self._client.check_orchestrator(spec.orchestrator)

    async def _change(self, schedule_id: str, operation: str) -> ScheduleDescription:
        entity_id = _entity_id(schedule_id)
        await self._found(entity_id)
        return await self._ask(entity_id, operation, Request(self._client.new_id()))

    async def _ask(
        self,
        entity_id: EntityId,
        operation: str,
        request: Request,
        refusal: type[Exception] = _Refused,
    ) -> ScheduleDescription:
        await self._client.signal_entity(entity_id, operation, request)
        seen: ScheduleState | None = None

        async def answered() -> bool:
            nonlocal seen
            seen = await self._state(entity_id)
            if seen is None and operation != "create":
                raise ScheduleNotFoundError(f"the schedule {entity_id.key!r} was deleted")
            return seen is not None and request.id in seen.answers

        what = f"{operation} of schedule {entity_id.key!r}"
        await self._client.wait_until(answered, self._timeout, what)
        assert seen is not None
        if error := seen.answers[request.id]:
            raise refusal(error)
        return describe(entity_id.key, seen)

    async def _found(self, entity_id: EntityId) -> ScheduleState:
        state = await self._state(entity_id)
        if state is None:
            raise ScheduleNotFoundError(f"there is no schedule {entity_id.key!r}")
        return state

    async def _state(self, entity_id: EntityId) -> ScheduleState | None:
        return _read(await self._client.read_entity_state(entity_id))


def _read(entity: EntityState | None) -> ScheduleState | None:
    state: ScheduleState | None = decode(entity.state, ScheduleState) if entity else None
    return state


def _check_names(given: Mapping[str, object], known: Any) -> None:
    if unknown := given.keys() - known.__annotations__.keys():
        raise InvalidRequestError(f"a schedule has no option {', '.join(sorted(unknown))}")


def _entity_id(schedule_id: str) -> EntityId:
    if not isinstance(schedule_id, str) or not schedule_id or len(schedule_id) > _LONGEST_ID:
        raise InvalidRequestError(f"a schedule's id has 1 to {_LONGEST_ID} characters")
    if schedule_id.startswith("@"):
        raise InvalidRequestError("a schedule's id does not begin with '@'")
    return EntityId(ENTITY, schedule_id)
