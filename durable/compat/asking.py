"""Queries, updates, forks and histories, which are the native client's: Durable Functions has
none."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar, overload

from durable.client.asking import QUERY_SECONDS, UPDATE_SECONDS, Timeout
from durable.client.forking import UNCHANGED

if TYPE_CHECKING:
    from durable.client import DurableOrchestrationClient
    from durable.model.events import Event

T = TypeVar("T")


class Asking:
    """That part of a client."""

    native_client: DurableOrchestrationClient

    @overload
    async def query(
        self,
        instance_id: str,
        name: str,
        query_input: object = None,
        *,
        expected_type: type[T],
        timeout: Timeout = QUERY_SECONDS,
    ) -> T: ...
    @overload
    async def query(
        self,
        instance_id: str,
        name: str,
        query_input: object = None,
        *,
        expected_type: Any = None,
        timeout: Timeout = QUERY_SECONDS,
    ) -> Any: ...
    async def query(
        self, instance_id: str, name: str, query_input: object = None, **options: Any
    ) -> Any:
        """The native client's: what an instance answers from its own state."""
        return await self.native_client.query(instance_id, name, query_input, **options)

    @overload
    async def update(
        self,
        instance_id: str,
        name: str,
        data: object = None,
        *,
        expected_type: type[T],
        timeout: Timeout = UPDATE_SECONDS,
        update_id: str | None = None,
    ) -> T: ...
    @overload
    async def update(
        self,
        instance_id: str,
        name: str,
        data: object = None,
        *,
        expected_type: Any = None,
        timeout: Timeout = UPDATE_SECONDS,
        update_id: str | None = None,
    ) -> Any: ...
    async def update(self, instance_id: str, name: str, data: object = None, **options: Any) -> Any:
        """The native client's: give an instance an event that it answers."""
        return await self.native_client.update(instance_id, name, data, **options)

    async def fork(
        self,
        instance_id: str,
        step: int,
        *,
        input_: object = UNCHANGED,
        new_instance_id: str | None = None,
        version: str | None = None,
        tags: Mapping[str, str] | None = None,
        trace: tuple[str, str] = ("", ""),
    ) -> str:
        """The native client's: start a new instance from a step of another; its id."""
        return await self.native_client.fork(
            instance_id,
            step,
            input_=input_,
            new_instance_id=new_instance_id,
            version=version,
            tags=tags,
            trace=trace,
        )

    async def get_history(
        self, instance_id: str, *, payloads: bool = False
    ) -> list[tuple[datetime, Event]]:
        """The native client's: the events of an instance, each with the time of its turn."""
        return await self.native_client.get_history(instance_id, payloads=payloads)
