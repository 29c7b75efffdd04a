"""Runs the real Python worker library on the app of the current folder.

    python worker_driver.py            with the worker library and `durable` on the Python path

One JSON object a line, requests on stdin, answers on stdout with the same `call` number:

    {"call": 1, "op": "init"}
        {"call": 1, "ok": true, "functions": [{"name", "id", "bindings": […], "entry"}]}
    {"call": 2, "op": "invoke", "id": …, "inputs": {name: DATA}, "metadata": {name: DATA}}
        {"call": 2, "ok": true, "return": DATA, "outputs": {name: DATA}}

DATA is {"string" | "json" | "bytes" (base64) | "http" (object): value}. What fails has `ok` false
and the worker's `error`. What the app prints goes to stderr.
"""

from __future__ import annotations

import asyncio
import base64
import importlib
import json
import logging
import os
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent


def main() -> None:
    # The folder of this script must not stand before the app's on the path.
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != HERE]
    sys.path.insert(0, os.getcwd())
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    asyncio.run(serve(answers))


async def serve(answers: Any) -> None:
    worker = importlib.import_module("azure_functions_runtime")
    protos = load_protos()
    worker.start_threadpool_executor()
    reader = asyncio.StreamReader(limit=2**27)
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    running: set[asyncio.Task[None]] = set()
    while line := await reader.readline():
        task = asyncio.create_task(answer(worker, protos, json.loads(line), answers))
        running.add(task)
        task.add_done_callback(running.discard)


def load_protos() -> Any:
    sys.path.append(str(HERE))
    try:
        return importlib.import_module("worker_protos")
    finally:
        sys.path.remove(str(HERE))


async def answer(worker: Any, protos: Any, request: dict[str, Any], answers: Any) -> None:
    operation = init if request["op"] == "init" else invoke
    try:
        said = await operation(worker, protos, request)
    except Exception as error:
        said = {"ok": False, "error": f"the driver failed: {error!r}"}
    answers.write(json.dumps({"call": request["call"], **said}) + "\n")


async def init(worker: Any, protos: Any, request: dict[str, Any]) -> dict[str, Any]:
    message = protos.Message(
        worker_init_request=protos.Message(
            capabilities={}, function_app_directory=os.getcwd(), log_categories={}
        )
    )
    envelope = protos.Message(request=message, properties={"host": "127.0.0.1", "protos": protos})
    started = await worker.worker_init_request(envelope)
    if started.result.status != protos.StatusResult.Success:
        return failure(started.result)
    listed = await worker.functions_metadata_request(envelope)
    return {
        "ok": True,
        "functions": [
            {
                "name": each.name,
                "id": each.function_id,
                "directory": each.directory,
                "bindings": [json.loads(text) for text in each.raw_bindings],
            }
            for each in listed.function_metadata_results or ()
        ],
    }


async def invoke(worker: Any, protos: Any, request: dict[str, Any]) -> dict[str, Any]:
    invocation = protos.Message(
        invocation_id=f"invocation-{request['call']}",
        function_id=request["id"],
        input_data=[
            protos.ParameterBinding(name=name, data=typed_data(protos, data))
            for name, data in request["inputs"].items()
        ],
        trigger_metadata={
            name: typed_data(protos, data) for name, data in request["metadata"].items()
        },
        trace_context=protos.Message(trace_parent="", trace_state="", attributes={}),
        retry_context=protos.Message(retry_count=0, max_retry_count=0, exception=None),
    )
    envelope = protos.Message(request=protos.Message(invocation_request=invocation))
    done = await worker.invocation_request(envelope)
    if done.result.status != protos.StatusResult.Success:
        return failure(done.result)
    return {
        "ok": True,
        "return": plain(done.return_value),
        "outputs": {each.name: plain(each.data) for each in done.output_data},
    }


def failure(result: Any) -> dict[str, Any]:
    said = result.exception
    return {"ok": False, "error": said.message, "stack": said.stack_trace}


def typed_data(protos: Any, data: dict[str, Any]) -> Any:
    ((kind, value),) = data.items()
    if kind == "bytes":
        value = base64.b64decode(value)
    elif kind == "http":
        body = protos.TypedData(bytes=base64.b64decode(value["body"]))
        value = protos.RpcHttp(**(value | {"body": body}))
    return protos.TypedData(**{kind: value})


def plain(data: Any) -> dict[str, Any] | None:
    if data is None:
        return None
    kind = data.WhichOneof("data")
    value = getattr(data, kind)
    if kind == "bytes":
        return {kind: base64.b64encode(value).decode()}
    if kind == "http":
        body = plain(value.body) or {}
        return {"http": {"status": value.status_code, "headers": value.headers, "body": body}}
    return {kind: value}


if __name__ == "__main__":
    main()
