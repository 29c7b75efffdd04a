"""A monitor that looks until a time, one without end, and an HTTP service that takes its time."""

import json
import time
from datetime import timedelta

import azure.durable_functions as df

bp = df.Blueprint()
_first_seen = {}


@bp.orchestration_trigger(context_name="context")
def watch_job(context: df.DurableOrchestrationContext):
    job = context.get_input()
    until = context.current_utc_datetime + timedelta(seconds=job["patience"])
    looks = 0
    while context.current_utc_datetime < until:
        looks += 1
        state = yield context.call_activity("job_state", job)
        context.set_custom_status({"looks": looks, "state": state})
        if state == "done":
            return state
        again = context.current_utc_datetime + timedelta(milliseconds=100)
        yield context.create_timer(again)
    return "given up"


@bp.activity_trigger(input_name="job")
def job_state(job: dict) -> str:
    begun = _first_seen.setdefault(job["name"], time.monotonic())
    return "done" if time.monotonic() - begun > job["takes"] else "running"


@bp.orchestration_trigger(context_name="context")
def night_watch(context: df.DurableOrchestrationContext):
    rounds = context.get_input() or 0
    yield context.call_activity("walk_round", rounds)
    if rounds < 3:
        context.continue_as_new(rounds + 1)
        return None
    return f"{rounds} rounds"


@bp.activity_trigger(input_name="number")
def walk_round(number: int) -> None:
    return None


@bp.orchestration_trigger(context_name="context")
def order_from_partner(context: df.DurableOrchestrationContext):
    partner = context.get_input()
    answer = yield context.call_http("POST", f"{partner}/orders", content={"item": "tea"})
    if answer["statusCode"] != 200:
        raise Exception(f"the partner says {answer['statusCode']}")
    missing = yield context.call_http("GET", f"{partner}/nowhere", headers={"Accept": "*/*"})
    return [json.loads(answer["content"])["item"], missing["statusCode"]]
