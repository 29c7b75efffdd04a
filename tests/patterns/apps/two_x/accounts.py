"""Entities: a function, and a class whose objects are locked while money moves."""

import json

import azure.durable_functions as df
import azure.functions as func
from durabletask import entities, task

bp = df.Blueprint()


@bp.entity_trigger(context_name="context", entity_name="Counter")
def counter(ctx: entities.EntityContext, input):
    value = ctx.get_state(int, 0)
    if ctx.operation == "add":
        value += input
    elif ctx.operation == "reset":
        value = 0
    elif ctx.operation == "end":
        ctx.set_state(None)
        return None
    ctx.set_state(value)
    return value


@bp.orchestration_trigger(context_name="context")
def count_visits(ctx: task.OrchestrationContext, key: str):
    entity = entities.EntityInstanceId("Counter", key)
    ctx.signal_entity(entity, "reset")
    ctx.signal_entity(entity, "add", 2)
    first = yield ctx.call_entity(entity, "add", 3)
    second = yield ctx.call_entity(entity, "get")
    return [first, second]


@bp.entity_trigger(context_name="context")
class Account(entities.DurableEntity):
    def deposit(self, amount: int):
        self.set_state(self.balance() + amount)

    def withdraw(self, amount: int):
        if amount > self.balance():
            raise ValueError("not enough money")
        self.set_state(self.balance() - amount)
        self.signal_entity(entities.EntityInstanceId("Counter", "withdrawals"), "add", 1)

    def balance(self) -> int:
        return self.get_state(int, 0)


@bp.orchestration_trigger(context_name="context")
def transfer(ctx: task.OrchestrationContext, order: dict):
    source = entities.EntityInstanceId("Account", order["source"])
    target = entities.EntityInstanceId("Account", order["target"])
    with (yield ctx.lock_entities([source, target])):
        try:
            yield ctx.call_entity(source, "withdraw", order["amount"])
        except task.TaskFailedError as error:
            return str(error.details.message)
        yield ctx.call_entity(target, "deposit", order["amount"])
        left = yield ctx.call_entity(source, "balance")
        got = yield ctx.call_entity(target, "balance")
    return [left, got]


@bp.route(route="entities/{name}/{key}/{operation}", methods=["POST"])
@bp.durable_client_input(client_name="client")
async def signal(req: func.HttpRequest, client: df.DurableFunctionsClient):
    entity = entities.EntityInstanceId(req.route_params["name"], req.route_params["key"])
    body = req.get_body()
    await client.signal_entity(
        entity, req.route_params["operation"], input=json.loads(body) if body else None
    )
    return func.HttpResponse(status_code=202)


@bp.route(route="entities/{name}/{key}", methods=["GET"])
@bp.durable_client_input(client_name="client")
def read(req: func.HttpRequest, client: df.SyncDurableFunctionsClient):
    entity = entities.EntityInstanceId(req.route_params["name"], req.route_params["key"])
    found = client.get_entity(entity)
    if found is None or found.get_typed_state(int) is None:
        return func.HttpResponse("there is no such entity", status_code=404)
    return func.HttpResponse(json.dumps(found.get_typed_state(int)))
