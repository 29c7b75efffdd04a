"""Entities: a counter, and accounts that are locked while money moves."""

from __future__ import annotations

import json

import azure.functions as func

import durable as df

bp = df.Blueprint()


@bp.entity_trigger(context_name="context", entity_name="Counter")
async def counter(context: df.EntityContext) -> int | None:
    value: int = context.get_state(int, 0)
    match context.operation_name:
        case "add":
            value += context.get_input(int)
        case "reset":
            value = 0
        case "end":
            context.delete_state()
            return None
    context.set_state(value)
    return value


@bp.orchestration_trigger(context_name="context")
async def count_visits(context: df.DurableOrchestrationContext) -> list[int]:
    entity = df.EntityId("Counter", context.get_input(str))
    context.signal_entity(entity, "reset")
    context.signal_entity(entity, "add", 2)
    first = await context.call_entity(entity, "add", 3)
    return [first, await context.call_entity(entity, "get")]


@bp.entity_trigger(context_name="context", entity_name="Account")
async def account(context: df.EntityContext) -> int:
    balance: int = context.get_state(int, 0)
    match context.operation_name:
        case "deposit":
            balance += context.get_input(int)
        case "withdraw":
            if context.get_input(int) > balance:
                raise ValueError("not enough money")
            balance -= context.get_input(int)
            context.signal_entity(df.EntityId("Counter", "withdrawals"), "add", 1)
    context.set_state(balance)
    return balance


@bp.orchestration_trigger(context_name="context")
async def transfer(context: df.DurableOrchestrationContext) -> list[int] | str:
    order = context.get_input()
    source, target = (
        df.EntityId("Account", order["source"]),
        df.EntityId("Account", order["target"]),
    )
    async with context.lock_entities([source, target]):
        try:
            left = await context.call_entity(source, "withdraw", order["amount"])
        except df.errors.EntityOperationFailedError as error:
            return error.details.message
        return [left, await context.call_entity(target, "deposit", order["amount"])]


@bp.route(route="entities/{name}/{key}/{operation}", methods=["POST"])
@bp.durable_client_input(client_name="client")
async def signal(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    entity = df.EntityId(req.route_params["name"], req.route_params["key"])
    body = req.get_body()
    operation = req.route_params["operation"]
    await client.signal_entity(entity, operation, json.loads(body) if body else None)
    return func.HttpResponse(status_code=202)


@bp.route(route="entities/{name}/{key}", methods=["GET"])
@bp.durable_client_input(client_name="client")
async def read(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    entity = df.EntityId(req.route_params["name"], req.route_params["key"])
    found = await client.read_entity_state(entity)
    if not found.entity_exists:
        return func.HttpResponse("there is no such entity", status_code=404)
    return func.HttpResponse(json.dumps(found.entity_state))
