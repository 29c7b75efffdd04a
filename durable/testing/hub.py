"""`TestHub`: an app on a hub in memory, where time passes for who waits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from durable.client.access import seconds_of
from durable.client.builtin import bind_client
from durable.codec import decode, return_annotation_of
from durable.compat.client import DurableFunctionsClient
from durable.compat.v1.status import DurableOrchestrationStatus
from durable.errors import HttpTargetRefusedError, InstanceNotFoundError
from durable.model.entities import EntityId
from durable.model.events import Event
from durable.model.functions import Registry, user_function
from durable.model.http import DurableHttpRequest, HttpAnswer
from durable.model.instance import InstanceStatus, OrchestrationRuntimeStatus
from durable.model.versioning import VersioningOptions
from durable.outbound import with_durable_http
from durable.purging import with_purge_jobs
from durable.runtime.options import RuntimeOptions
from durable.telemetry import NO_TELEMETRY, Telemetry
from durable.testing.activities import Activities, ActivityCall
from durable.testing.apps import TestedApp, durable_of
from durable.testing.client import HubClient
from durable.testing.errors import OrchestrationFailedError, StalledError
from durable.testing.skipping import SkippingWorld

Orchestrator = str | Callable[..., Any]
START = datetime(2026, 1, 1, tzinfo=UTC)
PATIENCE = 30.0


class TestHub:
    """An app with the real engine, runtime and client, on storage in memory and a clock that
    skips: whenever somebody waits and nothing can run, it goes to the next thing that is due.

        async with TestHub(app) as hub:
            assert await hub.run("approve", {"amount": 7}) == "approved"

    While nobody waits, no time passes: an orchestration without end does not run away. User code
    may take real time (a request, `asyncio.sleep`); the clock stands still meanwhile.
    """

    __test__ = False  # not for pytest to collect

    def __init__(
        self,
        app: TestedApp,
        *,
        activities: Mapping[str, object] | None = None,
        start_time: datetime = START,
        replay_every_turn: bool = False,
        patience: float = PATIENCE,
        telemetry: Telemetry = NO_TELEMETRY,
    ) -> None:
        """`activities` are replaced, see `replace`. With `replay_every_turn` no orchestrator's
        code is kept in memory, so that code which is not deterministic shows at once. `patience`
        is how many real seconds one wait may take. `telemetry`, from `open_telemetry`, is told what
        is done, on the hub's clock; nobody else is.

        Raises ConfigurationError for what is no app, UnknownFunctionError for activities that
        the app does not have.
        """
        self._durable = durable = durable_of(app)
        versioning = durable.versioning or VersioningOptions()
        options = RuntimeOptions(versioning=versioning, replay_every_turn=replay_every_turn)
        start = start_time if start_time.tzinfo else start_time.replace(tzinfo=UTC)
        self._world = world = SkippingWorld(
            options, start=start, patience=patience, telemetry=telemetry
        )
        self._registry = registry = world.registry
        own = durable.registry
        if durable.exceptions is not None:
            own = own.described_by(durable.exceptions)
        registry.update(with_purge_jobs(with_durable_http(own, _NoHttp())))
        self._own_client = HubClient(world, registry, versioning)
        self._is_begun = False
        bind_client(registry, self._own_client)
        self._activities = Activities(registry, world.underway, world.now)
        _track_entities(registry, world)
        for name, by in (activities or {}).items():
            self.replace(name, by)

    async def __aenter__(self) -> Self:
        await self._world.hub.create(
            app="test",
            activities=tuple(self._registry.activities),
            prioritized=self._registry.prioritized,
        )
        await self._world.begin()
        self._is_begun = True
        self._lent_before = self._durable.lend(self._native)
        return self

    async def __aexit__(self, *error: object) -> None:
        self._durable.lend(self._lent_before)
        await self._world.end()

    # ---- orchestrations ----

    @property
    def _native(self) -> HubClient:
        if not self._is_begun:
            raise RuntimeError("the hub has not begun: use it in `async with TestHub(app) as hub`")
        return self._own_client

    @property
    def client(self) -> DurableFunctionsClient:
        """What a function with a durable client is given: pass it to starters. What is asked of it
        is carried out once somebody waits, or at `settle`."""
        return DurableFunctionsClient(self._native)

    async def start(
        self,
        orchestrator: Orchestrator,
        input: object = None,
        *,
        instance_id: str | None = None,
        **options: Any,
    ) -> str:
        """Start an orchestration, by name or by reference, and let it come as far as it can
        without time. Returns the instance id; `options` and errors are those of
        `client.start_new`."""
        started = await self._native.start_new(orchestrator, instance_id, input, **options)
        await self.settle()
        return started

    async def run(
        self,
        orchestrator: Orchestrator,
        input: object = None,
        *,
        instance_id: str | None = None,
        expected_type: Any = None,
        timeout: timedelta | float | None = None,
        **options: Any,
    ) -> Any:
        """Start an orchestration, let it end, and return its output: plain JSON, or as
        `expected_type`, or for an orchestrator by reference as it is annotated.

        Raises OrchestrationFailedError, StalledError if it cannot end, and TimeoutError after
        `timeout` (seconds or a timedelta, of the hub's time).
        """
        function = None if isinstance(orchestrator, str) else user_function(orchestrator)
        if expected_type is None and function is not None:
            expected_type = return_annotation_of(function)
        started = await self._native.start_new(orchestrator, instance_id, input, **options)
        return await self.result(started, expected_type=expected_type, timeout=timeout)

    async def result(
        self,
        instance_id: str,
        *,
        expected_type: Any = None,
        timeout: timedelta | float | None = None,
    ) -> Any:
        """Let an instance end, and return its output; errors as for `run`."""
        status = await self._native.wait_for_completion(instance_id, timeout)
        if status.runtime_status is OrchestrationRuntimeStatus.COMPLETED:
            return decode(status.output, expected_type)
        raise OrchestrationFailedError(_ending(status), instance_id, status.failure)

    async def wait_for(
        self,
        instance_id: str,
        condition: Callable[[DurableOrchestrationStatus], object] | None = None,
        *,
        timeout: timedelta | float | None = None,
    ) -> DurableOrchestrationStatus:
        """Let things happen until `condition(status)` is true, or without one until the instance
        has ended; its status then. Raises InstanceNotFoundError, StalledError if that cannot
        happen, and TimeoutError after `timeout` (seconds or a timedelta, of the hub's time)."""
        if condition is None:
            return _shown(await self._native.wait_for_completion(instance_id, timeout))
        seconds = seconds_of(timeout)
        until = None if seconds is None else self.now + timedelta(seconds=seconds)

        async def done() -> DurableOrchestrationStatus | None:
            status = await self.status(instance_id)
            if condition(status):
                return status
            if status.runtime_status in _OVER:
                explained = await self._native.explain(instance_id)
                raise StalledError(f"the condition did not come true: {explained}")
            return None

        found = await self._world.wait(
            done, until=until, explain=lambda: self._native.explain(instance_id)
        )
        if found is None:
            explained = await self._native.explain(instance_id)
            raise TimeoutError(f"after {seconds:g} s of the hub's time {explained}")
        return found

    async def status(self, instance_id: str) -> DurableOrchestrationStatus:
        """The instance as it is now, payloads as plain JSON. Raises InstanceNotFoundError."""
        status = await self._native.get_status(instance_id)
        if status is None:
            raise InstanceNotFoundError(f"there is no instance {instance_id!r}")
        return _shown(status)

    async def history(self, instance_id: str) -> list[tuple[datetime, Event]]:
        """The events of an instance, oldest first, each with the time of its turn. Raises
        InstanceNotFoundError."""
        return await self._native.get_history(instance_id, payloads=True)

    async def raise_event(self, instance_id: str, name: str, data: object = None) -> None:
        """Give an instance an event, and let happen what needs no time. Raises
        InstanceNotFoundError, InstanceFinishedError."""
        await self._native.raise_event(instance_id, name, data)
        await self.settle()

    async def query(
        self,
        instance_id: str,
        name: str,
        query_input: object = None,
        *,
        expected_type: Any = None,
    ) -> Any:
        """What an instance answers from its state, without anything happening; see
        `client.query`."""
        return await self._native.query(instance_id, name, query_input, expected_type=expected_type)

    async def update(
        self,
        instance_id: str,
        name: str,
        data: object = None,
        *,
        expected_type: Any = None,
        timeout: timedelta | float | None = None,
        update_id: str | None = None,
    ) -> Any:
        """Give an instance an update, let things happen until it is answered, and return the
        answer; see `client.update`. Raises StalledError where no answer can come, and
        TimeoutError after `timeout` (seconds or a timedelta, of the hub's time)."""
        answer = await self._native.update(
            instance_id,
            name,
            data,
            expected_type=expected_type,
            timeout=timeout,
            update_id=update_id,
        )
        await self.settle()
        return answer

    # ---- entities ----

    async def signal_entity(
        self, name: str, key: str, operation: str, input: object = None
    ) -> None:
        """Have an entity perform an operation, and let happen what needs no time."""
        await self._native.signal_entity(EntityId(name, key), operation, input)
        await self.settle()

    async def entity_state(self, name: str, key: str, *, expected_type: Any = None) -> Any:
        """An entity's state as plain JSON or as `expected_type`; None without one."""
        found = await self._native.read_entity_state(EntityId(name, key))
        return None if found is None or found.state is None else decode(found.state, expected_type)

    # ---- time ----

    @property
    def now(self) -> datetime:
        """The hub's time, UTC."""
        return self._world.now()

    async def settle(self) -> None:
        """Let happen what needs no time. Raises StalledError where that does not end."""

        async def done() -> bool | None:
            return await self._world.settle() or None

        async def explain() -> str:
            return f"what needs no time does not end at {self.now}"

        await self._world.wait(done, explain=explain)

    async def advance(self, duration: timedelta | float) -> None:
        """Let so much time pass, seconds or a timedelta, with all that is due meanwhile."""
        if not isinstance(duration, timedelta | int | float):
            raise TypeError(
                f"advance takes a number of seconds or a timedelta, not {type(duration).__name__}"
            )
        seconds = duration if isinstance(duration, timedelta) else timedelta(seconds=duration)
        await self.skip_to(self.now + seconds)

    async def skip_to(self, moment: datetime) -> None:
        """Let time pass up to `moment` (a naive one is taken as UTC), with all that is due
        meanwhile. ValueError for one that is over, TypeError for what is no datetime."""
        if not isinstance(moment, datetime):
            raise TypeError(
                f"skip_to takes a datetime, such as hub.now + timedelta(hours=1), not "
                f"{type(moment).__name__}; advance takes a duration"
            )
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        if moment < self.now:
            raise ValueError(f"{moment} is over: it is {self.now}")
        await self._world.pass_to(moment)
        await self.settle()

    # ---- activities ----

    def replace(self, activity: str | Callable[..., Any], by: object) -> None:
        """Run `by` in an activity's place from now on: a function of its input, sync or async; an
        exception, which is raised; or any other value, which is the result.

        Durable HTTP is the activity `durable_http`, of a DurableHttpRequest, and a
        DurableHttpResponse its result. Raises UnknownFunctionError, which names the activities
        that there are, and DefinitionError for a function that does not take an input.
        """
        self._activities.replace(activity, by)

    def calls(self, activity: str | Callable[..., Any] | None = None) -> list[ActivityCall]:
        """All calls of an activity so far, replaced or not, each attempt; without a name those of
        all. UnknownFunctionError for one that the app does not have."""
        if activity is None:
            return list(self._activities.calls)
        return self._activities.of(activity)

    # ---- trouble ----

    def crash(self) -> None:
        """End the process that runs the app, as by kill -9; another takes over from storage once
        somebody waits. Activities may call it too: what they return is lost then."""
        self._world.crash()


_OVER = {*(each for each in OrchestrationRuntimeStatus if each.is_terminal), "Stuck"}


class _NoHttp:
    """There is no network in a test."""

    async def send(self, request: DurableHttpRequest) -> HttpAnswer:
        raise HttpTargetRefusedError(
            f"a test hub sends nothing to {request.uri}: replace the activity 'durable_http' by a "
            "function of the request that returns a DurableHttpResponse"
        )


def _track_entities(registry: Registry, world: SkippingWorld) -> None:
    for name, entity in registry.entities.items():
        function = world.underway.tracked(entity.function, f"the entity {name!r}")
        registry.entities[name] = replace(entity, function=function)


def _shown(status: InstanceStatus) -> DurableOrchestrationStatus:
    return DurableOrchestrationStatus.of(status)


def _ending(status: InstanceStatus) -> str:
    what = f"{status.name} {status.instance_id!r} has {str(status.runtime_status).lower()}"
    if status.failure is not None:
        return f"{what}: {status.failure}"
    return f"{what}: {decode(status.output)}" if status.output is not None else what
