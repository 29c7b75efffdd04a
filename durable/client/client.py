"""The client, put together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from durable.client import answers
from durable.client.access import MAX_PAYLOAD
from durable.client.asking import Answerer, Asking
from durable.client.dead_letters import DeadLetters
from durable.client.entities import Entities
from durable.client.looking import Looking
from durable.client.purge_jobs import PurgeJobs
from durable.client.stats import Stats
from durable.errors import InvalidRequestError
from durable.hub.hub import Hub
from durable.hub.ringing import QueueRinger, Ringer
from durable.model.functions import Registry
from durable.model.instance import check_instance_id

if TYPE_CHECKING:
    import azure.functions as func


class Links(Protocol):
    """Makes the management URLs of an instance."""

    def payload(self, instance_id: str) -> dict[str, str]:
        """`id`, `statusQueryGetUri`, `sendEventPostUri`, …, as Durable Functions names them."""
        ...


class DurableOrchestrationClient(PurgeJobs, Looking, Asking, Entities, DeadLetters, Stats):
    """Start, watch and steer orchestrations and entities from outside.

    All operations are safe to repeat, and are repeated here where an answer was lost.
    """

    def __init__(
        self,
        hub: Hub,
        *,
        ringer: Ringer | None = None,
        registry: Registry | None = None,
        links: Links | None = None,
        answerer: Answerer | None = None,
        max_payload: int = MAX_PAYLOAD,
        default_version: str | None = None,
    ) -> None:
        """`registry` lets `start_new` and `signal_entity` refuse names that the app does not
        have; `links` is needed for the methods that answer with management URLs. `answerer`
        answers queries here; without one a worker is asked. Instances that are started without a
        version get `default_version`."""
        super().__init__(hub, ringer or QueueRinger(hub), registry, max_payload, default_version)
        self._links = links
        self._answerer = answerer

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
