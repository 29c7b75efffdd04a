"""A stranger's app of 1.x with a plain FunctionApp: a monitor without end, one for each city."""

import json
import logging
from datetime import timedelta

import azure.functions as func
from azure.durable_functions import DurableOrchestrationClient, DurableOrchestrationContext
from azure.durable_functions.models.DurableOrchestrationStatus import DurableOrchestrationStatus
from azure.durable_functions.models.OrchestrationRuntimeStatus import OrchestrationRuntimeStatus

app = func.FunctionApp()
SKY = {}


@app.timer_trigger(schedule="0 */5 * * * *", arg_name="timer", run_on_startup=False)
@app.durable_client_input(client_name="starter")
async def keep_watching(timer: func.TimerRequest, starter: str) -> None:
    client = DurableOrchestrationClient(starter)
    for city in ("Oslo", "Rome"):
        existing: DurableOrchestrationStatus = await client.get_status(f"watch-{city}")
        if not existing or existing.runtime_status in (
            OrchestrationRuntimeStatus.Completed,
            OrchestrationRuntimeStatus.Failed,
            OrchestrationRuntimeStatus.Terminated,
            None,
        ):
            await client.start_new("watch", f"watch-{city}", {"city": city, "rounds": 0})
        else:
            logging.info("already watching %s", city)


@app.route(route="cities/{city}/{what}", methods=["POST"])
@app.durable_client_input(client_name="starter")
async def tell(req: func.HttpRequest, starter: str) -> func.HttpResponse:
    client = DurableOrchestrationClient(starter)
    city, what = req.route_params["city"], req.route_params["what"]
    try:
        await client.raise_event(f"watch-{city}", what, req.get_json())
    except Exception as e:
        return func.HttpResponse(str(e), status_code=400)
    return func.HttpResponse("told", status_code=202)


@app.orchestration_trigger(context_name="context")
def watch(context: DurableOrchestrationContext):
    given = context.get_input()
    city, rounds = given["city"], given["rounds"]
    context.set_custom_status(f"round {rounds} of {city}")

    due_time = context.current_utc_datetime + timedelta(hours=1)
    timeout_task = context.create_timer(due_time)
    stop_task = context.wait_for_external_event("Stop")
    look_task = context.wait_for_external_event("LookNow")
    winner = yield context.task_any([stop_task, look_task, timeout_task])
    if not timeout_task.is_completed:
        timeout_task.cancel()
    if winner == stop_task:
        return f"{city}: stopped by {stop_task.result['by']} after {rounds}"
    is_clear = yield context.call_activity("is_clear", city)
    if is_clear:
        return json.dumps({"city": city, "clear": True})
    context.continue_as_new({"city": city, "rounds": rounds + 1})


@app.activity_trigger(input_name="city")
async def is_clear(city: str) -> str:
    return SKY.get(city, False)
