"""What each route does. Errors are raised, and answered in one place: `durable.management.api`."""

from __future__ import annotations

import azure.functions as func

from durable.client import Filters
from durable.codec import encode
from durable.errors import InstanceNotFoundError, InvalidInstanceIdError, InvalidRequestError
from durable.management.answers import answer, refusal
from durable.management.fork_body import fork_body
from durable.management.history import history_json
from durable.management.json_text import array_of
from durable.management.parameters import (
    CONTINUATION,
    Query,
    json_body,
    page_token,
    period,
    trace_of,
)
from durable.management.routes import Call
from durable.management.status import status_json
from durable.model.instance import InstanceStatus, OrchestrationRuntimeStatus, check_instance_id

LONGEST_WAIT = 230.0
"""Seconds after which Azure's load balancer gives up on a response."""

FILTERS = (
    "instanceIdPrefix",
    "createdTimeFrom",
    "createdTimeTo",
    "completedTimeFrom",
    "completedTimeTo",
    "runtimeStatus",
    "name",
    "tag",
)
"""What tells instances apart."""

_LONGEST_VERSION = 200
_FLAGS = {
    "showHistory": False,
    "showHistoryOutput": False,
    "showInput": True,
    "showHeartbeats": False,
    "returnInternalServerErrorOnFailure": False,
}


async def start(call: Call) -> func.HttpResponse:
    """Start an instance, and wait for its end if `timeout` says so."""
    query = call.query
    timeout = query.seconds("timeout", LONGEST_WAIT)
    interval = query.seconds("pollingInterval", LONGEST_WAIT)
    if timeout is not None and interval is not None and interval > timeout:
        raise InvalidRequestError("pollingInterval is longer than timeout")
    version = query.text("version")
    if version is not None and len(version) > _LONGEST_VERSION:
        raise InvalidRequestError(f"version has at most {_LONGEST_VERSION} characters")
    wanted = call.values.get("id")
    if wanted is not None:
        check_instance_id(wanted)
    value = json_body(call.request, call.client.max_payload)
    instance_id = await call.client.start_new(
        call.values["name"],
        wanted,
        value,
        version,
        tags=query.tags("tag"),
        start_at=query.moment("startAt"),
        trace=trace_of(call.request),
    )
    if timeout:
        try:
            return _finished(await call.client.wait_for_completion(instance_id, timeout))
        except TimeoutError:
            pass
    return _started(call, instance_id)


def _finished(status: InstanceStatus) -> func.HttpResponse:
    match status.runtime_status:
        case OrchestrationRuntimeStatus.COMPLETED:
            return answer(200, status.output or "null")
        case OrchestrationRuntimeStatus.FAILED:
            return answer(500, status_json(status))
        case _:
            return answer(200, status_json(status))


def _started(call: Call, instance_id: str) -> func.HttpResponse:
    payload = call.links.payload(instance_id)
    headers = {"Location": payload["statusQueryGetUri"], "Retry-After": "10"}
    return answer(202, encode(payload), headers)


async def status(call: Call) -> func.HttpResponse:
    """The status of one instance, with its history if asked for."""
    flags = {name: call.query.flag(name, default) for name, default in _FLAGS.items()}
    instance_id, show_input = check_instance_id(call.values["id"]), flags["showInput"]
    found = await call.client.get_status(
        instance_id, show_input=show_input, show_heartbeats=flags["showHeartbeats"]
    )
    if found is None:
        raise InstanceNotFoundError(f"there is no instance {instance_id!r}")
    history: str | None = None
    if flags["showHistory"]:
        output = flags["showHistoryOutput"]
        events = await call.client.get_history(instance_id, payloads=output)
        history = history_json(events, show_input=show_input, show_output=output, show_steps=True)
    body = status_json(found, show_input=show_input, history=history)
    if not found.runtime_status.is_terminal:
        asked = {name: flag for name, flag in flags.items() if flag != _FLAGS[name]}
        headers = {"Location": call.status_url(instance_id, **asked), "Retry-After": "5"}
        return answer(202, body, headers)
    failed = found.runtime_status is OrchestrationRuntimeStatus.FAILED
    return answer(500 if failed and flags["returnInternalServerErrorOnFailure"] else 200, body)


async def instances(call: Call) -> func.HttpResponse:
    """A page of instances, newest first."""
    query = call.query
    show_input = query.flag("showInput", True)
    top = query.whole("top", 1, 1000)
    token = page_token(call.request, call.links.unseal)
    page, following = await call.client.list_page(
        show_input=show_input, top=top or 100, token=token, **_filters(query)
    )
    headers = {CONTINUATION: call.links.seal(following)} if following is not None else {}
    body = array_of(status_json(found, show_input=show_input) for found in page)
    return answer(200, body, headers)


