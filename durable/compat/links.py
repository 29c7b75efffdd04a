"""What Durable Functions' client binding says of itself, and answers with management URLs."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from durable.codec import encode
from durable.compat.addresses import hub_of, place_of
from durable.compat.task_hub_client import AsyncTaskHubGrpcClient
from durable.compat.v1.models import HttpManagementPayload, OrchestrationRuntimeStatus
from durable.compat.v1.status import DurableOrchestrationStatus
from durable.compat.warnings import old
from durable.errors import InstanceNotFoundError, InvalidRequestError

if TYPE_CHECKING:
    import azure.functions as func


class LinkedClient(AsyncTaskHubGrpcClient):
    """See the module."""

    # ---- what Durable Functions' binding says ----

    @property
    def taskHubName(self) -> str:  # noqa: N802
        """The hub's name."""
        return hub_of(self.native_client)

    @property
    def rpcBaseUrl(self) -> str:  # noqa: N802
        """What `TaskHubGrpcClient(host_address=…)` reaches this hub by, in this process."""
        return place_of(self.native_client).address

    @property
    def baseUrl(self) -> str:  # noqa: N802
        """The management API, `…/durabletask`; empty for a client without links."""
        return str(getattr(self.native_client._links, "root", ""))

    @property
    def httpBaseUrl(self) -> str:  # noqa: N802
        """The same as `baseUrl`."""
        return self.baseUrl

    useForwardedHost = False  # noqa: N815
    """Links begin with what the settings say, whatever a request claims."""
    maxGrpcMessageSizeInBytes = 0  # noqa: N815
    """Not set: nothing is called by gRPC."""
    grpcHttpClientTimeout = timedelta(seconds=30)  # noqa: N815
    """Durable Functions' default; nothing is called by gRPC."""

    def schedule_close(self) -> None:
        """Nothing to close: connections are the app's."""

    @property
    def requiredQueryStringParameters(self) -> str:  # noqa: N802
        """Empty: links carry their own permission."""
        return ""

    connectionName = "AzureWebJobsStorage"  # noqa: N815

    @property
    def creationUrls(self) -> dict[str, str]:  # noqa: N802
        """Empty: instances are started by the app's own routes, or the management API."""
        return {}

    @property
    def managementUrls(self) -> dict[str, str]:  # noqa: N802
        """The links of an instance with the id INSTANCEID, as the binding has them; they are
        templates of form, and permit nothing for another instance."""
        return dict(self.native_client.create_http_management_payload("INSTANCEID"))

    # ---- answers with links ----

    def create_http_management_payload(
        self,
        request: func.HttpRequest | str | None = None,
        instance_id: str | None = None,
        return_internal_server_error_on_failure: bool = False,
    ) -> HttpManagementPayload:
        """The management URLs of an instance; `request` may be left out."""
        if instance_id is None and isinstance(request, str):
            instance_id = request
        if instance_id is None:
            raise TypeError("instance_id is required")
        links = self.native_client.create_http_management_payload(instance_id)
        if return_internal_server_error_on_failure:
            url = links["statusQueryGetUri"]
            mark = "&" if "?" in url else "?"
            links["statusQueryGetUri"] = f"{url}{mark}returnInternalServerErrorOnFailure=true"
        return HttpManagementPayload(links)

    @old("get_client_response_links is the same as create_http_management_payload")
    def get_client_response_links(
        self, request: func.HttpRequest | None, instance_id: str
    ) -> HttpManagementPayload:
        """The same as `create_http_management_payload`."""
        return self.create_http_management_payload(request, instance_id)

    def create_check_status_response(
        self,
        request: func.HttpRequest | None,
        instance_id: str,
        return_internal_server_error_on_failure: bool = False,
    ) -> func.HttpResponse:
        """202 with the management URLs, Location and Retry-After."""
        from durable.client import answers

        return answers.check_status(
            self.create_http_management_payload(
                request, instance_id, return_internal_server_error_on_failure
            )
        )

    async def wait_for_completion_or_create_check_status_response(
        self,
        request: func.HttpRequest | None,
        instance_id: str,
        timeout_in_milliseconds: int = 10_000,
        retry_interval_in_milliseconds: int = 1_000,
        return_internal_server_error_on_failure: bool = True,
    ) -> func.HttpResponse:
        """The output (200), the status of a failed instance (500) or a terminated one (200), or,
        when it takes longer, the status links (202)."""
        if retry_interval_in_milliseconds > timeout_in_milliseconds:
            raise InvalidRequestError(
                f"Total timeout {timeout_in_milliseconds} (ms) should be bigger than "
                f"retry timeout {retry_interval_in_milliseconds} (ms)"
            )
        try:
            status = await self.native_client.wait_for_completion(
                instance_id, timeout_in_milliseconds / 1000
            )
        except (TimeoutError, InstanceNotFoundError):
            return self.create_check_status_response(request, instance_id)
        import azure.functions as func

        shown = DurableOrchestrationStatus.of(status, show_input=False)
        failed = shown.runtime_status == OrchestrationRuntimeStatus.Failed
        completed = shown.runtime_status == OrchestrationRuntimeStatus.Completed
        # as 1.x has it, a text goes out without the quotes of JSON
        output = shown.output if isinstance(shown.output, str) else status.output or "null"
        return func.HttpResponse(
            output if completed else encode(shown.to_json()),
            status_code=500 if failed and return_internal_server_error_on_failure else 200,
            mimetype="application/json",
        )
