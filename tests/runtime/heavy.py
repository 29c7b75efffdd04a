"""Functions that tests run in processes of their own."""

from __future__ import annotations

import os
import signal
import threading
import time
from dataclasses import dataclass

from durable.runtime.activities import activity_context


@dataclass
class Range:
    first: int
    last: int


def total(value: Range) -> list[int]:
    print("what is printed goes elsewhere")
    return [sum(range(value.first, value.last + 1)), os.getpid()]


def identity(value: int) -> list[object]:
    context = activity_context()
    return [context.idempotency_key, context.attempt, context.is_cancelled]


class Panic(BaseException):
    """As native code raises one."""


def panics(value: int) -> None:
    raise Panic(f"panicked {value}")


def fails(value: int) -> None:
    raise ValueError(f"failed {value}")


def dies(value: int) -> object:
    context = activity_context()
    so_far: list[int] = context.heartbeat_details(list) or []
    context.heartbeat([*so_far, context.attempt])
    if context.attempt == 1:
        os.kill(os.getpid(), value)
    return so_far


def leaves(value: int) -> None:
    os._exit(value)


def spins(value: int) -> None:
    activity_context().heartbeat(os.getpid())
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    while True:
        pass


def long(value: int) -> str:
    return "x" * value


def beats(value: int) -> int:
    """From several threads at once."""

    def beat() -> None:
        for _ in range(value):
            activity.heartbeat("x" * 1000)

    activity = activity_context()
    threads = [threading.Thread(target=beat) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return value


def wait_for(path: str) -> None:
    """Until there is a file."""
    while not os.path.exists(path):
        time.sleep(0.01)
