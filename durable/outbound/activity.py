"""The activity `durable_http` in an app."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from durable.model.functions import ActivityDefinition, Registry
from durable.model.http import HTTP_ACTIVITY, DurableHttpRequest, HttpAnswer, header_of
from durable.runtime.activities import current_activity
from durable.settings import HttpSettings

if TYPE_CHECKING:
    from durable.outbound.sending import HttpSender


class SendsHttp(Protocol):
    """What sends the requests."""

    async def send(self, request: DurableHttpRequest) -> HttpAnswer:
        """See `HttpSender.send`."""


class LateSender:
    """A sender made for the first request: apps that send none import no HTTP client. Where calls
    are `traced`, a request says which call it belongs to."""

    def __init__(self, settings: HttpSettings, *, traced: bool = False) -> None:
        self._settings = settings
        self._traced = traced

    async def send(self, request: DurableHttpRequest) -> HttpAnswer:
        """See `HttpSender.send`."""
        return await self._sender.send(_within_trace(request) if self._traced else request)

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


def _within_trace(request: DurableHttpRequest) -> DurableHttpRequest:
    """With the place of this call in its trace, unless the orchestrator said another."""
    call, given = current_activity(), request.headers or {}
    if call is None or not call.traceparent or header_of(given, "traceparent") is not None:
        return request
    place = {"traceparent": call.traceparent, "tracestate": call.tracestate}
    added = {k: v for k, v in place.items() if v and header_of(given, k) is None}
    return replace(request, headers={**given, **added})
