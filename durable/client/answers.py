"""HTTP answers that a starter gives for an instance, in Durable Functions' shape."""

from __future__ import annotations

from typing import TYPE_CHECKING

from durable.codec import encode
from durable.model.instance import InstanceStatus, OrchestrationRuntimeStatus

if TYPE_CHECKING:
    import azure.functions as func


def check_status(payload: dict[str, str]) -> func.HttpResponse:
    """202 with the management URLs, Location and Retry-After."""
    import azure.functions as func

    return func.HttpResponse(
        encode(payload),
        status_code=202,
        mimetype="application/json",
        headers={"Location": payload["statusQueryGetUri"], "Retry-After": "10"},
    )


def outcome(status: InstanceStatus) -> func.HttpResponse:
    """200 with the output of a completed instance or the status of a terminated one, 500 with
    the failure of a failed one."""
    import azure.functions as func

    code = 200
    if status.runtime_status is OrchestrationRuntimeStatus.COMPLETED:
        body = status.output or "null"
    elif status.runtime_status is OrchestrationRuntimeStatus.FAILED:
        body, code = encode({"error": str(status.failure)}), 500
    else:
        body = encode({"runtimeStatus": str(status.runtime_status)})
    return func.HttpResponse(body, status_code=code, mimetype="application/json")
