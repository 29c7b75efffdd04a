"""The worker as a process: its environment, signals and end."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import FrameType
from typing import Any

from durable.runtime.ending import end
from durable.runtime.loops import new_event_loop
from durable.settings import Settings
from durable.worker.worker import Worker

_log = logging.getLogger("durable.worker")

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_LAST_SECONDS = 1.0
# It says that a Functions host runs the app, and here none does.
_NOT_EXPORTED = frozenset({"FUNCTIONS_WORKER_RUNTIME"})


def export_settings(settings: Settings) -> None:
    """Show the app the values of local.settings.json in `os.environ`, as `func start` does."""
    for name, value in settings.values.items():
        usable = name and "=" not in name and "\0" not in name + value
        if usable and name not in _NOT_EXPORTED:
            os.environ.setdefault(name, value)


def serve(worker: Worker) -> int:
    """Run until SIGTERM or SIGINT, and drain; a second signal ends the process at once.

    The exit code is 0; threads and tasks of user code that do not end are abandoned then.
    """
    with (
        asyncio.Runner(loop_factory=new_event_loop) as runner,
        ThreadPoolExecutor(thread_name_prefix="default") as executor,
    ):
        runner.get_loop().set_default_executor(executor)
        runner.run(_until_signalled(worker))
        executor.shutdown(wait=False, cancel_futures=True)
        # the runner would wait for them without a bound
        if runner.run(_ended_tasks()):
            _log.warning("an async function still runs; it is abandoned")
            _quit(0)
        _leave_threads_behind()
    return 0


async def _ended_tasks() -> set[asyncio.Task[Any]]:
    """Those of the loop that do not end."""
    own = asyncio.current_task()
    return await end((each for each in asyncio.all_tasks() if each is not own), _LAST_SECONDS)


async def _until_signalled(worker: Worker) -> None:
    loop = asyncio.get_running_loop()
    signalled = False

    def stop(number: int) -> None:
        nonlocal signalled
        if signalled:
            _quit(128 + number)
        signalled = True
        worker.stop()

    def stop_from_thread(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(stop, number)

    for each in _SIGNALS:
        try:
            loop.add_signal_handler(each, stop, each)
        except NotImplementedError:
            signal.signal(each, stop_from_thread)
    await worker.run()


def _leave_threads_behind() -> None:
    """End the process now if threads keep it from ending by itself."""
    deadline = time.monotonic() + _LAST_SECONDS
    for thread in threading.enumerate():
        if thread is threading.current_thread() or thread.daemon:
            continue
        thread.join(max(0.0, deadline - time.monotonic()))
        if thread.is_alive():
            _log.warning("a function still runs in thread %s; it is abandoned", thread.name)
            _quit(0)


def _quit(code: int) -> None:
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
