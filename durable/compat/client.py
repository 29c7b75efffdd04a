"""The clients of Durable Functions: 1.x's and 2.x's names over the native client."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack, overload

from durable.client.steering import ManyOptions, StartOptions
from durable.codec import decode, encode
from durable.compat.asking import Asking
from durable.compat.links import LinkedClient
from durable.compat.v1.models import (
    EntityStateResponse,
    OrchestrationRuntimeStatus,
    PurgeHistoryResult,
)
from durable.compat.v1.status import DurableOrchestrationStatus
from durable.compat.warnings import old
from durable.errors import InstanceFinishedError, InstanceNotFoundError, InvalidRequestError
from durable.management.history import history_json
from durable.model.entities import EntityId

if TYPE_CHECKING:
    from durable.model.instance import InstanceStatus

In = TypeVar("In")


class DurableFunctionsClient(Asking, LinkedClient):
    """What functions with a durable client get, with the names of 1.x and of 2.x; whatever else
    the native client has is there too, and `native_client` is that one.

    Where they differ from the native client: `get_status` gives an object that is false for an
    unknown instance, and decoded payloads; to terminate, suspend or resume an instance that has
    ended, and to purge one that is not there, is no error.
    """

    def __init__(self, client: Any) -> None:
        """Around a native client, or another of these."""
        native = getattr(client, "native_client", client)
        if isinstance(native, str):
            raise InvalidRequestError(
                "a client is not made from a binding's text here: the parameter that "
                "durable_client_input names gets a client, which can be used as it is"
            )
        super().__init__(native)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "native_client":
            raise AttributeError(name)
        return getattr(self.native_client, name)

    # ---- 1.x: starting and looking ----

    @overload
    async def start_new(
        self,
        orchestration_function_name: Callable[[Any, In], object],
        instance_id: str | None,
        client_input: In,
        version: str | None = None,
        **options: Unpack[StartOptions],
    ) -> str: ...
    @overload
    async def start_new(
        self,
        orchestration_function_name: Callable[[Any, In], object],
        instance_id: str | None = None,
        *,
        client_input: In,
        version: str | None = None,
        **options: Unpack[StartOptions],
    ) -> str: ...
    @overload
    async def start_new(
        self,
        orchestration_function_name: Callable[[Any, None], object],
        instance_id: str | None = None,
        *,
        version: str | None = None,
        **options: Unpack[StartOptions],
    ) -> str: ...
    @overload
    async def start_new(
        self,
        orchestration_function_name: str | Callable[[Any], object],
        instance_id: str | None = None,
        client_input: object = None,
        version: str | None = None,
        **options: Unpack[StartOptions],
    ) -> str: ...
    async def start_new(
        self,
        orchestration_function_name: str | Callable[..., Any],
        instance_id: str | None = None,
        client_input: Any = None,
        version: str | None = None,
        **options: Any,
    ) -> str:
        """Start an orchestration; a finished instance of that id is replaced, an unfinished one
        raises InstanceExistsError. `options` are the native client's."""
        return await self.native_client.start_new(
            orchestration_function_name, instance_id or None, client_input, version, **options
        )

    async def get_status(
        self,
        instance_id: str,
        show_history: bool = False,
        show_history_output: bool = False,
        show_input: bool = False,
        *,
        show_heartbeats: bool = False,
    ) -> DurableOrchestrationStatus:
        """The instance as it is now; `show_heartbeats` as for the native client."""
        status = await self.native_client.get_status(
            instance_id, show_input=show_input, show_heartbeats=show_heartbeats
        )
        history = None
        if status is not None and show_history:
            events = await self.native_client.get_history(instance_id)
            text = history_json(events, show_input=show_input, show_output=show_history_output)
            history = json.loads(text)
        return DurableOrchestrationStatus.of(status, show_input=show_input, history=history)

    @old("get_status_all() reads the whole hub: list_instances() is iterated as it is read")
    async def get_status_all(self) -> list[DurableOrchestrationStatus]:
        """All instances, newest first."""
        return await self.get_status_by()

    @old(
        "get_status_by(…) reads all that match: list_instances(…) takes the same filters and more, "
        "and is iterated as it is read"
    )
    async def get_status_by(
        self,
        created_time_from: datetime | None = None,
        created_time_to: datetime | None = None,
        runtime_status: Sequence[OrchestrationRuntimeStatus] | None = None,
        instance_id_prefix: str | None = None,
    ) -> list[DurableOrchestrationStatus]:
        """All instances that match, newest first."""
        return [
            DurableOrchestrationStatus.of(status)
            async for status in self.native_client.list_instances(
                created_time_from=created_time_from,
                created_time_to=created_time_to,
                runtime_status=_statuses(runtime_status),
                instance_id_prefix=instance_id_prefix or "",
            )
        ]

    # ---- the native client's, for those who check types ----

    async def wait_for_start(
        self, instance_id: str, timeout: timedelta | float | None = None
    ) -> InstanceStatus:
        """The native client's: wait until the instance's code has begun."""
        return await self.native_client.wait_for_start(instance_id, timeout)

    async def wait_for_completion(
        self, instance_id: str, timeout: timedelta | float | None = None
    ) -> InstanceStatus:
        """The native client's: wait until the instance has ended."""
        return await self.native_client.wait_for_completion(instance_id, timeout)

    @overload
    async def start_many(
        self,
        orchestration_function_name: Callable[[Any, In], object],
        client_inputs: Sequence[In],
        **options: Unpack[ManyOptions],
    ) -> list[str]: ...
    @overload
    async def start_many(
        self,
        orchestration_function_name: str | Callable[[Any], object],
        client_inputs: Sequence[object],
        **options: Unpack[ManyOptions],
    ) -> list[str]: ...
    async def start_many(
        self,
        orchestration_function_name: str | Callable[..., Any],
        client_inputs: Sequence[Any],
        **options: Unpack[ManyOptions],
    ) -> list[str]:
        """The native client's: start an orchestration for each input."""
        return await self.native_client.start_many(
            orchestration_function_name, client_inputs, **options
        )

    # ---- 1.x: steering ----

    async def raise_event(
        self,
        instance_id: str,
        event_name: str,
        event_data: Any = None,
        task_hub_name: str | None = None,
        connection_name: str | None = None,
    ) -> None:
        """Give an event to an instance. Raises InstanceNotFoundError, InstanceFinishedError."""
        self._check_hub(task_hub_name)
        await self.native_client.raise_event(instance_id, event_name, event_data)

    async def terminate(self, instance_id: str, reason: Any = None, **options: Any) -> None:
        """End an instance; nothing to do if it has ended. Raises InstanceNotFoundError."""
        try:
            await self.native_client.terminate(instance_id, reason_text(reason), **options)
        except InstanceFinishedError:
            return

    async def suspend(self, instance_id: str, reason: str | None = None) -> None:
        """Let the instance's code rest; nothing to do if it has ended."""
        try:
            await self.native_client.suspend(instance_id, reason or "")
        except InstanceFinishedError:
            return

    async def resume(self, instance_id: str, reason: str | None = None) -> None:
        """Go on with a suspended instance; nothing to do if it has ended."""
        try:
            await self.native_client.resume(instance_id, reason or "")
        except InstanceFinishedError:
            return

    async def rewind(
        self,
        instance_id: str,
        reason: str = "",
        task_hub_name: str | None = None,
        connection_name: str | None = None,
    ) -> None:
        """Have what failed run again. Raises as the native client."""
        self._check_hub(task_hub_name)
        await self.native_client.rewind(instance_id, reason)

    async def restart(self, instance_id: str, restart_with_new_instance_id: bool = True) -> str:
        """Start again with the same function and input. Returns the id."""
        return await self.native_client.restart(instance_id, restart_with_new_instance_id)

    # ---- 1.x: purging ----

    async def purge_instance_history(self, instance_id: str, **options: Any) -> PurgeHistoryResult:
        """Delete everything of a finished instance. `options` are the native client's."""
        try:
            result = await self.native_client.purge_instance_history(instance_id, **options)
        except InstanceNotFoundError:
            return PurgeHistoryResult(0)
        return PurgeHistoryResult(result.instances_deleted)

    async def purge_instance_history_by(
        self,
        created_time_from: datetime | None = None,
        created_time_to: datetime | None = None,
        runtime_status: Sequence[OrchestrationRuntimeStatus] | None = None,
        **options: Any,
    ) -> PurgeHistoryResult:
        """Delete all finished instances that match. `options` are the native client's."""
        result = await self.native_client.purge_instance_history_by(
            created_time_from, created_time_to, _statuses(runtime_status), **options
        )
        return PurgeHistoryResult(result.instances_deleted, is_complete=result.is_complete)

    # ---- entities ----

    async def signal_entity(
        self,
        entity_instance_id: EntityId | None = None,
        operation_name: str = "",
        input: Any = None,
        signal_time: datetime | str | None = None,
        connection_name: str | None = None,
        *,
        entityId: EntityId | None = None,  # noqa: N803
        operation_input: Any = None,
        task_hub_name: str | None = None,
    ) -> None:
        """Have an entity perform an operation, at `signal_time` at the earliest."""
        if isinstance(signal_time, str):  # 1.x has the hub's name in this position
            task_hub_name, signal_time = signal_time, None
        self._check_hub(task_hub_name)
        await self.native_client.signal_entity(
            _given(entity_instance_id, entityId),
            operation_name,
            operation_input if operation_input is not None else input,
            signal_time=signal_time,
        )

    async def read_entity_state(
        self,
        entity_instance_id: EntityId | None = None,
        task_hub_name: str | None = None,
        connection_name: str | None = None,
        *,
        entityId: EntityId | None = None,  # noqa: N803
    ) -> EntityStateResponse:
        """Whether the entity has a state, and which."""
        self._check_hub(task_hub_name)
        found = await self.native_client.read_entity_state(_given(entity_instance_id, entityId))
        if found is None or found.state is None:
            return EntityStateResponse(False)
        return EntityStateResponse(True, decode(found.state))

    # ---- helpers ----

    def _check_hub(self, task_hub_name: str | None) -> None:
        if task_hub_name and task_hub_name.casefold() != self.taskHubName.casefold():
            raise InvalidRequestError(
                f"task_hub_name is {task_hub_name!r}, and this client is of {self.taskHubName!r}"
            )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()


class DurableOrchestrationClient(DurableFunctionsClient):
    """1.x's name, and its constructor around what was injected."""

    @old(
        "DurableOrchestrationClient(…) changes nothing: the parameter that durable_client_input "
        "names gets a client, which can be used as it is"
    )
    def __init__(self, context: Any, function_invocation_id: str | None = None) -> None:
        super().__init__(context)


def reason_text(reason: Any) -> str:
    """A reason of any JSON value, as text."""
    if reason is None:
        return ""
    return reason if isinstance(reason, str) else encode(reason)


def _given(entity_instance_id: EntityId | None, entity_id: EntityId | None) -> EntityId:
    found = entity_instance_id if entity_instance_id is not None else entity_id
    if found is None:
        raise TypeError("missing required argument: 'entity_instance_id'")
    return found


def _statuses(given: Sequence[Any] | None) -> list[Any]:
    from durable.model.instance import OrchestrationRuntimeStatus as Native

    return [Native(str(each)) for each in given or ()]
