"""Starts and steers instances."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypedDict, TypeVar, Unpack, overload

from durable.client.access import Access, utc
from durable.client.reusing import IdReusePolicy, IfExists
from durable.client.starting import StartRequest, start, start_all
from durable.client.telling import raising
from durable.errors import InstanceFinishedError, InstanceNotFoundError, InvalidRequestError
from durable.hub.rewind import rewind
from durable.hub.rows import PURGING, Head
from durable.model.entities import EntityId, is_entity
from durable.model.events import (
    EventRaised,
    ExecutionResumed,
    ExecutionSuspended,
    ExecutionTerminated,
    Signal,
)
from durable.model.functions import name_of
from durable.model.instance import OrchestrationRuntimeStatus, check_instance_id
from durable.model.tags import check_tags
from durable.model.versioning import check_version
from durable.storage.limits import EARLIEST_TIME

In = TypeVar("In")


class StartOptions(TypedDict, total=False):
    """What a start may say beside function, id, input and version; see `start_new`."""

    if_exists: IfExists | IdReusePolicy
    tags: Mapping[str, str] | None
    start_at: datetime | timedelta | None
    trace: tuple[str, str]


class ManyOptions(TypedDict, total=False):
    """What a start of many may say beside function and inputs; see `start_many`."""

    instance_ids: Sequence[str] | None
    version: str | None
    if_exists: IfExists | IdReusePolicy
    tags: Mapping[str, str] | None
    trace: tuple[str, str]


class Steering(Access):
    """See the module."""

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
        client_input: object = None,
        version: str | None = None,
        *,
        if_exists: IfExists | IdReusePolicy = "replace",
        tags: Mapping[str, str] | None = None,
        start_at: datetime | timedelta | None = None,
        trace: tuple[str, str] = ("", ""),
    ) -> str:
        """Start an orchestration and return its instance id, a random one unless given.

        An unfinished instance of the same id raises InstanceExistsError, or is left as it is
        with `if_exists="skip"`, or terminated with its sub-orchestrations and replaced with
        "terminate". A finished one is replaced, or with "error" or "skip" treated like an
        unfinished one; an IdReusePolicy says it for each status.

        `start_at`, a time (a naive one is taken as UTC) or a duration from now, is when the
        instance begins; until then it is Pending, takes events, and can be terminated. `tags`
        are what lists can be filtered by, 50 at most and 4,000 characters together. `trace` is
        the traceparent and tracestate of the request that this start belongs to.

        Without `version` it gets the app's default one, and none with "". Returns once the start
        is stored and will be carried out.
        """
        moment = self._moment(start_at)
        request = self._request(
            orchestration_function_name,
            instance_id,
            client_input,
            version=version,
            if_exists=if_exists,
            tags=tags,
            trace=trace,
        )
        return await start(self._hub, self._ringer, replace(request, start_at=moment))

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
        client_inputs: Sequence[object],
        *,
        instance_ids: Sequence[str] | None = None,
        version: str | None = None,
        if_exists: IfExists | IdReusePolicy = "replace",
        tags: Mapping[str, str] | None = None,
        trace: tuple[str, str] = ("", ""),
    ) -> list[str]:
        """Start an orchestration for each input, and return their instance ids in that order.

        As `start_new` for each, in far fewer storage calls. Not all or nothing: where some cannot
        be started the others are, and the first error is raised. `instance_ids`, one for each
        input, make it safe to repeat, with `if_exists="skip"`.
        """
        ids: Sequence[str | None] = [None] * len(client_inputs)
        if instance_ids is not None:
            ids = instance_ids
            if len(set(ids)) < len(ids) or len(ids) != len(client_inputs):
                raise InvalidRequestError(
                    f"instance_ids are one for each input, no two the same: {len(set(ids))} "
                    f"different ones are given for {len(client_inputs)} inputs"
                )
        requests = [
            self._request(
                orchestration_function_name,
                instance_id,
                client_input,
                version=version,
                if_exists=if_exists,
                tags=tags,
                trace=trace,
            )
            for instance_id, client_input in zip(ids, client_inputs, strict=True)
        ]
        await start_all(self._hub, self._ringer, requests)
        return [request.instance_id for request in requests]

    def _request(
        self,
        orchestration_function_name: str | Callable[..., Any],
        instance_id: str | None,
        client_input: object,
        *,
        version: str | None,
        if_exists: IfExists | IdReusePolicy,
        tags: Mapping[str, str] | None,
        trace: tuple[str, str],
    ) -> StartRequest:
        name = name_of(orchestration_function_name)
        if self._registry is not None:
            self._registry.orchestrator(name)
        chosen = instance_id is not None
        instance_id = self._hub.new_id(16) if instance_id is None else instance_id
        check_instance_id(instance_id)
        return StartRequest(
            name,
            instance_id,
            self._payload(client_input, "the input"),
            self._default_version if check_version(version) is None else version or None,
            check_tags(tags),
            IdReusePolicy.of(if_exists),
            chosen,
            trace,
        )

    def _moment(self, start_at: datetime | timedelta | None) -> datetime | None:
        refusal = f"start_at is a datetime or a timedelta that there can be, not {start_at!r}"
        try:
            if isinstance(start_at, timedelta):
                moment: datetime | None = self._hub.storage.clock.now() + start_at
            else:
                moment = utc(start_at)
            moment = moment.astimezone(UTC) if moment is not None else None
        except (AttributeError, OverflowError) as error:
            raise InvalidRequestError(refusal) from error
        if moment is not None and moment < EARLIEST_TIME:
            raise InvalidRequestError(f"{refusal}: none is before {EARLIEST_TIME:%Y}")
        return moment

    async def raise_event(
        self, instance_id: str, event_name: str, event_data: object = None
    ) -> None:
        """Give an event to an instance. Once this returns, the event is stored and will be
        seen. Raises InstanceNotFoundError or InstanceFinishedError."""
        if not isinstance(event_name, str) or not event_name:
            raise InvalidRequestError("raise_event needs the event's name")
        text = self._payload(event_data, "the event's data")
        with raising(self._hub, event_name, instance_id) as trace:
            await self._signal(instance_id, lambda i: EventRaised(event_name, i, text), trace)

    async def terminate(self, instance_id: str, reason: str = "", *, recurse: bool = False) -> None:
        """End an instance without giving its code another turn; with `recurse` its unfinished
        sub-orchestrations too. Running activities are not stopped. Raises as `raise_event`."""
        await self._signal(instance_id, lambda i: ExecutionTerminated(i, reason, recurse))

    async def suspend(self, instance_id: str, reason: str = "") -> None:
        """Let the instance's code rest; what arrives is kept. Raises as `raise_event`."""
        await self._signal(instance_id, lambda i: ExecutionSuspended(i, reason))

    async def resume(self, instance_id: str, reason: str = "") -> None:
        """Go on with a suspended instance, or try a Stuck one again; a Stuck entity by its id's
        text. Raises as `raise_event`."""
        if isinstance(instance_id, str) and is_entity(instance_id):
            await self._signal_head(
                await self._existing(str(EntityId.parse(instance_id))),
                lambda i: ExecutionResumed(i, reason),
            )
            return
        await self._signal(instance_id, lambda i: ExecutionResumed(i, reason))

    async def _signal(
        self, instance_id: str, make: Callable[[str], Signal], trace: tuple[str, str] = ("", "")
    ) -> None:
        await self._signal_head(await self._head(instance_id), make, trace)

    async def _signal_head(
        self, head: Head, make: Callable[[str], Signal], trace: tuple[str, str] = ("", "")
    ) -> None:
        instance_id = head.instance_id
        event = make(self._hub.new_id(16))
        accepted = not head.is_terminal and await self._deliver(
            instance_id, head.incarnation, event, trace
        )
        if not accepted:
            now = await self._existing(instance_id)
            how = now.runtime_status if now.incarnation == head.incarnation else "replaced"
            raise InstanceFinishedError(f"instance {instance_id!r} has ended: it is {how}")

    async def rewind(self, instance_id: str, reason: str = "") -> None:
        """Let a failed instance go on: what failed runs again, in its sub-orchestrations too,
        and what succeeded does not. Raises InstanceNotFoundError, InstanceFinishedError for one
        that has ended otherwise, and InvalidRequestError for one that has not ended."""
        head = await self._head(instance_id)
        if not head.is_terminal:
            raise InvalidRequestError(
                f"instance {instance_id!r} is {head.runtime_status}: only a failed one is rewound"
            )
        accepted = head.status == OrchestrationRuntimeStatus.FAILED and await rewind(
            self._hub, head, self._ringer, self._hub.new_id(16), reason
        )
        if not accepted:
            now = await self._head(instance_id)
            if now.status == PURGING:
                raise InstanceNotFoundError(f"instance {instance_id!r} is being purged")
            raise InstanceFinishedError(
                f"instance {instance_id!r} is {now.runtime_status}: only a failed one is rewound"
            )

    async def restart(self, instance_id: str, restart_with_new_instance_id: bool = True) -> str:
        """Start again with the same function and input, as a new instance or in place of the
        finished one. Returns the id; raises InstanceNotFoundError, InstanceExistsError."""
        head = await self._head(instance_id)
        text = await self._hub.instances.text(instance_id, head.incarnation, head.input)
        target = self._hub.new_id(16) if restart_with_new_instance_id else instance_id
        request = StartRequest(head.name, target, text, head.version, head.tags)
        return await start(self._hub, self._ringer, request)
