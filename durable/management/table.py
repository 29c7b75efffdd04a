"""The route table: the only place that says which routes there are.

Dispatch, `Allow` headers, what links permit and the OpenAPI document all come from it.
"""

from __future__ import annotations

from dataclasses import replace

import azure.functions as func

from durable.codec import encode
from durable.management import asking, entities, operations
from durable.management.answers import answer
from durable.management.fork_body import SCHEMA
from durable.management.open_api import open_api
from durable.management.routes import Call, Parameter, Route


async def _open_api(call: Call) -> func.HttpResponse:
    return answer(200, encode(open_api(ROUTES, call.links.root)))


_SHOW_INPUT = Parameter("showInput", "boolean", "With the input; true by default.")
_FROM = Parameter("createdTimeFrom", "date-time", "Created at this time or later.")
_TO = Parameter("createdTimeTo", "date-time", "Created at this time or earlier.")
_STATUSES = Parameter("runtimeStatus", "statuses", "In one of these states.")
_FILTERS = (
    Parameter("instanceIdPrefix", "string", "With an id that begins so."),
    _FROM,
    _TO,
    Parameter("completedTimeFrom", "date-time", "Ended at this time or later."),
    Parameter("completedTimeTo", "date-time", "Ended at this time or earlier."),
    _STATUSES,
    Parameter("name", "string", "Of this orchestrator."),
    Parameter("tag", "string", "With this tag: NAME=VALUE; once for each of several."),
)
_RECURSIVE = Parameter("recursive", "boolean", "Its sub-orchestrations too; false by default.")
_REASON = Parameter("reason", "string", "Why; kept in the history.")

_BAD = {400: "Bad id, parameter or JSON."}
_UNKNOWN = {404: "There is no such instance."}
_STEERED = {202: "Accepted.", **_BAD, **_UNKNOWN, 410: "The instance has ended."}

_START = Route(
    "POST",
    "orchestrators/{name}",
    "start",
    operations.start,
    "Start an instance under a random id.",
    {
        200: "It ended within the timeout: its output, or its status if it was terminated.",
        202: "Started: links to watch and steer it.",
        400: "Unknown orchestrator, bad id, parameter or JSON.",
        409: "An unfinished instance has this id.",
        413: "The input is too large.",
        500: "It failed within the timeout: its status.",
    },
    query=(
        Parameter("timeout", "number", "Wait so many seconds for its end; 0 by default."),
        Parameter(
            "pollingInterval",
            "number",
            "Seconds between looks, at most the timeout; the end is noticed without it.",
        ),
        Parameter("version", "string", "The version of the new instance."),
        Parameter("startAt", "date-time", "Begin then; at once by default."),
        Parameter("tag", "string", "A tag of the new instance: NAME=VALUE; once for each."),
    ),
    body="The input: any JSON, nothing for null.",
    instance_at={202: "/id"},
)
_ENTITY = Route(
    "GET",
    "entities/{name}/{key}",
    "entity",
    entities.entity,
    "The state of an entity; `$` stands for the empty key.",
    {200: "Its state.", 400: "Bad name or key.", 404: "It has no state."},
)
_SIGNAL = replace(
    _ENTITY,
    method="POST",
    operation="signalEntity",
    handler=entities.signal,
    about="Have an entity perform an operation.",
    answers={
        202: "Accepted.",
        400: "Unknown entity, bad name, key or JSON; no op.",
        413: "Too large.",
    },
    query=(Parameter("op", "string", "The operation.", required=True),),
    body="The operation's input: any JSON, nothing for null.",
)
_ENTITIES = Route(
    "GET",
    "entities",
    "entities",
    entities.entities,
    "Entities that have a state, by id; pages as those of instances.",
    {200: "A page of entities.", 400: "Bad parameter."},
    query=(
        Parameter("lastOperationTimeFrom", "date-time", "Last used at this time or later."),
        Parameter("lastOperationTimeTo", "date-time", "Last used at this time or earlier."),
        Parameter("fetchState", "boolean", "With the states; false by default."),
        Parameter("top", "integer", "At most so many, 1 to 1000; 100 by default."),
    ),
)

