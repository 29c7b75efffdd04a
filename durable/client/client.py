"""Start, watch and steer orchestrations from outside."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

from durable.client import answers
from durable.client.starting import IfExists, StartRequest, start
from durable.codec import encode
from durable.errors import (
    InstanceFinishedError,
    InstanceNotFoundError,
    InvalidRequestError,
    PayloadTooLargeError,
)
from durable.hub.hub import Hub
from durable.hub.instances import PayloadGone
from durable.hub.payloads import payloads_of
from durable.hub.projection import Listed
from durable.hub.purge import purge
from durable.hub.ringing import QueueRinger, Ringer, repeat
from durable.hub.rows import PURGING, Head
from durable.model.events import (
    Arrival,
    Event,
    EventRaised,
    ExecutionResumed,
    ExecutionSuspended,
    ExecutionTerminated,
    PayloadRef,
    Signal,
)
from durable.model.functions import Registry, name_of
from durable.model.instance import (
    InstanceStatus,
    OrchestrationRuntimeStatus,
    check_instance_id,
)

if TYPE_CHECKING:
    import azure.functions as func

MAX_PAYLOAD = 16 * 1024 * 1024
_AT_ONCE = 16


class Links(Protocol):
    """Makes the management URLs of an instance."""

    def payload(self, instance_id: str) -> dict[str, str]:
        """`id`, `statusQueryGetUri`, `sendEventPostUri`, …, as Durable Functions names them."""
        ...


@dataclass(frozen=True, slots=True)
class PurgeHistoryResult:
    """How many instances were deleted."""

    instances_deleted: int


class DurableOrchestrationClient:
    """All operations are safe to repeat, and are repeated here where an answer was lost."""

    def __init__(
        self,
        hub: Hub,
        *,
        ringer: Ringer | None = None,
        registry: Registry | None = None,
        links: Links | None = None,
        max_payload: int = MAX_PAYLOAD,
    ) -> None:
        """`registry` lets `start_new` refuse names that the app does not have; `links` is needed
        for the methods that answer with management URLs."""
        self._hub = hub
        self._ringer = ringer or QueueRinger(hub)
        self._registry = registry
        self._links = links
        self._max_payload = max_payload

    @property
    def max_payload(self) -> int:
        """The longest input or event that is taken, in bytes of JSON."""
        return self._max_payload

    # ---- starting ----

    async def start_new(
        self,
        orchestration_function_name: str | Callable[..., Any],
        instance_id: str | None = None,
        client_input: object = None,
        version: str | None = None,
        *,
        if_exists: IfExists = "replace",
        tags: Mapping[str, str] | None = None,
    ) -> str:
        """Start an orchestration and return its instance id, a random one unless given.

        An unfinished instance of the same id raises InstanceExistsError, or is left as it is
        with `if_exists="skip"`. A finished one is replaced, or with "error" or "skip" treated
        like an unfinished one. Returns once the start is stored and will be carried out.
        """
        name = name_of(orchestration_function_name)
        if self._registry is not None:
            self._registry.orchestrator(name)
        chosen = instance_id is not None
        instance_id = self._hub.new_id(16) if instance_id is None else instance_id
        check_instance_id(instance_id)
        text = self._payload(client_input, "the input")
        return await start(
            self._hub,
            self._ringer,
            StartRequest(name, instance_id, text, version, dict(tags or {}), if_exists, chosen),
        )

    # ---- looking ----

    async def get_status(
        self, instance_id: str, *, show_input: bool = True
    ) -> InstanceStatus | None:
        """The instance as it is now; None if there is none."""
        check_instance_id(instance_id)
        seen = ""
        while True:
            head = await self._head_or_none(instance_id)
            if head is None or head.status == PURGING:
                return None
            if head.etag == seen:
                raise PayloadGone(f"instance {instance_id!r} names a payload that is not there")
            seen = head.etag
            # a payload that is gone was purged, or trimmed by a new generation: look again
            with suppress(PayloadGone):
                return await self._status(head, show_input)

    async def _status(self, head: Head, show_input: bool) -> InstanceStatus:
        text = self._hub.instances.text
        where = head.instance_id, head.incarnation
        return InstanceStatus(
            instance_id=head.instance_id,
            name=head.name,
            runtime_status=head.runtime_status,
            created_time=head.created,
            last_updated_time=head.time or head.created,
            execution_id=head.execution_id,
            version=head.version,
            input=await text(*where, head.input) if show_input else None,
            output=await text(*where, head.output),
            custom_status=await text(*where, head.custom_status),
            failure=head.failure,
            parent_instance_id=head.parent.instance_id if head.parent else None,
            tags=head.tags,
        )

    async def get_history(
        self, instance_id: str, *, payloads: bool = False
    ) -> list[tuple[datetime, Event]]:
        """The current generation's events with the time of their turn, oldest first, payloads
        of up to 16,000 characters as text and longer ones by reference, or with `payloads` all
        as text. Raises InstanceNotFoundError."""
        head = await self._head(instance_id)
        turns = await self._hub.instances.history(head)
        events = [(stored.turn.time, event) for stored in turns for event in stored.turn.events]
        if payloads:
            events = [(time, await self._with_payloads(head, event)) for time, event in events]
        return events

    async def _with_payloads(self, head: Head, event: Event) -> Event:
        texts = {
            name: await self._hub.instances.text(head.instance_id, head.incarnation, payload)
            for name, payload in payloads_of(event)
            if isinstance(payload, PayloadRef)
        }
        return replace(event, **texts) if texts else event  # type: ignore[arg-type]

    async def list_instances(
        self,
        *,
        created_time_from: datetime | None = None,
        created_time_to: datetime | None = None,
        runtime_status: Collection[OrchestrationRuntimeStatus] = (),
        name: str | None = None,
        instance_id_prefix: str = "",
        show_input: bool = True,
    ) -> AsyncIterator[InstanceStatus]:
        """All instances that match, newest first, read page by page as they are asked for."""
        token: str | None = None
        while True:
            page, token = await self.list_page(
                created_time_from=created_time_from,
                created_time_to=created_time_to,
                runtime_status=runtime_status,
                name=name,
                instance_id_prefix=instance_id_prefix,
                show_input=show_input,
                token=token,
            )
            for status in page:
                yield status
            if token is None:
                return

    async def list_page(
        self,
        *,
        created_time_from: datetime | None = None,
        created_time_to: datetime | None = None,
        runtime_status: Collection[OrchestrationRuntimeStatus] = (),
        name: str | None = None,
        instance_id_prefix: str = "",
        show_input: bool = True,
        top: int = 100,
        token: str | None = None,
    ) -> tuple[list[InstanceStatus], str | None]:
        """At most `top` (1 to 1,000) instances that match, newest first, and the token of the
        next page. A page may hold fewer, or none, and still have a next one."""
        if not 1 <= top <= 1000:
            raise InvalidRequestError(f"top must be between 1 and 1000, not {top}")
        rows, token = await self._hub.projection.page(
            created_from=_utc(created_time_from),
            created_to=_utc(created_time_to),
            statuses=runtime_status,
            name=name,
            prefix=instance_id_prefix,
            limit=top,
            token=token,
        )
        limit = asyncio.Semaphore(_AT_ONCE)

        async def one(row: Listed) -> InstanceStatus | None:
            async with limit:
                head = await self._head_or_none(row.instance_id)
                if head is None or head.incarnation != row.incarnation:
                    return None
                if runtime_status and head.runtime_status not in runtime_status:
                    return None
                return await self.get_status(row.instance_id, show_input=show_input)

        found = await asyncio.gather(*(one(row) for row in rows))
        return [status for status in found if status is not None], token

    async def wait_for_completion(
        self, instance_id: str, timeout: timedelta | float | None = None
    ) -> InstanceStatus:
        """Wait until the instance has ended. Raises TimeoutError after `timeout` (seconds or a
        timedelta), InstanceNotFoundError if there is no such instance."""
        clock = self._hub.storage.clock
        seconds = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
        until = None if seconds is None else clock.monotonic() + seconds
        pause = 0.02
        while True:
            head = await self._head(instance_id)
            if head.status == PURGING:
                raise InstanceNotFoundError(f"instance {instance_id!r} is being purged")
            if head.is_terminal and (status := await self.get_status(instance_id)) is not None:
                return status
            left = pause if until is None else min(pause, until - clock.monotonic())
            if left <= 0:
                raise TimeoutError(
                    f"instance {instance_id!r} is still {head.runtime_status} after {seconds} s"
                )
            await self._ringer.wait(instance_id, left)
            pause = min(pause * 1.5, 1.0)

    # ---- steering ----

    async def raise_event(
        self, instance_id: str, event_name: str, event_data: object = None
    ) -> None:
        """Give an event to an instance. Once this returns, the event is stored and will be
        seen. Raises InstanceNotFoundError or InstanceFinishedError."""
        if not isinstance(event_name, str) or not event_name:
            raise InvalidRequestError("raise_event needs the event's name")
        text = self._payload(event_data, "the event's data")
        await self._signal(instance_id, lambda i: EventRaised(event_name, i, text))

    async def terminate(self, instance_id: str, reason: str = "", *, recurse: bool = False) -> None:
        """End an instance without giving its code another turn; with `recurse` its unfinished
        sub-orchestrations too. Running activities are not stopped. Raises as `raise_event`."""
        await self._signal(instance_id, lambda i: ExecutionTerminated(i, reason, recurse))

    async def suspend(self, instance_id: str, reason: str = "") -> None:
        """Let the instance's code rest; what arrives is kept. Raises as `raise_event`."""
        await self._signal(instance_id, lambda i: ExecutionSuspended(i, reason))

    async def resume(self, instance_id: str, reason: str = "") -> None:
        """Go on with a suspended instance, or try a Stuck one again. Raises as `raise_event`."""
        await self._signal(instance_id, lambda i: ExecutionResumed(i, reason))

    async def _signal(self, instance_id: str, make: Callable[[str], Signal]) -> None:
        head = await self._head(instance_id)
        message, nonce = self._hub.new_id(16), self._hub.new_id(8)
        arrival = Arrival(make(message))
        accepted = not head.is_terminal and await repeat(
            self._hub,
            lambda: self._hub.instances.deliver(
                instance_id, head.incarnation, message, arrival, nonce=nonce
            ),
        )
        if not accepted:
            now = await self._head(instance_id)
            how = now.runtime_status if now.incarnation == head.incarnation else "replaced"
            raise InstanceFinishedError(f"instance {instance_id!r} has ended: it is {how}")
        await self._ringer.ring(instance_id)

    async def restart(self, instance_id: str, restart_with_new_instance_id: bool = True) -> str:
        """Start again with the same function and input, as a new instance or in place of the
        finished one. Returns the id; raises InstanceNotFoundError, InstanceExistsError."""
        head = await self._head(instance_id)
        text = await self._hub.instances.text(instance_id, head.incarnation, head.input)
        target = self._hub.new_id(16) if restart_with_new_instance_id else instance_id
        request = StartRequest(head.name, target, text, head.version, head.tags)
        return await start(self._hub, self._ringer, request)

    # ---- purging ----

    async def purge_instance_history(self, instance_id: str) -> PurgeHistoryResult:
        """Delete everything of a finished instance; one that is not finished is left alone and
        counts 0. Raises InstanceNotFoundError."""
        head = await self._head(instance_id)
        if not head.is_terminal:
            return PurgeHistoryResult(0)
        await purge(self._hub, head, self._ringer)
        return PurgeHistoryResult(1)

    async def purge_instance_history_by(
        self,
        created_time_from: datetime | None = None,
        created_time_to: datetime | None = None,
        runtime_status: Collection[OrchestrationRuntimeStatus] = (),
    ) -> PurgeHistoryResult:
        """Delete all finished instances that match."""
        count, token = 0, None
        while True:
            rows, token = await self._hub.projection.page(
                created_from=_utc(created_time_from),
                created_to=_utc(created_time_to),
                statuses=runtime_status,
                token=token,
            )
            for row in rows:
                head = await self._head_or_none(row.instance_id)
                if (
                    head is not None
                    and head.is_terminal
                    and head.incarnation == row.incarnation
                    and (not runtime_status or head.runtime_status in runtime_status)
                ):
                    await purge(self._hub, head, self._ringer)
                    count += 1
            if token is None:
                return PurgeHistoryResult(count)

    # ---- answers with links ----

    def create_http_management_payload(
        self, req: func.HttpRequest | str, instance_id: str | None = None
    ) -> dict[str, str]:
        """The management URLs of an instance; `req` is there for compatibility and not used."""
        instance_id = instance_id if instance_id is not None else str(req)
        if self._links is None:
            raise InvalidRequestError("this client was made without management links")
        return self._links.payload(check_instance_id(instance_id))

    def get_client_response_links(
        self, req: func.HttpRequest | None, instance_id: str
    ) -> dict[str, str]:
        """The same as `create_http_management_payload`."""
        return self.create_http_management_payload(instance_id)

    def create_check_status_response(
        self, req: func.HttpRequest | None, instance_id: str
    ) -> func.HttpResponse:
        """202 with the management URLs, Location and Retry-After."""
        return answers.check_status(self.create_http_management_payload(instance_id))

    async def wait_for_completion_or_create_check_status_response(
        self,
        req: func.HttpRequest | None,
        instance_id: str,
        timeout_in_milliseconds: int = 10_000,
        retry_interval_in_milliseconds: int = 1000,
    ) -> func.HttpResponse:
        """The output (200), the failure (500) or, when it takes longer, the status links (202)."""
        try:
            status = await self.wait_for_completion(instance_id, timeout_in_milliseconds / 1000)
        except TimeoutError:
            return self.create_check_status_response(req, instance_id)
        return answers.outcome(status)

    # ---- helpers ----

    async def _head_or_none(self, instance_id: str) -> Head | None:
        return await repeat(self._hub, lambda: self._hub.instances.head(instance_id))

    async def _head(self, instance_id: str) -> Head:
        head = await self._head_or_none(check_instance_id(instance_id))
        if head is None:
            raise InstanceNotFoundError(f"there is no instance {instance_id!r}")
        return head

    def _payload(self, value: object, what: str) -> str | None:
        text = encode(value) if value is not None else None
        if text is not None and len(text) > self._max_payload:
            raise PayloadTooLargeError(
                f"{what} has {len(text):,} bytes as JSON; at most {self._max_payload:,} are "
                "allowed (extensions.durableTask.maxPayloadBytes in host.json)"
            )
        return text


def _utc(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment and moment.tzinfo is None else moment
