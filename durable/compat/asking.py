"""Queries and updates, which are the native client's: Durable Functions has none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, overload

from durable.client.asking import QUERY_SECONDS, UPDATE_SECONDS, Timeout

if TYPE_CHECKING:
    from durable.client import DurableOrchestrationClient

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
