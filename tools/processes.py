"""Azurite and workers as child processes, for `make demo` and `make start`."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent
ACCOUNT = "devstoreaccount1"
# The emulator's well-known key: it opens nothing else.
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
SERVICES = ("blob", "queue", "table")
DEFAULT_PORTS = (10000, 10001, 10002)
READY_SECONDS = 30.0
TAIL_LINES = 25


class ProcessFailed(Exception):
    """A child process did not do what it was started for; the message has the end of its log."""


class Process:
    """A child in a session of its own, so that Ctrl-C reaches it only through us.

    With `log` its output goes there, else to ours. It runs in `folder`.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        log: Path | None = None,
        environment: Mapping[str, str] | None = None,
        folder: Path = ROOT,
    ) -> None:
        self.name = name
        self._log = log
        output = log.open("ab") if log else None
        try:
            self._child = subprocess.Popen(
                command,
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output and subprocess.STDOUT,
                start_new_session=True,
            )
        finally:
            if output:
                output.close()

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def is_running(self) -> bool:
        return self._child.poll() is None

    def wait_for_port(self, port: int) -> None:
        """Return when it accepts connections; ProcessFailed if it ends or takes too long."""
        deadline = time.monotonic() + READY_SECONDS
        while not accepts(port):
            if not self.is_running:
                self.fail(f"ended with exit code {self._child.returncode}")
            if time.monotonic() > deadline:
                self.fail(f"did not listen on port {port} within {READY_SECONDS:.0f} s")
            time.sleep(0.05)

    def wait(self) -> int:
        """Its exit code, once it ends by itself."""
        return self._child.wait()

    def stop(self, seconds: float = 10.0) -> int:
        """Ask it to end, and make it after `seconds`; its exit code."""
        if self.is_running:
            self._child.terminate()
            try:
                self._child.wait(seconds)
            except subprocess.TimeoutExpired:
                self.kill()
            except BaseException:
                # a second Ctrl-C: whoever asks twice does not want to wait
                self.kill()
                raise
        return self._child.wait()

    def kill(self) -> None:
        """`kill -9`."""
        self._child.send_signal(signal.SIGKILL)
        self._child.wait()

    def tail(self) -> str:
        """The end of its log, indented."""
        if self._log is None:
            return ""
        lines = self._log.read_text(errors="replace").splitlines()[-TAIL_LINES:]
        return "\n".join(f"  | {line}" for line in lines)

    def fail(self, what: str) -> NoReturn:
        raise ProcessFailed(f"{self.name} {what}\n{self.tail()}")


def start_azurite(
    folder: Path, ports: Sequence[int] = DEFAULT_PORTS, *, log: Path | None = None
) -> Process:
    """The storage emulator with its data in `folder`, ready."""
    command: list[str | Path] = [find_azurite(), "--silent", "--location", folder]
    command += ["--disableTelemetry", "--skipApiVersionCheck"]
    for service, port in zip(SERVICES, ports, strict=True):
        command += [f"--{service}Host", "127.0.0.1", f"--{service}Port", str(port)]
    azurite = Process("Azurite", command, log=log)
    try:
        for port in ports:
            azurite.wait_for_port(port)
    except BaseException:
        azurite.stop()
        raise
    return azurite


def find_azurite() -> Path:
    """The command of the environment variable DURABLE_AZURITE, else what the set-up installed."""
    installed = (ROOT / ".tools" / "bin", ROOT / ".tools" / "node_modules" / ".bin")
    candidates = [folder / "azurite" for folder in installed]
    if named := os.environ.get("DURABLE_AZURITE"):
        candidates = [Path(named)]
    for candidate in candidates:
        if candidate.exists():
            return candidate
    raise ProcessFailed(f"there is no Azurite at {candidates[0]}: run `make setup`")


def connection_string(ports: Sequence[int]) -> str:
    """How a worker reaches the Azurite on these ports."""
    endpoints = "".join(
        f"{service.title()}Endpoint=http://127.0.0.1:{port}/{ACCOUNT};"
        for service, port in zip(SERVICES, ports, strict=True)
    )
    return f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};{endpoints}"


def worker_command(*options: str) -> list[str]:
    """The command of a worker for this folder's app."""
    return [sys.executable, "-m", "durable", "start", *options]


def accepts(port: int) -> bool:
    """Whether anybody listens on a port of this machine."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def exit_on_sigterm() -> None:
    """Let SIGTERM unwind the stack, as Ctrl-C does, so that the children are ended."""

    def leave(*_: object) -> NoReturn:
        sys.exit(128 + signal.SIGTERM)

    signal.signal(signal.SIGTERM, leave)


def run(main: Callable[[], int], name: str) -> NoReturn:
    """Run a command and exit with its code, failures told without a traceback."""
    exit_on_sigterm()
    try:
        code = main()
    except KeyboardInterrupt:
        print(f"\n{name}: interrupted", file=sys.stderr)
        code = 128 + signal.SIGINT
    except ProcessFailed as failure:
        print(f"\n{name}: FAILED: {failure}", file=sys.stderr)
        code = 1
    sys.exit(code)
