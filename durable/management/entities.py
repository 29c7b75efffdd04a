"""What the entity routes do. In a path `$` stands for the empty key."""

from __future__ import annotations

from dataclasses import replace

import azure.functions as func

from durable.client import EntityState
from durable.codec import encode
from durable.errors import InvalidRequestError
from durable.management.answers import answer, refusal
from durable.management.json_text import array_of, object_of, seconds_of
from durable.management.parameters import CONTINUATION, json_body, page_token, period
from durable.management.routes import Call
from durable.model.entities import EntityId

EMPTY_KEY = "$"


async def entity(call: Call) -> func.HttpResponse:
    """The state of one entity."""
    entity_id = _entity_id(call)
    found = await call.client.read_entity_state(entity_id)
    if found is None or found.state is None:
        return refusal(404, "EntityNotFound", f"there is no entity {entity_id}")
    return answer(200, found.state)


async def entities(call: Call) -> func.HttpResponse:
    """A page of entities, of one name or of all."""
    query = call.query
    low, high = period(query, "lastOperationTime")
    fetch = query.flag("fetchState", False)
    page, following = await call.client.list_entities_page(
        name=EntityId(call.values["name"], "").name if "name" in call.values else None,
        last_modified_from=low,
        last_modified_to=high,
        include_state=fetch,
        top=query.whole("top", 1, 1000) or 100,
        token=page_token(call.request, call.links.unseal),
    )
    headers = {CONTINUATION: call.links.seal(following)} if following is not None else {}
    return answer(200, array_of(_listed(each) for each in page), headers)


async def signal(call: Call) -> func.HttpResponse:
    """Send an operation to an entity."""
    operation = call.query.text("op")
    if operation is None:
        raise InvalidRequestError("op is missing: say which operation to perform")
    return await _send(call, operation)


async def delete(call: Call) -> func.HttpResponse:
    """Send an entity the operation that deletes it, unless `op` says another."""
    return await _send(call, call.query.text("op") or "delete")


async def _send(call: Call, operation: str) -> func.HttpResponse:
    entity_id = _entity_id(call)
    value = json_body(call.request, call.client.max_payload)
    await call.client.signal_entity(entity_id, operation, value)
    return answer(202)


def _entity_id(call: Call) -> EntityId:
    entity_id = EntityId(call.values["name"], call.values["key"])
    return replace(entity_id, key="") if entity_id.key == EMPTY_KEY else entity_id


def _listed(entity: EntityState) -> str:
    key = {"name": entity.entity_id.name, "key": entity.entity_id.key}
    return object_of(
        {
            "entityId": encode(key),
            "lastOperationTime": seconds_of(entity.last_modified),
            "state": entity.state or "null",
        }
    )
