"""A monitor that looks until a time, one without end, versions, schedules and durable HTTP."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import timedelta

import azure.functions as func

import durable as df
from durable.scheduling import ScheduleClient

bp = df.Blueprint()
_first_seen: dict[str, float] = {}


@dataclass
class Job:
    name: str
    takes: float
    patience: float


@bp.orchestration_trigger(context_name="context")
async def watch_job(context: df.DurableOrchestrationContext) -> str:
    job = context.get_input(Job)
    until = context.current_utc_datetime + timedelta(seconds=job.patience)
    looks = 0
    while context.current_utc_datetime < until:
        looks += 1
        state = await context.call_activity(job_state, job)
        context.set_custom_status({"looks": looks, "state": state})
        if state == "done":
            return state
        await context.create_timer(timedelta(milliseconds=100))
    return "given up"


@bp.activity_trigger(input_name="job")
def job_state(job: Job) -> str:
    begun = _first_seen.setdefault(job.name, time.monotonic())
    return "done" if time.monotonic() - begun > job.takes else "running"


@bp.orchestration_trigger(context_name="context")
async def night_watch(context: df.DurableOrchestrationContext) -> str | None:
    rounds = context.get_input(int | None) or 0
    await context.call_activity(walk_round, rounds)
    if rounds < 3:
        context.continue_as_new(rounds + 1)
        return None
    return f"{rounds} rounds"


@bp.activity_trigger(input_name="number")
def walk_round(number: int) -> None:
    return None


@bp.orchestration_trigger(context_name="context")
async def move_house(context: df.DurableOrchestrationContext) -> list[str | None] | None:
    seen = [*(context.get_input(list[str] | None) or []), context.version]
    if context.version == "1.0":
        context.continue_as_new(seen, new_version="2.0")
        return None
    return seen


@bp.orchestration_trigger(context_name="context")
async def order_from_partner(context: df.DurableOrchestrationContext) -> list[object]:
    partner = context.get_input(str)
    answer = await context.call_http("POST", f"{partner}/orders", {"item": "tea"})
    missing = await context.call_http("GET", f"{partner}/nowhere", headers={"Accept": "*/*"})
    return [answer.json()["item"], missing.status_code]


@bp.route(route="schedules/{id}/{action}", methods=["POST"])
@bp.durable_client_input(client_name="client")
async def schedule(
    req: func.HttpRequest, client: df.DurableOrchestrationClient
) -> func.HttpResponse:
    schedules, schedule_id = ScheduleClient(client), req.route_params["id"]
    match req.route_params["action"]:
        case "create":
            await schedules.create(
                schedule_id, "night_watch", 3, cron="* * * * * *", start_immediately_if_late=True
            )
        case "pause":
            await schedules.pause(schedule_id)
        case "delete":
            await schedules.delete(schedule_id)
    found = await schedules.get(schedule_id)
    return func.HttpResponse("gone" if found is None else f"{found.status.name} {found.runs}")
