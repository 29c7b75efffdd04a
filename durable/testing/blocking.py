"""The same hub for tests that are plain functions."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Self, TypeVar

from durable.compat.client import DurableFunctionsClient
from durable.compat.v1.status import DurableOrchestrationStatus
from durable.model.events import Event
from durable.telemetry import NO_TELEMETRY, Telemetry
from durable.testing.activities import ActivityCall
from durable.testing.apps import TestedApp
from durable.testing.hub import PATIENCE, START, Orchestrator, TestHub

T = TypeVar("T")


class SyncTestHub:
    """As `TestHub`, its methods blocking: they run on an event loop of the hub's own.

        with SyncTestHub(app) as hub:
            assert hub.run("approve", {"amount": 7}) == "approved"

    Not to be used where an event loop runs.
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
        """As `TestHub`."""
        self._hub = TestHub(
            app,
            activities=activities,
            start_time=start_time,
            replay_every_turn=replay_every_turn,
            patience=patience,
            telemetry=telemetry,
        )
        self._runner = asyncio.Runner()

    def __enter__(self) -> Self:
        self.call(self._hub.__aenter__())
        return self

    def __exit__(self, *error: object) -> None:
        try:
            self.call(self._hub.__aexit__(*error))
        finally:
            self._runner.close()

    def call(self, awaitable: Awaitable[T]) -> T:
        """The result of a coroutine, of a starter that is given `client` say. Raises RuntimeError
        where an event loop runs."""
        if _loop_runs():
            if inspect.iscoroutine(awaitable):
                awaitable.close()
            raise RuntimeError(
                "this blocks, and an event loop runs here: in an `async def` test use "
                "`async with TestHub(app) as hub`"
            )

        async def awaited() -> T:
            return await awaitable

        return self._runner.run(awaited())

    @property
    def client(self) -> DurableFunctionsClient:
        """See `TestHub.client`; its methods are coroutines, for `call`."""
        return self._hub.client

    @property
    def now(self) -> datetime:
        """See `TestHub.now`."""
        return self._hub.now

    def start(
        self,
        orchestrator: Orchestrator,
        input: object = None,
        *,
        instance_id: str | None = None,
        **options: Any,
    ) -> str:
        """See `TestHub.start`."""
        return self.call(self._hub.start(orchestrator, input, instance_id=instance_id, **options))

    def run(
        self,
        orchestrator: Orchestrator,
        input: object = None,
        *,
        instance_id: str | None = None,
        expected_type: Any = None,
        timeout: timedelta | float | None = None,
        **options: Any,
    ) -> Any:
        """See `TestHub.run`."""
        return self.call(
            self._hub.run(
                orchestrator,
                input,
                instance_id=instance_id,
                expected_type=expected_type,
                timeout=timeout,
                **options,
            )
        )

    def result(
        self,
        instance_id: str,
        *,
        expected_type: Any = None,
        timeout: timedelta | float | None = None,
    ) -> Any:
        """See `TestHub.result`."""
        return self.call(
            self._hub.result(instance_id, expected_type=expected_type, timeout=timeout)
        )

    def wait_for(
        self,
        instance_id: str,
        condition: Callable[[DurableOrchestrationStatus], object] | None = None,
        *,
        timeout: timedelta | float | None = None,
    ) -> DurableOrchestrationStatus:
        """See `TestHub.wait_for`."""
        return self.call(self._hub.wait_for(instance_id, condition, timeout=timeout))

    def status(self, instance_id: str) -> DurableOrchestrationStatus:
        """See `TestHub.status`."""
        return self.call(self._hub.status(instance_id))

    def history(self, instance_id: str) -> list[tuple[datetime, Event]]:
        """See `TestHub.history`."""
        return self.call(self._hub.history(instance_id))

    def raise_event(self, instance_id: str, name: str, data: object = None) -> None:
        """See `TestHub.raise_event`."""
        self.call(self._hub.raise_event(instance_id, name, data))

    def query(
        self,
        instance_id: str,
        name: str,
        query_input: object = None,
        *,
        expected_type: Any = None,
    ) -> Any:
        """See `TestHub.query`."""
        return self.call(
            self._hub.query(instance_id, name, query_input, expected_type=expected_type)
        )

    def update(
        self,
        instance_id: str,
        name: str,
        data: object = None,
        *,
        expected_type: Any = None,
        timeout: timedelta | float | None = None,
        update_id: str | None = None,
    ) -> Any:
        """See `TestHub.update`."""
        return self.call(
            self._hub.update(
                instance_id,
                name,
                data,
                expected_type=expected_type,
                timeout=timeout,
                update_id=update_id,
            )
        )

    def signal_entity(self, name: str, key: str, operation: str, input: object = None) -> None:
        """See `TestHub.signal_entity`."""
        self.call(self._hub.signal_entity(name, key, operation, input))

    def entity_state(self, name: str, key: str, *, expected_type: Any = None) -> Any:
        """See `TestHub.entity_state`."""
        return self.call(self._hub.entity_state(name, key, expected_type=expected_type))

    def settle(self) -> None:
        """See `TestHub.settle`."""
        self.call(self._hub.settle())

    def advance(self, duration: timedelta | float) -> None:
        """See `TestHub.advance`."""
        self.call(self._hub.advance(duration))

    def skip_to(self, moment: datetime) -> None:
        """See `TestHub.skip_to`."""
        self.call(self._hub.skip_to(moment))

    def replace(self, activity: str | Callable[..., Any], by: object) -> None:
        """See `TestHub.replace`."""
        self._hub.replace(activity, by)

    def calls(self, activity: str | Callable[..., Any] | None = None) -> list[ActivityCall]:
        """See `TestHub.calls`."""
        return self._hub.calls(activity)

    def crash(self) -> None:
        """See `TestHub.crash`."""
        self._hub.crash()


def _loop_runs() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def run(
    app: TestedApp,
    orchestrator: Orchestrator,
    input: object = None,
    *,
    activities: Mapping[str, object] | None = None,
    expected_type: Any = None,
    replay_every_turn: bool = False,
) -> Any:
    """The output of one orchestration, on a hub of its own; arguments and errors as for `TestHub`
    and `TestHub.run`. Not to be used where an event loop runs."""
    with SyncTestHub(app, activities=activities, replay_every_turn=replay_every_turn) as hub:
        return hub.run(orchestrator, input, expected_type=expected_type)
