"""A monitor, one without end, versions, schedules, and durable HTTP by a 1.x generator."""

import time
from datetime import timedelta

import azure.durable_functions as df
import azure.functions as func
from durabletask import task
from durabletask.scheduled import ScheduleCreationOptions, ScheduledTaskClient

bp = df.Blueprint()
_first_seen: dict[str, float] = {}


@bp.orchestration_trigger(context_name="context")
def watch_job(ctx: task.OrchestrationContext, job: dict):
    until = ctx.current_utc_datetime + timedelta(seconds=job["patience"])
    looks = 0
    while ctx.current_utc_datetime < until:
        looks += 1
        state = yield ctx.call_activity(job_state, input=job)
        ctx.set_custom_status({"looks": looks, "state": state})
        if state == "done":
            return state
        yield ctx.create_timer(ctx.current_utc_datetime + timedelta(milliseconds=100))
    return "given up"


@bp.activity_trigger(input_name="job")
def job_state(job: dict) -> str:
    begun = _first_seen.setdefault(job["name"], time.monotonic())
    return "done" if time.monotonic() - begun > job["takes"] else "running"


@bp.orchestration_trigger(context_name="context")
def night_watch(ctx: task.OrchestrationContext, rounds: int):
    rounds = rounds or 0
    yield ctx.call_activity(walk_round, input=rounds)
    if rounds < 3:
        ctx.continue_as_new(rounds + 1, save_events=True)
        return None
    return f"{rounds} rounds"


@bp.activity_trigger(input_name="number")
def walk_round(number: int) -> None:
    return None


@bp.orchestration_trigger(context_name="context")
def move_house(ctx: task.OrchestrationContext, seen: list):
    seen = [*(seen or []), ctx.version]
    if ctx.version == "1.0":
        ctx.continue_as_new(seen, new_version="2.0")
        return None
    return seen
    yield


@bp.orchestration_trigger(context_name="context")
def order_from_partner(context: df.DurableOrchestrationContext):
    partner = context.get_input()
    answer = yield context.call_http("POST", f"{partner}/orders", content={"item": "tea"})
    if answer.status_code != 200:
        raise RuntimeError(f"the partner says {answer.status_code}")
    missing = yield context.call_http("GET", f"{partner}/nowhere", headers={"Accept": "*/*"})
    return [answer.content, missing.status_code]


@bp.route(route="schedules/{id}/{action}", methods=["POST"])
@bp.durable_client_input(client_name="client")
def schedule(req: func.HttpRequest, client: df.SyncDurableFunctionsClient):
    schedules, schedule_id = ScheduledTaskClient(client), req.route_params["id"]
    action = req.route_params["action"]
    if action == "create":
        schedules.create_schedule(
            ScheduleCreationOptions(
                schedule_id=schedule_id,
                orchestration_name="night_watch",
                interval=timedelta(seconds=1),
                orchestration_input=3,
                start_immediately_if_late=True,
            )
        )
    elif action == "pause":
        schedules.get_schedule_client(schedule_id).pause()
    elif action == "delete":
        schedules.get_schedule_client(schedule_id).delete()
    found = schedules.get_schedule(schedule_id)
    if found is None:
        return func.HttpResponse("gone")
    return func.HttpResponse(f"{found.status.name} {0 if found.last_run_at is None else 1}")
