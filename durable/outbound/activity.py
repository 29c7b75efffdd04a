"""The activity `durable_http` in an app."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from durable.model.functions import ActivityDefinition, Registry
from durable.model.http import HTTP_ACTIVITY, DurableHttpRequest, HttpAnswer
from durable.settings import HttpSettings

if TYPE_CHECKING:
    from durable.outbound.sending import HttpSender


class SendsHttp(Protocol):
    """What sends the requests."""

    async def send(self, request: DurableHttpRequest) -> HttpAnswer:
        """See `HttpSender.send`."""


class LateSender:
    """A sender made for the first request: apps that send none import no HTTP client."""

    def __init__(self, settings: HttpSettings) -> None:
        self._settings = settings

    async def send(self, request: DurableHttpRequest) -> HttpAnswer:
        """See `HttpSender.send`."""
        return await self._sender.send(request)

    async def close(self) -> None:
        """See `HttpSender.close`."""
        if "_sender" in self.__dict__:
            await self._sender.close()

    @cached_property
    def _sender(self) -> HttpSender:
        from durable.outbound.sending import HttpSender

        return HttpSender(self._settings)


def with_durable_http(registry: Registry, sender: SendsHttp) -> Registry:
    """An app's functions and, if it has orchestrators, the activity that they call HTTP by.

    Raises DefinitionError when a function of the app has its name.
    """
    whole = Registry()
    whole.update(registry)
    if registry.orchestrators:
        whole.add(ActivityDefinition(HTTP_ACTIVITY, sender.send, "request"))
    return whole
