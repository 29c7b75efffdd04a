"""`durabletask.client`'s operations over the native client: async ones, and a twin that blocks."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from durable.client import DurableOrchestrationClient, EntityState, IdReusePolicy
from durable.compat.addresses import place_at, place_of
from durable.compat.v2.entities import EntityInstanceId
from durable.compat.v2.values import (
    UNLIMITED,
    CleanEntityStorageResult,
    EntityMetadata,
    EntityQuery,
    OrchestrationQuery,
    OrchestrationState,
    OrchestrationStatus,
    Page,
    PurgeInstancesResult,
)
from durable.compat.warnings import warn
from durable.errors import InstanceFinishedError, InstanceNotFoundError
from durable.model.entities import EntityId

ADDRESSED = (
    "a client made of rpcBaseUrl is the same as the one that durable_client_input gives: in an "
    "`async def` its methods are awaited, in a `def` they block"
)
"""What is said to who makes a client of an address."""


class AsyncTaskHubGrpcClient:
    """The orchestrations and entities of one hub, by durabletask's names."""

    def __init__(
        self,
        native_client: DurableOrchestrationClient | None = None,
        *,
        host_address: str | None = None,
        default_version: str | None = None,
        **_: Any,
    ) -> None:
        """Of the hub at an address of this process (`rpcBaseUrl` of an injected client). What
        concerns gRPC is taken and not used."""
        if native_client is None:
            warn(ADDRESSED, sys._getframe(1))
        self.native_client: DurableOrchestrationClient = (
            place_at(host_address).native if native_client is None else native_client
        )
        self.default_version = default_version
        # a blocking client may be made from its address later, in a thread without a loop
        place_of(self.native_client)

    async def close(self) -> None:
        """Nothing to close: connections are the app's."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    # ---- starting and looking ----

    async def schedule_new_orchestration(
        self,
        orchestrator: str | Callable[..., Any],
        *,
        input: Any = None,
        instance_id: str | None = None,
        start_at: datetime | None = None,
        reuse_id_policy: Any = None,
        tags: dict[str, str] | None = None,
        version: str | None = None,
    ) -> str:
        """Start an orchestration, at `start_at` at the earliest, and return its id. A finished
        instance of that id is replaced, or what `reuse_id_policy` says: an object with
        `replaceableStatus`, or a `durable.IdReusePolicy`."""
        later: dict[str, Any] = {} if start_at is None else {"start_at": start_at}
        if reuse_id_policy is not None:
            later["if_exists"] = _reuse(reuse_id_policy)
        return await self.native_client.start_new(
            orchestrator,
            instance_id or None,
            input,
            version or self.default_version,
            tags=tags,
            **later,
        )

    async def get_orchestration_state(
        self, instance_id: str, *, fetch_payloads: bool = True
    ) -> OrchestrationState | None:
        """The instance as it is now; None if there is none."""
        status = await self.native_client.get_status(instance_id, show_input=fetch_payloads)
        return None if status is None else OrchestrationState.of(status, payloads=fetch_payloads)

    async def get_orchestration_history(
        self,
        instance_id: str,
        *,
        execution_id: str | None = None,
        for_work_item_processing: bool = False,
    ) -> list[Any]:
        """The events of the current generation, oldest first. Raises InstanceNotFoundError."""
        from durable.compat.v2.history import events_of

        history = await self.native_client.get_history(instance_id, payloads=True)
        status = await self.native_client.get_status(instance_id, show_input=False)
        return [] if status is None else events_of(status, history)

    async def list_instance_ids(
        self,
        runtime_status: Sequence[OrchestrationStatus] | None = None,
        completed_time_from: datetime | None = None,
        completed_time_to: datetime | None = None,
        page_size: int | None = None,
        continuation_token: str | None = None,
    ) -> Page[str]:
        """A page of the ids of instances in those states (terminal ones unless given) that ended
        in that time, newest first."""
        until = _aware(completed_time_to)
        ids, token = await self.native_client.list_instance_ids(
            runtime_status=_native(runtime_status or _TERMINAL),
            completed_time_from=_aware(completed_time_from),
            # here the end of the time does not belong to it
            completed_time_to=until and until - timedelta(microseconds=1),
            top=page_size or 100,
            token=continuation_token,
        )
        return Page(ids, token)

    async def get_all_orchestration_states(
        self, orchestration_query: OrchestrationQuery | None = None
    ) -> list[OrchestrationState]:
        """All instances that match, newest first, without payloads unless they are asked for."""
        query = orchestration_query or OrchestrationQuery()
        limit = query.max_instance_count or UNLIMITED
        states: list[OrchestrationState] = []
        async for status in self.native_client.list_instances(
            created_time_from=query.created_time_from,
            created_time_to=query.created_time_to,
            runtime_status=_native(query.runtime_status or ()),
            instance_id_prefix=query.instance_id_prefix or "",
            show_input=query.fetch_inputs_and_outputs,
        ):
            states.append(OrchestrationState.of(status, payloads=query.fetch_inputs_and_outputs))
            if len(states) >= limit:
                break
        return states

    async def wait_for_orchestration_start(
        self, instance_id: str, *, fetch_payloads: bool = False, timeout: float = 60
    ) -> OrchestrationState | None:
        """The instance once its code has run; None if there is none. TimeoutError after `timeout`
        seconds."""
        try:
            await self.native_client.wait_for_start(instance_id, timeout)
        except InstanceNotFoundError:
            return None
        return await self.get_orchestration_state(instance_id, fetch_payloads=fetch_payloads)

    async def wait_for_orchestration_completion(
        self, instance_id: str, *, fetch_payloads: bool = True, timeout: float = 60
    ) -> OrchestrationState | None:
        """The instance once it has ended; None if there is none. TimeoutError after `timeout`
        seconds."""
        try:
            status = await self.native_client.wait_for_completion(instance_id, timeout)
        except InstanceNotFoundError:
            return None
        return OrchestrationState.of(status, payloads=fetch_payloads)

    # ---- steering ----

    async def raise_orchestration_event(
        self, instance_id: str, event_name: str, *, data: Any = None
    ) -> None:
        """Give an event to an instance. Raises InstanceNotFoundError, InstanceFinishedError."""
        await self.native_client.raise_event(instance_id, event_name, data)

    async def terminate_orchestration(
        self, instance_id: str, *, output: Any = None, recursive: bool = True
    ) -> None:
        """End an instance, and with `recursive` its sub-orchestrations; nothing to do if it has
        ended. Raises InstanceNotFoundError."""
        from durable.compat.client import reason_text

        try:
            await self.native_client.terminate(instance_id, reason_text(output), recurse=recursive)
        except InstanceFinishedError:
            return

    async def suspend_orchestration(self, instance_id: str, *, reason: str | None = None) -> None:
        """Let the instance's code rest. Raises as `raise_orchestration_event`."""
        await self.native_client.suspend(instance_id, reason or "")

    async def resume_orchestration(self, instance_id: str, *, reason: str | None = None) -> None:
        """Go on with a suspended instance. Raises as `raise_orchestration_event`."""
        await self.native_client.resume(instance_id, reason or "")

    async def rewind_orchestration(self, instance_id: str, *, reason: str | None = None) -> None:
        """Have what failed run again. Raises as the native client."""
        await self.native_client.rewind(instance_id, reason or "")

    async def restart_orchestration(
        self, instance_id: str, *, restart_with_new_instance_id: bool = False
    ) -> str:
        """Start again with the same function and input; the id."""
        return await self.native_client.restart(instance_id, restart_with_new_instance_id)

    async def purge_orchestration(
        self, instance_id: str, recursive: bool = True
    ) -> PurgeInstancesResult:
        """Delete everything of a finished instance, and with `recursive` of its
        sub-orchestrations."""
        try:
            result = await self.native_client.purge_instance_history(instance_id, recurse=recursive)
        except InstanceNotFoundError:
            return PurgeInstancesResult(0, True)
        return PurgeInstancesResult(result.instances_deleted, result.is_complete)

    async def purge_orchestrations_by(
        self,
        created_time_from: datetime | None = None,
        created_time_to: datetime | None = None,
        runtime_status: Sequence[OrchestrationStatus] | None = None,
        recursive: bool = False,
        timeout: timedelta | None = None,
    ) -> PurgeInstancesResult:
        """Delete all finished instances that match, as many as there is time for."""
        result = await self.native_client.purge_instance_history_by(
            created_time_from=created_time_from,
            created_time_to=created_time_to,
            runtime_status=_native(runtime_status or ()),
            recurse=recursive,
            timeout=timeout,
        )
        return PurgeInstancesResult(result.instances_deleted, result.is_complete)

    # ---- entities ----

    async def signal_entity(
        self,
        entity_instance_id: EntityId,
        operation_name: str,
        input: Any = None,
        signal_time: datetime | None = None,
    ) -> None:
        """Have an entity perform an operation, at `signal_time` at the earliest."""
        await self.native_client.signal_entity(
            entity_instance_id, operation_name, input, signal_time=signal_time
        )

    async def get_entity(
        self, entity_instance_id: EntityId, include_state: bool = True
    ) -> EntityMetadata | None:
        """The entity as it is now; None if there is none."""
        found = await self.native_client.read_entity_state(
            entity_instance_id, include_state=include_state, include_backlog=True
        )
        return None if found is None else _metadata(found, include_state)

    async def get_all_entities(
        self, entity_query: EntityQuery | None = None
    ) -> list[EntityMetadata]:
        """All entities that match; those without a state only with `include_transient`. What
        waits is counted by `get_entity`, and not here: `backlog_queue_size` is 0."""
        query = entity_query or EntityQuery()
        start = query.instance_id_starts_with or ""
        name, has_key, prefix = start.removeprefix("@").partition("@")
        asked: dict[str, Any] = {"name": name.lower(), "prefix": prefix} if has_key else {}
        return [
            _metadata(found, query.include_state)
            async for found in self.native_client.list_entities(
                last_modified_from=query.last_modified_from,
                last_modified_to=query.last_modified_to,
                include_state=query.include_state,
                include_empty=query.include_transient,
                **asked,
            )
            if found.entity_id.name.startswith(name.lower())
        ]

    async def clean_entity_storage(
        self, remove_empty_entities: bool = True, release_orphaned_locks: bool = True
    ) -> CleanEntityStorageResult:
        """Remove entities without a state, and locks whose owner has ended."""
        result = await self.native_client.clean_entity_storage(
            remove_empty=remove_empty_entities, release_orphaned_locks=release_orphaned_locks
        )
        return CleanEntityStorageResult(result.removed, result.released)


_TERMINAL = (
    OrchestrationStatus.COMPLETED,
    OrchestrationStatus.FAILED,
    OrchestrationStatus.TERMINATED,
)


def _native(statuses: Sequence[OrchestrationStatus]) -> list[Any]:
    return [native for status in statuses for native in status.native]


def _reuse(policy: Any) -> Any:
    replaceable = getattr(policy, "replaceableStatus", None)
    if replaceable is None:
        return policy
    return IdReusePolicy(_native([OrchestrationStatus(each) for each in replaceable]))


def _aware(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment and moment.tzinfo is None else moment


def _metadata(found: EntityState, include_state: bool) -> EntityMetadata:
    return EntityMetadata(
        EntityInstanceId.of(found.entity_id),
        found.last_modified,
        found.backlog or 0,
        found.locked_by,
        include_state,
        found.state,
    )
