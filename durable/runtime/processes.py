"""Processes for activities that need a processor of their own: a small pool, made as it is needed.

Each runs one activity at a time, by `durable.runtime.process`, and is asked through its pipes: a
line of JSON each way. One can be ended alone, which the standard library's pool cannot do.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from typing import Any

from durable.errors import ActivityProcessError
from durable.runtime.signals import Signals
from durable.runtime.slots import Slots

_CODE = (
    "import json, sys\n"
    "given = json.loads(sys.argv.pop())\n"
    "sys.path[:] = given['path']\n"
    "from durable.runtime.process import main\n"
    "main(given)\n"
)

COMPATIBILITY = "durable.compat.activate"
"""Loaded in a process where it is here, since its modules may import azure.durable_functions."""

_LAST = 1.0
"""Seconds for a process that has closed its pipe to end."""


class Call:
    """One activity in a process. `end` is for any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._child: Child | None = None
        self._is_over = False

    def end(self) -> None:
        """End the process, if this call still runs there; else it does not begin."""
        with self._lock:
            self._is_over = True
            if self._child is not None:
                self._child.kill()

    def enter(self, child: Child) -> None:
        """It is about to run there."""
        with self._lock:
            self._child = child
            if self._is_over:
                child.kill()

    def leave(self) -> None:
        """What runs there next is another's."""
        with self._lock:
            self._child = None


class Processes:
    """The pool of one runtime. Who calls has taken one of the `slots`."""

    def __init__(self, size: int) -> None:
        self.slots = Slots(size)
        self._lock = threading.Lock()
        self._idle: list[Child] = []
        self._all: set[Child] = set()
        self._is_closed = False

    def run(self, call: Call, request: dict[str, Any], signals: Signals) -> Any:
        """The answer of a process to a request; blocks the calling thread. `signals` are told what
        it says before. ActivityProcessError for a process that ends instead."""
        child = self._taken()
        call.enter(child)
        try:
            for answer in child.ask(request):
                match answer:
                    case {"heartbeat": text}:
                        signals.heartbeat(text)
                    case {"began": True}:
                        signals.began()
                    case _:
                        break
            else:
                raise ActivityProcessError(
                    f"the process that ran activity {request['activity']!r} {child.end()}"
                )
        except BaseException:
            self._drop(child)
            raise
        finally:
            call.leave()
        with self._lock:
            if not self._is_closed:
                self._idle.append(child)
                return answer
        self._drop(child)
        return answer

    def close(self) -> None:
        """End all of them."""
        with self._lock:
            self._is_closed = True
            children = list(self._all)
        for child in children:
            child.kill()
        for child in children:
            self._drop(child)

    def _taken(self) -> Child:
        with self._lock:
            if self._is_closed:
                raise ActivityProcessError("the worker is about to end")
            while self._idle:
                child = self._idle.pop()
                if child.is_alive:
                    return child
                self._all.discard(child)
            child = Child()
            self._all.add(child)
            return child

    def _drop(self, child: Child) -> None:
        with self._lock:
            self._all.discard(child)
        child.kill()
        child.end()


class Child:
    """A process of the pool."""

    def __init__(self) -> None:
        given = {"path": sys.path, "modules": [m for m in (COMPATIBILITY,) if m in sys.modules]}
        self._popen = subprocess.Popen(  # noqa: S603
            [sys.executable, "-c", _CODE, json.dumps(given)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    @property
    def is_alive(self) -> bool:
        """Whether it has not ended, as far as is known."""
        return self._popen.poll() is None

    def ask(self, request: dict[str, Any]) -> Any:
        """Its answers, until it closes its pipe."""
        assert self._popen.stdin is not None
        assert self._popen.stdout is not None
        with suppress(BrokenPipeError):
            self._popen.stdin.write(json.dumps(request) + "\n")
            self._popen.stdin.flush()
        for line in self._popen.stdout:
            if line.endswith("\n"):
                yield json.loads(line)

    def kill(self) -> None:
        """End it now; it has nothing to put in order."""
        with suppress(ProcessLookupError):
            self._popen.kill()

    def end(self) -> str:
        """How it ended, in words."""
        try:
            code = self._popen.wait(_LAST)
        except subprocess.TimeoutExpired:
            self.kill()
            code = self._popen.wait()
        for pipe in (self._popen.stdin, self._popen.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        if code >= 0:
            return f"ended with exit code {code}"
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"signal {-code}"
        return f"was ended by {name}"
