"""The functions that a durable app adds for the Functions host: plain queue, timer and HTTP
triggers, whose names sort as they must.

The host serves a request by the first function in alphabetical order whose route matches, so
`durable_links` comes before `durable_management`. Both routes are below `durabletask/`: they
take no request from a user's route outside it.
"""

from __future__ import annotations

import sys

import azure.functions as func
from azure.functions.decorators.function_app import FunctionBuilder

from durable.functions.delivery import delivery_of
from durable.host import DurableApp
from durable.hub.keys import PRIORITIES, HubNames, work_queue
from durable.management.api import ManagementApi
from durable.model.http import HTTP_ACTIVITY
from durable.settings import Settings

SWEEPER = "durable_sweeper"
SWEEP_SCHEDULE = "*/15 * * * * *"
"""NCRONTAB with seconds."""

LINKS = "durable_links"
MANAGEMENT = "durable_management"
_LANES = {1: "-high", 0: "", -1: "-low"}
"""What follows the name of an activity in that of the function that serves one of its queues."""
_METHODS = ("GET", "POST", "DELETE")


def own_functions(
    durable: DurableApp, settings: Settings, *, has_clients: bool
) -> list[FunctionBuilder]:
    """With an orchestrator, activity or entity that work is taken for: a function for each such
    activity (durable HTTP's with an orchestrator) and control queue, and the sweeper; no control
    queue where filters leave all instances to others. With those or a durable client: the
    management API. ConfigurationError."""
    functions = func.FunctionApp()
    registry = durable.taken(settings)
    if registry.orchestrators or registry.activities or registry.entities:
        if registry.orchestrators or registry.entities or registry is durable.registry:
            for number in range(settings.control_queues):
                _add_control(functions, durable, settings, number)
        for activity in registry.activities:
            is_prioritized = activity in registry.prioritized
            for priority in PRIORITIES if is_prioritized else (0,):
                _add_activity(functions, durable, settings, activity, priority)
        if registry.orchestrators:
            _add_activity(functions, durable, settings, HTTP_ACTIVITY)
        _add_sweeper(functions, durable)
    elif not has_clients:
        return []
    if not _streams_http():
        _add_management(functions, durable, settings)
    return functions._function_builders


def control_function(number: int) -> str:
    """The name of the function that serves a control queue."""
    return f"durable_control_{number:02}"


def _add_control(
    functions: func.FunctionApp, durable: DurableApp, settings: Settings, number: int
) -> None:
    # HubNames lowers the case, and a setting's name is to stay as it was written.
    suffix = HubNames("hub", settings.control_queues).control_queues[number].removeprefix("hub")

    @functions.function_name(control_function(number))
    @functions.queue_trigger(
        "message",
        f"{_hub(settings)}{suffix}",
        settings.connection_name,
        data_type=func.DataType.BINARY,
    )
    async def control(message: func.QueueMessage) -> None:
        host = await durable.host()
        host.usage.note_trigger()
        runtime, delivery = host.runtime, delivery_of(message)
        await runtime.messages.trigger_control(
            runtime.control_queues[number],
            delivery.body,
            delivery.message_id,
            delivery.dequeue_count,
        )


def _add_activity(
    functions: func.FunctionApp,
    durable: DurableApp,
    settings: Settings,
    activity: str,
    priority: int = 0,
) -> None:
    queue = work_queue(_hub(settings), activity, priority)

    @functions.function_name(f"{activity}{_LANES[priority]}")
    @functions.queue_trigger(
        "message", queue, settings.connection_name, data_type=func.DataType.BINARY
    )
    async def work(message: func.QueueMessage) -> None:
        host = await durable.host()
        host.usage.note_trigger()
        runtime, delivery = host.runtime, delivery_of(message)
        await runtime.messages.trigger_work(
            runtime.hub.names.work_queue(activity, priority),
            delivery.body,
            delivery.message_id,
            delivery.dequeue_count,
        )


def _add_sweeper(functions: func.FunctionApp, durable: DurableApp) -> None:
    @functions.function_name(SWEEPER)
    @functions.timer_trigger("timer", SWEEP_SCHEDULE, run_on_startup=False, use_monitor=False)
    async def sweeper(timer: func.TimerRequest) -> None:
        await (await durable.host()).sweep()


def _add_management(functions: func.FunctionApp, durable: DurableApp, settings: Settings) -> None:
    anonymous = func.AuthLevel.ANONYMOUS
    keyed = anonymous if settings.allow_anonymous_management else func.AuthLevel.FUNCTION

    @functions.function_name(LINKS)
    @functions.route("durabletask/links/{*path}", methods=_METHODS, auth_level=anonymous)
    async def links(req: func.HttpRequest) -> func.HttpResponse:
        host = await durable.host()
        api = ManagementApi(host.client, host.links)
        return await api.handle_link(req, req.route_params.get("path", ""))

    @functions.function_name(MANAGEMENT)
    @functions.route("durabletask/{*path}", methods=_METHODS, auth_level=keyed)
    async def management(req: func.HttpRequest) -> func.HttpResponse:
        host = await durable.host()
        api = ManagementApi(host.client, host.links)
        return await api.handle(req, req.route_params.get("path", ""))


def _hub(settings: Settings) -> str:
    """As it stands in queue names: in lower case, settings of the host untouched."""
    expression = settings.hub_expression
    return expression if "%" in expression else expression.lower()


def _streams_http() -> bool:
    """Whether the app uses HTTP streams, which replace azure.functions.HttpRequest everywhere:
    a function with that annotation would then fail the whole app."""
    base = sys.modules.get("azurefunctions.extensions.base")
    checker = getattr(base, "HttpV2FeatureChecker", None)
    return checker is not None and bool(checker.http_v2_enabled())
