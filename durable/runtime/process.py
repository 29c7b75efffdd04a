"""What runs in a process of the pool: one activity after the other.

It ends when its parent closes its pipe, or dies."""

from __future__ import annotations

import importlib
import json
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any, TextIO

from durable.codec import annotation_of, decode, encode
from durable.errors import ActivityProcessError, InvalidRequestError
from durable.model.failure import FailureDetails
from durable.model.functions import user_function
from durable.runtime.activities import ActivityContext, check_result, in_context, own_frames
from durable.runtime.signals import Signals

Send = Callable[[dict[str, Any]], None]


class Told(Signals):
    """What an attempt here says goes to the parent. It hears nothing: who cancels it ends it."""

    def __init__(self, send: Send, details: str | None) -> None:
        self._send = send
        self.details = details

    def heartbeat(self, text: str | None) -> None:
        """See `Signals.heartbeat`."""
        self._send({"heartbeat": text})

    async def cancelled(self) -> None:
        """Not here."""
        raise InvalidRequestError(
            "an activity with process=True is not told of its cancellation: its process ends"
        )


def main(given: dict[str, Any]) -> None:
    """Answer requests for ever. `given` has the names of modules to import first."""
    # Ctrl-C goes to the whole group: the parent decides what that means
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    source, answers = _pipes()
    requests: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(source, requests), daemon=True).start()
    lock = threading.Lock()

    def send(answer: dict[str, Any]) -> None:
        with lock:
            answers.write(json.dumps(answer) + "\n")
            answers.flush()

    for module in given["modules"]:
        importlib.import_module(module)
    while True:
        send(perform(json.loads(requests.get()), send))


def perform(request: dict[str, Any], send: Send) -> dict[str, Any]:
    """The answer to a request: `{"result": JSON}` or `{"failure": …}`."""
    signals = Told(send, request["details"])
    context = ActivityContext(**request["context"], signals=signals)
    try:
        function = _found(request["module"], request["function"])
        value = decode(request["input"], annotation_of(function, request["input_name"]))
        send({"began": True})
        output = encode(in_context(context, function, value))
        check_result(context.activity, output, request["max_payload"])
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        failure = FailureDetails.from_exception(error, skip_frames=own_frames(error))
        return {"failure": failure.to_dict()}
    finally:
        sys.stdout.flush()
    return {"result": output}


def _pipes() -> tuple[TextIO, TextIO]:
    """Where requests come from and answers go to; what user code prints goes to stderr."""
    source = os.fdopen(os.dup(0), encoding="utf-8")
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return source, answers


def _listen(source: TextIO, requests: queue.SimpleQueue[str]) -> None:
    for line in source:
        requests.put(line)
    # the parent has closed its pipe, or is dead: nobody wants what runs here
    os._exit(0)


def _found(module: str, name: str) -> Callable[..., Any]:
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    function = user_function(found)
    if function is None:
        raise ActivityProcessError(
            f"module {module!r} has no function {name!r}: an activity with process=True has to "
            "be found there under its own name"
        )
    return function
