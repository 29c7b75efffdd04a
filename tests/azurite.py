"""Azurite, the storage emulator, as a child process on free ports."""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from tools.processes import ACCOUNT, KEY, ROOT, accepts, find_azurite, free_ports

__all__ = ["ACCOUNT", "KEY", "ROOT", "Azurite", "AzuriteUnavailable", "free_ports"]

READY_SECONDS = 60.0
START_ATTEMPTS = 3


class AzuriteUnavailable(RuntimeError):
    """Azurite did not start, or is not running."""


class Azurite:
    """A running Azurite; a context manager, or `start` and `stop`.

    `location` keeps the data in that folder; without it a temporary folder is used, or memory
    with `in_memory` (which stalls under load). `cert` and `key` are PEM files for HTTPS;
    `oauth` also accepts bearer tokens and needs them. Ports stay the same over a restart.
    """

    def __init__(
        self,
        *,
        location: Path | None = None,
        in_memory: bool = False,
        cert: Path | None = None,
        key: Path | None = None,
        oauth: bool = False,
    ) -> None:
        self._given_location = location
        self._in_memory = in_memory
        self._tls = (cert, key) if cert and key else None
        self._oauth = oauth
        self._scratch: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self.blob_port = self.queue_port = self.table_port = 0

    @property
    def scheme(self) -> str:
        return "https" if self._tls else "http"

    @property
    def queue_uri(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.queue_port}/{ACCOUNT}"

    @property
    def table_uri(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.table_port}/{ACCOUNT}"

    @property
    def connection_string(self) -> str:
        return (
            f"DefaultEndpointsProtocol={self.scheme};AccountName={ACCOUNT};AccountKey={KEY};"
            f"BlobEndpoint={self.scheme}://127.0.0.1:{self.blob_port}/{ACCOUNT};"
            f"QueueEndpoint={self.queue_uri};TableEndpoint={self.table_uri};"
        )

    @property
    def pid(self) -> int:
        if self._process is None:
            raise AzuriteUnavailable("Azurite is not running")
        return self._process.pid

    def start(self) -> None:
        """Start and wait until all three services accept connections."""
        if self.table_port:
            self._launch()
            return
        for attempt in range(1, START_ATTEMPTS + 1):
            self.blob_port, self.queue_port, self.table_port = free_ports(3)
            try:
                self._launch()
            except AzuriteUnavailable:
                # Another process can take a port between finding it free and using it.
                if attempt == START_ATTEMPTS:
                    raise
            else:
                return

    def stop(self, *, kill: bool = False) -> None:
        """End it; a kill loses up to the last 5 s of acknowledged writes. Data of `location`
        stays, and so does the temporary folder until `close`."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def close(self) -> None:
        """Stop, and remove the temporary folder."""
        self.stop()
        if self._scratch is not None:
            shutil.rmtree(self._scratch, ignore_errors=True)
            self._scratch = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _launch(self) -> None:
        if self._scratch is None:
            self._scratch = Path(tempfile.mkdtemp(prefix="durable-azurite-"))
        output = self._scratch / "output.log"
        with output.open("ab") as log:
            self._process = subprocess.Popen(
                self._command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        deadline = time.monotonic() + READY_SECONDS
        for port in (self.blob_port, self.queue_port, self.table_port):
            while not accepts(port):
                if self._process.poll() is not None or time.monotonic() > deadline:
                    self.stop(kill=True)
                    said = output.read_text(errors="replace")[-2000:]
                    raise AzuriteUnavailable(f"Azurite did not start: {said}")
                time.sleep(0.05)

    def _command(self) -> list[str]:
        command = [str(find_azurite())]
        command += ["--silent", "--disableTelemetry", "--skipApiVersionCheck"]
        for service in ("blob", "queue", "table"):
            command += [f"--{service}Host", "127.0.0.1"]
            command += [f"--{service}Port", str(getattr(self, f"{service}_port"))]
        if self._in_memory:
            command.append("--inMemoryPersistence")
        else:
            command += ["--location", str(self._given_location or self._scratch)]
        if self._tls:
            command += ["--cert", str(self._tls[0]), "--key", str(self._tls[1])]
        if self._oauth:
            command += ["--oauth", "basic"]
        return command