async def counts(call: Call) -> func.HttpResponse:
    """How many instances match, by status."""
    call.query.refuse_others(FILTERS)
    found = await call.client.count_by_status(**_filters(call.query))
    return answer(200, encode({str(status): found[status] for status in sorted(found)}))


def _filters(query: Query) -> Filters:
    created_from, created_to = period(query)
    completed_from, completed_to = period(query, "completedTime")
    return {
        "created_time_from": created_from,
        "created_time_to": created_to,
        "completed_time_from": completed_from,
        "completed_time_to": completed_to,
        "runtime_status": query.statuses("runtimeStatus"),
        "name": query.text("name"),
        "instance_id_prefix": query.prefix("instanceIdPrefix"),
        "tags": query.tags("tag"),
    }


async def purge(call: Call) -> func.HttpResponse:
    """Delete everything of one finished instance, with `recursive` its family."""
    instance_id = call.values["id"]
    recurse = call.query.flag("recursive", False)
    result = await call.client.purge_instance_history(instance_id, recurse=recurse)
    if not result.instances_deleted:
        return refusal(
            409,
            "InstanceNotFinished",
            f"instance {instance_id!r} has not ended; terminate it first",
        )
    return answer(200, encode({"instancesDeleted": result.instances_deleted}))


async def purge_by(call: Call) -> func.HttpResponse:
    """Delete everything of all finished instances that match."""
    call.query.refuse_others((*FILTERS, "recursive"))
    filters = _filters(call.query)
    if filters["created_time_from"] is None:
        raise InvalidRequestError("createdTimeFrom is missing: say from when on to purge")
    recurse = call.query.flag("recursive", False)
    result = await call.client.purge_instance_history_by(**filters, recurse=recurse)
    if not result.instances_deleted:
        return refusal(404, "InstanceNotFound", "no finished instance matches")
    return answer(200, encode({"instancesDeleted": result.instances_deleted}))


async def raise_event(call: Call) -> func.HttpResponse:
    """Give an event to an instance."""
    check_instance_id(call.values["id"])
    value = json_body(call.request, call.client.max_payload)
    await call.client.raise_event(call.values["id"], call.values["eventName"], value)
    return answer(202)


async def terminate(call: Call) -> func.HttpResponse:
    """End an instance, with `recursive` its sub-orchestrations too."""
    recurse = call.query.flag("recursive", False)
    await call.client.terminate(call.values["id"], _reason(call), recurse=recurse)
    return answer(202)


async def suspend(call: Call) -> func.HttpResponse:
    """Let an instance rest."""
    await call.client.suspend(call.values["id"], _reason(call))
    return answer(202)


async def resume(call: Call) -> func.HttpResponse:
    """Let an instance go on."""
    await call.client.resume(check_instance_id(call.values["id"]), _reason(call))
    return answer(202)


def _reason(call: Call) -> str:
    return call.query.text("reason") or ""


async def restart(call: Call) -> func.HttpResponse:
    """Start again with the same input.

    Who came by a link gets the new id alone: links for it would permit more than theirs did.
    """
    anew = call.query.flag("restartWithNewInstanceId", True)
    try:
        instance_id = await call.client.restart(call.values["id"], anew)
    except InstanceNotFoundError as error:
        return refusal(400, "InstanceNotFound", str(error))
    if call.token is not None:
        return answer(202, encode({"id": instance_id}))
    return _started(call, instance_id)


async def fork(call: Call) -> func.HttpResponse:
    """Start a new instance from a step of another, as the body says."""
    check_instance_id(call.values["id"])
    wanted = fork_body(json_body(call.request, call.client.max_payload))
    instance_id = await call.client.fork(
        call.values["id"],
        wanted.step,
        input_=wanted.input_,
        new_instance_id=wanted.new_instance_id,
        version=wanted.version,
        tags=wanted.tags,
        trace=trace_of(call.request),
    )
    return _started(call, instance_id)


async def rewind(call: Call) -> func.HttpResponse:
    """Let a failed instance go on."""
    try:
        await call.client.rewind(call.values["id"], _reason(call))
    except InvalidRequestError as error:
        if isinstance(error, InvalidInstanceIdError):
            raise
        return refusal(409, "InstanceNotFailed", str(error))
    return answer(202)
