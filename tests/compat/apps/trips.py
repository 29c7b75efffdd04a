"""A stranger's app of 1.x: trips are booked by sub-orchestrations, and undone when one fails."""

import json
import logging

import azure.durable_functions as df
import azure.functions as func

myApp = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)

BOOKED = []
TRIES = {}


@myApp.route(route="trips", methods=["POST"])
@myApp.durable_client_input(client_name="client")
async def book_trip_http(req: func.HttpRequest, client: df.DurableOrchestrationClient):
    trip = json.loads(req.get_body().decode())
    instance_id = await client.start_new("BookTrip", client_input=trip)
    logging.info(f"Started orchestration with ID = '{instance_id}'.")
    return await client.wait_for_completion_or_create_check_status_response(
        req, instance_id, timeout_in_milliseconds=30000, retry_interval_in_milliseconds=500
    )


@myApp.route(route="trips/{id}", methods=["GET"])
@myApp.durable_client_input(client_name="client")
async def trip_status(req: func.HttpRequest, client):
    status = await client.get_status(
        req.route_params.get("id"), show_history=True, show_history_output=True, show_input=True
    )
    if status.runtime_status is None:
        return func.HttpResponse("no such trip", status_code=404)
    names = [
        event.get("Name") or event.get("FunctionName")
        for event in status.historyEvents
        if event["EventType"] in ("SubOrchestrationInstanceCompleted", "TaskCompleted")
    ]
    body = {
        "state": status.runtime_status.value,
        "custom": status.custom_status,
        "input": status.input_,
        "done": names,
    }
    return func.HttpResponse(json.dumps(body), mimetype="application/json")


@myApp.orchestration_trigger(context_name="context", orchestration="BookTrip")
def book_trip(context: df.DurableOrchestrationContext):
    trip: dict = context.get_input()
    booked = []
    context.set_custom_status("booking")
    if not context.is_replaying:
        logging.info("booking for %s", trip["who"])
    reference = context.new_guid()
    try:
        parts = []
        for number, part in enumerate(trip["parts"]):
            parts.append(
                context.call_sub_orchestrator(
                    "BookPart",
                    {"part": part, "reference": str(reference)},
                    instance_id=f"{context.instance_id}:{number}",
                )
            )
        booked = yield context.task_all(parts)
    except Exception as e:
        context.set_custom_status("undoing")
        yield context.task_all([context.call_activity("undo", p) for p in trip["parts"]])
        return {"error": "booked" in str(e) or "hotel" in str(e), "booked": []}
    context.set_custom_status("booked")
    return {"who": trip["who"], "booked": booked, "same": str(reference) == booked[0]["reference"]}


@myApp.orchestration_trigger(context_name="context", orchestration="BookPart")
def book_part(context: df.DurableOrchestrationContext):
    asked = context.get_input()
    retry_options = df.RetryOptions(
        first_retry_interval_in_milliseconds=5000, max_number_of_attempts=3
    )
    number = yield context.call_activity_with_retry("book", retry_options, asked["part"])
    return {
        "number": number,
        "reference": asked["reference"],
        "parent": context.parent_instance_id,
        "me": context.instance_id,
        "nothing": vars(context.function_context),
    }


@myApp.activity_trigger(input_name="part")
def book(part: str) -> str:
    TRIES[part] = TRIES.get(part, 0) + 1
    if part == "full hotel" or (part == "slow flight" and TRIES[part] < 3):
        raise Exception(f"{part} cannot be booked")
    BOOKED.append(part)
    return f"{part} #{TRIES[part]}"


@myApp.activity_trigger(input_name="part")
def undo(part: dict) -> None:
    # its author says dict, and is given the text
    if part in BOOKED:
        BOOKED.remove(part)
    return part
