"""What the routes of queries and updates do."""

from __future__ import annotations

import secrets

import azure.functions as func

from durable.client.asking import QUERY_SECONDS
from durable.codec import encode
from durable.management.answers import answer, refusal
from durable.management.operations import LONGEST_WAIT
from durable.management.parameters import json_body
from durable.management.routes import Call
from durable.model.instance import check_instance_id


async def query(call: Call) -> func.HttpResponse:
    """What an instance answers from its state."""
    timeout = call.query.seconds("timeout", LONGEST_WAIT)
    try:
        found = await call.client.query(
            check_instance_id(call.values["id"]),
            call.values["name"],
            call.query.json("input"),
            timeout=QUERY_SECONDS if timeout is None else timeout,
        )
    except TimeoutError as error:
        return refusal(409, "NotAnswered", str(error))
    return answer(200, encode(found))


async def update(call: Call) -> func.HttpResponse:
    """Give an instance an update, and wait for its answer."""
    timeout = call.query.seconds("timeout", LONGEST_WAIT)
    instance_id = check_instance_id(call.values["id"])
    value = json_body(call.request, call.client.max_payload)
    update_id = call.query.text("updateId") or secrets.token_hex(16)
    try:
        found = await call.client.update(
            instance_id,
            call.values["name"],
            value,
            timeout=QUERY_SECONDS if timeout is None else timeout,
            update_id=update_id,
        )
    except TimeoutError:
        return answer(202, encode({"updateId": update_id}))
    return answer(200, encode(found))
