"""A durable blueprint."""

from __future__ import annotations

import azure.functions as func

import durable as df

shipping = df.Blueprint()


@shipping.function_name("ship")
@shipping.activity_trigger(input_name="number", queued=True)
async def ship_parcel(number: int) -> str:
    return f"shipped {number}"


@shipping.durable_client_input(client_name="starter")
@shipping.function_name("by_queue")
@shipping.queue_trigger("msg", "%QUEUE%", "AzureWebJobsStorage")
async def start_by_queue(msg: func.QueueMessage, starter: df.DurableOrchestrationClient) -> None:
    text = msg.get_body().decode()
    await starter.start_new("process_order", text, {"amount": 1, "items": 1})
