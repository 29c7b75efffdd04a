"""Requests in, responses out: who may do what, and what an error looks like."""

from __future__ import annotations

from collections.abc import Sequence

import azure.functions as func

from durable.client import DurableOrchestrationClient
from durable.errors import InvalidRequestError
from durable.management.answers import refusal, refusal_of
from durable.management.links import LinkRefusedError, LinkSigner
from durable.management.parameters import Query
from durable.management.routes import Call, Route, candidates
from durable.management.table import ROUTES

Matches = Sequence[tuple[Route, dict[str, str]]]


class ManagementApi:
    """Durable Functions' HTTP API over a client. Its methods never raise; every error is a JSON
    object with `error`, a name, and `message`, a text."""

    def __init__(self, client: DurableOrchestrationClient, links: LinkSigner) -> None:
        self._client = client
        self._links = links

    async def handle(self, request: func.HttpRequest, path: str) -> func.HttpResponse:
        """Answer a caller who may do everything; `path` is what follows `durabletask/`."""
        try:
            matches = candidates(ROUTES, path)
        except InvalidRequestError as error:
            return refusal_of(error, "route")
        if not matches:
            return refusal(404, "NotFound", "the management API has no such path")
        for route, values in matches:
            if route.method == request.method:
                return await self._run(route, values, request, None)
        return _wrong_method(request.method, matches)

    async def handle_link(self, request: func.HttpRequest, path: str) -> func.HttpResponse:
        """Answer whoever holds a link; `path` is what follows `durabletask/links/`. Everything
        that the link was not signed for is 401, whether it exists or not."""
        token, _, rest = path.removeprefix("/").partition("/")
        try:
            route, values = self._permitted(token, request.method, rest)
        except LinkRefusedError as refused:
            return refusal(401, "Unauthorized", str(refused))
        return await self._run(route, values, request, token)

    def _permitted(self, token: str, method: str, path: str) -> tuple[Route, dict[str, str]]:
        try:
            matches = candidates(ROUTES, path)
        except InvalidRequestError:
            matches = []
        for route, values in matches:
            if route.method == method and "id" in values:
                self._links.verify(token, route.operation, values["id"])
                return route, values
        raise LinkRefusedError("this link does not permit this request")

    async def _run(
        self, route: Route, values: dict[str, str], request: func.HttpRequest, token: str | None
    ) -> func.HttpResponse:
        try:
            query = Query(request.params, request.url)
            call = Call(self._client, self._links, request, values, query, token)
            return await route.handler(call)
        except Exception as error:
            return refusal_of(error, route.operation)


def _wrong_method(method: str, matches: Matches) -> func.HttpResponse:
    allowed = ", ".join(sorted({route.method for route, _ in matches}))
    return refusal(
        405, "MethodNotAllowed", f"{method[:20]} is not possible here", {"Allow": allowed}
    )
