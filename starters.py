"""The app's HTTP routes: they check what comes in, start an orchestration or talk to one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import azure.functions as func

import durable as df
from activities import ledger
from durable.codec import decode, encode
from orchestrators.invoice import DELIVERY
from orchestrators.models import (
    ApprovalRequest,
    Batch,
    Catalogue,
    Decision,
    Invoice,
    Order,
    PayoutRun,
    Watch,
)

bp = df.Blueprint()


@bp.route(route="hello", methods=["POST"])
@bp.durable_client_input(client_name="client")
async def start_hello(
    req: func.HttpRequest, client: df.DurableOrchestrationClient
) -> func.HttpResponse:
    """Body: a list of cities, or nothing."""
    return await _answer(lambda: _start(req, client, "say_hellos", list[str] | None))


@bp.route(route="orders", methods=["POST"])
@bp.durable_client_input(client_name="client")
async def start_order(
    req: func.HttpRequest, client: df.DurableOrchestrationClient
) -> func.HttpResponse:
    """Body: an Order. `?id=` gives it an id of the caller's: sending the same request again then
    starts nothing new."""
    return await _answer(lambda: _start(req, client, "process_order", Order))


@bp.route(route="orders/{order_id}", methods=["GET"])
@bp.durable_client_input(client_name="client")
async def get_order(
    req: func.HttpRequest, client: df.DurableOrchestrationClient
) -> func.HttpResponse:
    """Where an order stands, and what the ledger has of it."""

    async def show() -> func.HttpResponse:
        order_id = req.route_params["order_id"]
        status = await _status(client, order_id, "process_order")
        entries = await asyncio.to_thread(ledger.entries, order_id)
        attempts = await asyncio.to_thread(ledger.attempts, order_id)
        return _json(
            {
                "id": order_id,
                "status": status.runtime_status,
                "step": status.custom_status,
                "result": None if status.failure else status.output,
                "error": str(status.failure) if status.failure else None,
                "entries": entries,
                "attempts": attempts,
            }
        )

    return await _answer(show)


@bp.route(route="orders/{order_id}/cancel", methods=["POST"])
@bp.durable_client_input(client_name="client")
async def cancel_order(
    req: func.HttpRequest, client: df.DurableOrchestrationClient
) -> func.HttpResponse:
    """Ask for the order's cancellation: it counts until the order is shipped."""
    return await _answer(lambda: _tell(client, req.route_params["order_id"], "cancel", "order"))


@bp.route(route="batches", methods=["POST"])
@bp.durable_client_input(client_name="client")
async def start_batch(
    req: func.HttpRequest, client: df.DurableOrchestrationClient
) -> func.HttpResponse:
    """Body: a Batch."""
    return await _answer(lambda: _start(req, client, "process_batch", Batch))


@bp.route(route="payouts", methods=["POST"])
@bp.durable_client_input(client_name="client")
async def start_payouts(
    req: func.HttpRequest, client: df.DurableOrchestrationClient
) -> func.HttpResponse:
    """Body: a PayoutRun."""
    return await _answer(lambda: _start(req, client, "pay_out", PayoutRun))


@bp.route(route="approvals", methods=["POST"])
@bp.durable_client_input(client_name="client")
async def start_approval(
    req: func.HttpRequest, client: df.DurableOrchestrationClient
) -> func.HttpResponse:
    """Body: an ApprovalRequest."""
    return await _answer(lambda: _start(req, client, "request_approval", ApprovalRequest))


@bp.route(route="approvals/{approval_id}/decision", methods=["POST"])
@bp.durable_client_input(client_name="client")
async def decide_approval(
    req: func.HttpRequest, client: df.DurableOrchestrationClient
) -> func.HttpResponse:
    """Body: a Decision."""

    async def decide() -> func.HttpResponse:
        decision = _body(req, Decision)
        return await _tell(
            client, req.route_params["approval_id"], "decision", "approval", decision
        )

    return await _answer(decide)


@bp.route(route="monitors", methods=["POST"])
@bp.durable_client_input(client_name="client")
async def start_monitor(
    req: func.HttpRequest, client: df.DurableOrchestrationClient
) -> func.HttpResponse:
    """Body: a Watch."""
    return await _answer(lambda: _start(req, client, "watch_endpoint", Watch))


@bp.route(route="invoices", methods=["POST"])
@bp.durable_client_input(client_name="client")
async def start_invoice(
    req: func.HttpRequest, client: df.DurableOrchestrationClient
) -> func.HttpResponse:
    """Body: an Invoice."""
    return await _answer(lambda: _start(req, client, "send_invoice", Invoice))


@bp.route(route="invoices/{invoice_id}/correct", methods=["POST"])
@bp.durable_client_input(client_name="client")
async def correct_invoice(
    req: func.HttpRequest, client: df.DurableOrchestrationClient
) -> func.HttpResponse:
    """Body: the Invoice as it should have been. It goes out under the number that it has."""

    async def correct() -> func.HttpResponse:
        invoice, invoice_id = _body(req, Invoice), req.route_params["invoice_id"]
        await _status(client, invoice_id, "send_invoice")
        corrected = await client.fork(invoice_id, DELIVERY, input_=invoice)
        return client.create_check_status_response(req, corrected)

    return await _answer(correct)


@bp.route(route="catalogues", methods=["POST"])
@bp.durable_client_input(client_name="client")
async def start_catalogue(
    req: func.HttpRequest, client: df.DurableOrchestrationClient
) -> func.HttpResponse:
    """Body: a Catalogue."""
    return await _answer(lambda: _start(req, client, "import_catalogue", Catalogue))


ORCHESTRATORS = {"order": "process_order", "approval": "request_approval"}


async def _start(
    req: func.HttpRequest, client: df.DurableOrchestrationClient, name: str, kind: Any
) -> func.HttpResponse:
    """202 with the management links of the instance."""
    started = await client.start_new(
        name, req.params.get("id"), client_input=_body(req, kind), if_exists="skip"
    )
    return client.create_check_status_response(req, started)


async def _tell(
    client: df.DurableOrchestrationClient,
    instance_id: str,
    event: str,
    what: str,
    data: object = None,
) -> func.HttpResponse:
    """202 once the event is stored."""
    await _status(client, instance_id, ORCHESTRATORS[what])
    await client.raise_event(instance_id, event, data)
    return _json({"id": instance_id, "accepted": event}, 202)


async def _status(
    client: df.DurableOrchestrationClient, instance_id: str, name: str
) -> df.DurableOrchestrationStatus:
    status = await client.get_status(instance_id)
    if status.name != name:
        raise df.errors.InstanceNotFoundError(f"there is no {name} {instance_id!r}")
    return status


def _body(req: func.HttpRequest, kind: Any) -> Any:
    """The body as `kind`; PayloadError or UnicodeDecodeError, both ValueErrors, if it is none."""
    text = req.get_body().decode("utf-8")
    return decode(text or "null", kind)


async def _answer(work: Callable[[], Awaitable[func.HttpResponse]]) -> func.HttpResponse:
    """What `work` answers, or the error that says what the caller has to do otherwise."""
    try:
        return await work()
    except df.errors.InstanceNotFoundError as error:
        return _json({"error": str(error)}, 404)
    except df.errors.InstanceFinishedError as error:
        return _json({"error": str(error)}, 410)
    except df.errors.PayloadTooLargeError as error:
        return _json({"error": str(error)}, 413)
    except ValueError as error:
        return _json({"error": str(error)}, 400)


def _json(value: object, status: int = 200) -> func.HttpResponse:
    return func.HttpResponse(encode(value), status_code=status, mimetype="application/json")
