"""HTTP, queue and timer functions that remember what they were given."""

import asyncio
import json
import os

import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)

seen: list[dict[str, object]] = []
at_once = most_at_once = 0


@app.route(route="send", methods=["POST"])
@app.queue_output(arg_name="out", queue_name="%QUEUE%", connection="AzureWebJobsStorage")
def send(req: func.HttpRequest, out: func.Out[str]) -> func.HttpResponse:
    out.set(req.get_body().decode())
    return func.HttpResponse(status_code=202)


@app.queue_trigger(
    arg_name="msg",
    queue_name="%QUEUE%",
    connection="AzureWebJobsStorage",
    data_type=func.DataType.BINARY,
)
async def receive(msg: func.QueueMessage) -> None:
    global at_once, most_at_once
    at_once += 1
    most_at_once = max(most_at_once, at_once)
    body = msg.get_body()
    seen.append({"body": body.hex(), "id": msg.id, "count": msg.dequeue_count})
    try:
        if body.startswith(b"slow"):
            await asyncio.sleep(float(body.split()[1]))
        if body == b"die" and msg.dequeue_count == 1:
            os._exit(9)
        if body == b"fail":
            raise RuntimeError("as it was asked")
    finally:
        at_once -= 1


@app.timer_trigger(arg_name="timer", schedule="*/1 * * * * *", run_on_startup=False)
def tick(timer: func.TimerRequest) -> None:
    seen.append({"timer": timer.past_due})


@app.route(route="seen", auth_level=func.AuthLevel.ANONYMOUS)
def seen_so_far(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(json.dumps({"seen": seen, "most_at_once": most_at_once}))


@app.function_name("b_specific")
@app.route(route="items/{item}/{part?}", auth_level=func.AuthLevel.ANONYMOUS)
def specific(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(json.dumps(dict(req.route_params)))


@app.function_name("z_rest")
@app.route(route="{*rest}", auth_level=func.AuthLevel.ANONYMOUS)
def rest(req: func.HttpRequest) -> func.HttpResponse:
    if "boom" in req.params:
        raise RuntimeError("as it was asked")
    return func.HttpResponse(f"rest of {req.route_params.get('rest', '')}", status_code=207)