ROUTES: tuple[Route, ...] = (
    _START,
    replace(
        _START,
        pattern="orchestrators/{name}/{id}",
        operation="startWithId",
        about="Start an instance under an id of the caller's.",
    ),
    Route(
        "GET",
        "instances/{id}",
        "status",
        operations.status,
        "The status of an instance.",
        {
            200: "It has ended.",
            202: "It has not ended: look again at Location after Retry-After seconds.",
            **_BAD,
            **_UNKNOWN,
            500: "It has failed, and returnInternalServerErrorOnFailure was given.",
        },
        query=(
            Parameter("showHistory", "boolean", "With the history; false by default."),
            Parameter("showHistoryOutput", "boolean", "Results in it too; false by default."),
            _SHOW_INPUT,
            Parameter(
                "showHeartbeats",
                "boolean",
                "With what running activities said last; false by default.",
            ),
            Parameter(
                "returnInternalServerErrorOnFailure",
                "boolean",
                "Answer 500 if it has failed; false by default.",
            ),
        ),
    ),
    Route(
        "GET",
        "instances",
        "list",
        operations.instances,
        "Instances, newest first. The header x-ms-continuation-token of a response, sent with "
        "the next request, gives the next page; a page may hold fewer than asked for, or none.",
        {200: "A page of statuses.", **_BAD},
        query=(
            *_FILTERS,
            _SHOW_INPUT,
            Parameter("top", "integer", "At most so many, 1 to 1000; 100 by default."),
        ),
        instance_at={200: "/0/instanceId"},
    ),
    Route(
        "GET",
        "counts",
        "counts",
        operations.counts,
        "How many instances there are, by status.",
        {200: "Numbers by status.", **_BAD},
        query=_FILTERS,
    ),
    Route(
        "DELETE",
        "instances/{id}",
        "purge",
        operations.purge,
        "Delete everything of a finished instance.",
        {
            200: "Deleted: how many.",
            **_BAD,
            **_UNKNOWN,
            409: "The instance has not ended.",
        },
        query=(_RECURSIVE,),
    ),
    Route(
        "DELETE",
        "instances",
        "purgeBy",
        operations.purge_by,
        "Delete everything of all finished instances that match.",
        {200: "Deleted: how many.", **_BAD, 404: "No finished instance matches."},
        query=(
            *(replace(each, required=True) if each is _FROM else each for each in _FILTERS),
            _RECURSIVE,
        ),
    ),
    Route(
        "POST",
        "instances/{id}/raiseEvent/{eventName}",
        "event",
        operations.raise_event,
        "Give an event to an instance.",
        {**_STEERED, 413: "The event's data is too large."},
        body="The event's data: any JSON, nothing for null.",
    ),
    Route(
        "GET",
        "instances/{id}/queries/{name}",
        "query",
        asking.query,
        "What an instance answers from its own state, which stays as it is.",
        {
            200: "The answer: any JSON.",
            **_BAD,
            404: "There is no such instance, or it answers no such query.",
            413: "The input is too large.",
            422: "The query failed: its handler raised, or the code does not fit the history.",
            409: "It has not begun, or no worker has answered, within the timeout.",
        },
        query=(
            Parameter("input", "string", "The query's input, as JSON."),
            Parameter("timeout", "number", "Wait so many seconds at most; 10 by default."),
        ),
    ),
    Route(
        "POST",
        "instances/{id}/updates/{name}",
        "update",
        asking.update,
        "Give an instance an event that it answers.",
        {
            200: "The answer: any JSON.",
            202: "Stored, and not answered within the timeout: its updateId, under which it can be "
            "asked for again.",
            **_BAD,
            **_UNKNOWN,
            410: "The instance has ended, and not answered.",
            413: "The data is too large.",
            422: "The instance refuses it.",
        },
        query=(
            Parameter("timeout", "number", "Wait so many seconds at most; 10 by default."),
            Parameter("updateId", "string", "Repeated under it, an update gets the same answer."),
        ),
        body="The update's data: any JSON, nothing for null.",
    ),
    Route(
        "POST",
        "instances/{id}/terminate",
        "terminate",
        operations.terminate,
        "End an instance without giving its code another turn.",
        _STEERED,
        query=(_REASON, _RECURSIVE),
    ),
    Route(
        "POST",
        "instances/{id}/suspend",
        "suspend",
        operations.suspend,
        "Let an instance rest; what arrives is kept.",
        _STEERED,
        query=(_REASON,),
    ),
    Route(
        "POST",
        "instances/{id}/resume",
        "resume",
        operations.resume,
        "Let a suspended instance go on, or a Stuck one try again.",
        _STEERED,
        query=(_REASON,),
    ),
    Route(
        "POST",
        "instances/{id}/restart",
        "restart",
        operations.restart,
        "Start again with the same function and input.",
        {
            202: "Started: links to watch and steer it, or by a link the new id alone.",
            400: "There is no such instance; bad id or parameter.",
            409: "In place of it, and it has not ended.",
        },
        query=(
            Parameter(
                "restartWithNewInstanceId",
                "boolean",
                "As a new instance, or else in place of the finished one; true by default.",
            ),
        ),
        instance_at={202: "/id"},
    ),
    Route(
        "POST",
        "instances/{id}/rewind",
        "rewind",
        operations.rewind,
        "Let a failed instance go on: what failed runs again.",
        {**_STEERED, 409: "The instance has not ended.", 410: "It has ended, and not failed."},
        query=(_REASON,),
    ),
    Route(
        "POST",
        "instances/{id}/fork",
        "fork",
        operations.fork,
        "Start a new instance that takes over what this one did before a step.",
        {
            202: "Started: links to watch and steer it.",
            400: "No such step, or inside a critical section; bad id or JSON.",
            **_UNKNOWN,
            409: "The new instance's id is in use.",
            413: "The input is too large.",
        },
        body="`step`, and what is not to be as of this instance.",
        schema=SCHEMA,
        instance_at={202: "/id"},
    ),
    _ENTITY,
    _SIGNAL,
    replace(
        _SIGNAL,
        method="DELETE",
        operation="deleteEntity",
        handler=entities.delete,
        about="Have an entity perform the operation `delete`, or another.",
        query=(Parameter("op", "string", "The operation; delete by default."),),
    ),
    _ENTITIES,
    replace(
        _ENTITIES,
        pattern="entities/{name}",
        operation="entitiesOf",
        about="Entities of one name that have a state, by id.",
    ),
    Route(
        "GET",
        "openapi.json",
        "openApi",
        _open_api,
        "This document.",
        {200: "OpenAPI 3.0."},
    ),
)
