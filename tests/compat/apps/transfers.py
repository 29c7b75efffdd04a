"""A stranger's app of 2.x: plain starters with a client that blocks, class entities, locks."""

import json
import logging
from datetime import datetime, timedelta

import azure.durable_functions as df
import azure.functions as func
from durabletask import entities, task
from durabletask.client import OrchestrationQuery, OrchestrationStatus
from durabletask.entities import DurableEntity, EntityInstanceId

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)
FLAKY = {"ledger": 2}


@app.route(route="transfers", methods=["POST"])
@app.durable_client_input(client_name="client")
def start_transfer(req: func.HttpRequest, client: df.SyncDurableFunctionsClient):
    order = req.get_json()
    begun = datetime.utcnow()
    instance_id = client.schedule_new_orchestration(
        transfer, input=order, instance_id=order["id"], tags={"kind": "transfer"}
    )
    state = client.wait_for_orchestration_completion(instance_id, timeout=60)
    if state is None or state.runtime_status != OrchestrationStatus.COMPLETED:
        details = state.failure_details
        body = {"status": str(state.runtime_status), "error": details.message}
        return func.HttpResponse(json.dumps(body), status_code=409)
    took = state.last_updated_at - state.created_at
    assert isinstance(begun - state.created_at, timedelta)
    return func.HttpResponse(
        json.dumps({"result": state.get_output(), "quick": took < timedelta(minutes=5)})
    )


@app.route(route="accounts/{key}/{operation}", methods=["POST"])
@app.durable_client_input(client_name="client")
async def account_operation(req: func.HttpRequest, client: df.DurableFunctionsClient):
    entity_id = EntityInstanceId("Account", req.route_params["key"])
    await client.signal_entity(entity_id, req.route_params["operation"], input=req.get_json())
    return func.HttpResponse(status_code=202)


@app.route(route="accounts", methods=["GET"])
@app.durable_client_input(client_name="client")
async def accounts(req: func.HttpRequest, client: df.DurableFunctionsClient):
    found = await client.get_all_entities()
    balances = {each.id.key: each.get_state(float) for each in found if each.id.entity == "account"}
    return func.HttpResponse(json.dumps(dict(sorted(balances.items()))))


@app.route(route="transfers", methods=["GET"])
@app.durable_client_input(client_name="client")
def list_transfers(req: func.HttpRequest, client):
    query = OrchestrationQuery(
        created_time_from=datetime.utcnow() - timedelta(days=40 * 365),
        runtime_status=[OrchestrationStatus[name] for name in req.params["status"].split(",")],
        max_instance_count=10,
        fetch_inputs_and_outputs=True,
    )
    states = client.get_all_orchestration_states(query)
    shown = sorted([state.instance_id, state.name, state.get_input()["amount"]] for state in states)
    return func.HttpResponse(json.dumps(shown))


@app.orchestration_trigger(context_name="context")
def transfer(context: task.OrchestrationContext, order: dict):
    source = EntityInstanceId("account", order["source"])
    target = EntityInstanceId("account", order["target"])
    logger = context.create_replay_safe_logger(logging.getLogger(__name__))
    logger.info("transferring %s", order["amount"])
    policy = task.RetryPolicy(
        first_retry_interval=timedelta(seconds=2),
        max_number_of_attempts=3,
        backoff_coefficient=2.0,
        max_retry_interval=timedelta(seconds=30),
        retry_timeout=timedelta(minutes=10),
    )
    with (yield context.lock_entities([source, target])):
        balance = yield context.call_entity(source, "get")
        if balance < order["amount"]:
            raise ValueError(f"{order['source']} has only {balance}")
        parallel = [
            context.call_entity(source, "withdraw", order["amount"]),
            context.call_entity(target, "deposit", order["amount"]),
        ]
        left, got = yield task.when_all(parallel)
    try:
        note = yield context.call_activity(
            write_ledger, input={"id": context.instance_id, **order}, retry_policy=policy
        )
    except task.TaskFailedError as e:
        note = f"{e.details.error_type}: {e.details.message}"
    return {"left": left, "got": got, "note": note}


@app.activity_trigger(input_name="entry")
def write_ledger(context: task.ActivityContext, entry: dict) -> str:
    if entry.get("ledger") == "closed":
        raise PermissionError("the ledger is closed")
    FLAKY["ledger"] -= 1
    if FLAKY["ledger"] > 0:
        raise OSError("the ledger is busy")
    return f"noted {entry['amount']} for {context.orchestration_id}"


@app.entity_trigger(context_name="context", entity_name="Account")
class Account(DurableEntity):
    """Its state is a number."""

    def deposit(self, amount: float) -> float:
        if amount <= 0:
            raise ValueError("not an amount")
        self.set_state(self.get_state(float, 0.0) + amount)
        if self.get_state(float) > 1000:
            audit = entities.EntityInstanceId("audit", "all")
            self.signal_entity(audit, "large", {"account": self.entity_context.entity_id.key})
        return self.get_state(float)

    def withdraw(self, amount: float):
        self.set_state(self.get_state(float, 0.0) - amount)
        return self.get_state(float)

    def get(self):
        return self.get_state(float, 0.0)


@app.entity_trigger(context_name="ctx", entity_name="audit")
def audit(ctx: entities.EntityContext, input):
    seen = ctx.get_state(list, [])
    if ctx.operation == "large":
        seen.append(input["account"])
    ctx.set_state(seen)
    return len(seen)
