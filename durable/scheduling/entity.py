"""The entity behind each schedule.

It signals itself for the next planned time. Whatever changes the plan changes the token too,
so that signals of an earlier plan are ignored when they come.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from durable.client.builtin import NeedsClient
from durable.client.client import DurableOrchestrationClient
from durable.engine.entities import EntityContext
from durable.errors import DurableError
from durable.model.functions import EntityDefinition
from durable.scheduling.recurrence import Recurrence
from durable.scheduling.spec import (
    ENTITY,
    TIMING,
    ScheduleSpec,
    ScheduleState,
    ScheduleStatus,
)

logger = logging.getLogger("durable.scheduling")

LATE = timedelta(minutes=1)
"""A planned time is missed when it is over by more, or another is due as well."""

TROUBLE = timedelta(minutes=1)
AT_ONCE = 50
"""Runs that one operation starts; the next one goes on."""
ANSWERS = 10

RUN = "run"
OUTDATED = "the schedule was changed meanwhile"


@dataclass(frozen=True, slots=True)
class Request:
    """What the client asks for; `id` is its own, and becomes the token of a changed plan."""

    id: str
    spec: ScheduleSpec | None = None
    replace: bool = False
    expected: str = ""
    """An update is made of what was read with this token."""


async def perform(client: DurableOrchestrationClient, context: EntityContext) -> None:
    """One operation."""
    state = context.get_state(ScheduleState)
    if context.operation_name == RUN:
        if state is not None:
            await _Plan(client, context, state).run(context.get_input(str))
        return
    request = context.get_input(Request)
    if context.operation_name == "create":
        _create(client, context, state, request)
    elif state is not None:
        _OPERATIONS[context.operation_name](_Plan(client, context, state), request)


def schedule_entity() -> EntityDefinition:
    """What an app with schedules registers; for `durable.client.builtin.bind_client`."""
    return EntityDefinition(ENTITY, _FUNCTION)


_FUNCTION = NeedsClient(perform)


def _create(
    client: DurableOrchestrationClient,
    context: EntityContext,
    state: ScheduleState | None,
    request: Request,
) -> None:
    assert request.spec is not None
    now = context.current_utc_datetime
    if state is not None and not request.replace:
        plan = _Plan(client, context, state)
        plan.answer(request, f"a schedule {context.entity_key!r} exists already")
        return
    created = state.created_at if state is not None else now
    new = ScheduleState(request.spec, request.id, created, now, now)
    if state is not None:
        new = replace(new, answers=state.answers, last_run_at=state.last_run_at, runs=state.runs)
    plan = _Plan(client, context, new)
    plan.begin(request.id)
    plan.answer(request)


class _Plan:
    """A schedule's state, and what an operation does with it."""

    def __init__(
        self, client: DurableOrchestrationClient, context: EntityContext, state: ScheduleState
    ) -> None:
        self._client = client
        self._context = context
        self._state = state
        self._now = context.current_utc_datetime

    # ---- operations ----

    def update(self, request: Request) -> None:
        """Put a changed specification in force."""
        assert request.spec is not None
        if request.expected != self._state.token:
            self.answer(request, OUTDATED)
            return
        state, before = self._state, self._state.spec
        state.spec, state.modified_at, state.token = request.spec, self._now, request.id
        replanned = any(getattr(before, each) != getattr(state.spec, each) for each in TIMING)
        replanned = replanned or state.status is ScheduleStatus.COMPLETED
        if state.status is not ScheduleStatus.PAUSED:
            state.status = ScheduleStatus.ACTIVE
            self.begin(request.id, afresh=replanned)
        self.answer(request)

    def pause(self, request: Request) -> None:
        """Start nothing any more."""
        state = self._state
        if state.status is ScheduleStatus.ACTIVE:
            state.status, state.modified_at = ScheduleStatus.PAUSED, self._now
            state.token, state.next_run_at, state.trouble = request.id, None, None
        self.answer(request)

    def resume(self, request: Request) -> None:
        """Go on; what was planned for the pause does not run."""
        state = self._state
        if state.status is ScheduleStatus.PAUSED:
            state.status, state.modified_at = ScheduleStatus.ACTIVE, self._now
            self.begin(request.id)
        self.answer(request)

    def delete(self, request: Request) -> None:
        """Leave nothing; runs that were started go on."""
        self._context.delete_state()

    async def run(self, token: str) -> None:
        """Start what is due, and see to the next time."""
        state = self._state
        if state.status is not ScheduleStatus.ACTIVE or token != state.token:
            return
        try:
            recurrence = state.spec.recurrence(state.created_at)
            due, until = due_times(state.spec, recurrence, state.done_until, self._now)
            for planned in due:
                if state.spec.overlap == "allow" or not await self._is_running():
                    self._start(planned)
        except DurableError as error:
            self._postpone(error)
            return
        state.done_until, state.trouble = until, None
        self._await_next(recurrence)
        self._save()

    # ---- helpers ----

    def begin(self, token: str, *, afresh: bool = True) -> None:
        """Follow a plan that is new, or that goes on where it was."""
        state = self._state
        recurrence = state.spec.recurrence(state.created_at)
        state.token, state.trouble = token, None
        if afresh:
            state.done_until = self._now
            late = state.spec.start_at is None or state.spec.start_at <= self._now
            over = state.spec.end_at is not None and state.spec.end_at < self._now
            if late and not over and not state.runs and state.spec.start_immediately_if_late:
                self._start(self._now)
        self._await_next(recurrence)

    def answer(self, request: Request, error: str = "") -> None:
        """Let the client know what became of its request."""
        answers = {**self._state.answers, request.id: error}
        self._state.answers = dict(list(answers.items())[-ANSWERS:])
        self._save()

    def _await_next(self, recurrence: Recurrence) -> None:
        state = self._state
        state.next_run_at = recurrence.next(state.done_until)
        if state.next_run_at is None:
            state.status = ScheduleStatus.COMPLETED
        else:
            self._signal(state.next_run_at)

    def _postpone(self, error: DurableError) -> None:
        """An operation that fails would end the schedule."""
        logger.warning("schedule %s: %s; it is tried again", self._context.entity_key, error)
        self._context.sent.clear()
        self._state = self._context.get_state(ScheduleState, self._state)
        self._state.trouble = str(error)
        self._signal(self._now + TROUBLE)
        self._save()

    def _signal(self, moment: datetime) -> None:
        self._context.signal_entity(
            self._context.entity_id, RUN, self._state.token, signal_time=moment
        )

    def _start(self, planned: datetime) -> None:
        state, spec = self._state, self._state.spec
        instance_id = spec.instance_id or run_id(self._context.entity_key, planned)
        self._context.start_new(spec.orchestrator, spec.input, instance_id, spec.version)
        state.last_run_at, state.last_instance_id = planned, instance_id
        state.last_started_at, state.runs = self._now, state.runs + 1

    async def _is_running(self) -> bool:
        state = self._state
        if state.last_instance_id is None or state.last_started_at is None:
            return False
        status = await self._client.get_status(state.last_instance_id, show_input=False)
        if status is None or status.created_time < state.last_started_at:
            # it is not there yet, or was purged
            return self._now - state.last_started_at < LATE
        return not status.runtime_status.is_terminal

    def _save(self) -> None:
        self._context.set_state(self._state)


_OPERATIONS: dict[str, Callable[[_Plan, Request], Any]] = {
    "update": _Plan.update,
    "pause": _Plan.pause,
    "resume": _Plan.resume,
    "delete": _Plan.delete,
}


def due_times(
    spec: ScheduleSpec, recurrence: Recurrence, done_until: datetime, now: datetime
) -> tuple[list[datetime], datetime]:
    """Which planned times to start runs for, and up to when all is dealt with then."""
    most = spec.catch_up_limit if spec.catch_up == "all" else 1
    due = recurrence.last(done_until, now, most)
    if spec.catch_up == "skip" and due and now - due[-1] > LATE:
        return [], now
    if len(due) > AT_ONCE:
        return due[:AT_ONCE], due[AT_ONCE - 1]
    return due, now


def run_id(schedule_id: str, planned: datetime) -> str:
    """The instance id of the run that is planned for a time; two are a second apart or more."""
    return f"{schedule_id}-{planned.astimezone(UTC):%Y%m%dT%H%M%SZ}"
