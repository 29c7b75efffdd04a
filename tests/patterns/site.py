"""An app of `apps/`, served by `durable start`, and the partner that durable HTTP talks to."""

from __future__ import annotations

import http.server
import json
import secrets
import shutil
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.azurite import Azurite
from tests.worker.running import Process, worker

APPS = Path(__file__).resolve().parent / "apps"
STYLES = ("one_x", "two_x", "native")
SECONDS = 40.0


@dataclass(frozen=True)
class Answer:
    """What a caller gets."""

    status: int
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


@dataclass(frozen=True)
class Site:
    """A running app. Paths are below `/api/`, bodies are sent as JSON."""

    style: str
    address: str
    process: Process
    store_key: Path
    exports: Path

    def call(self, method: str, path: str, body: object = None) -> Answer:
        """One request, whatever its status."""
        url = path if "://" in path else f"{self.address}/api/{path}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data, method=method)
        try:
            with urllib.request.urlopen(request, timeout=SECONDS) as answer:
                return Answer(answer.status, answer.read().decode())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, error.read().decode())

    def begin(self, name: str, body: object = None, query: str = "") -> dict[str, str]:
        """Start an orchestration through the app's own route; the links of the answer."""
        answer = self.call("POST", f"orchestrators/{name}?{query}", body)
        assert answer.status == 202, f"{answer}\n{self.process.log}"
        links: dict[str, str] = answer.json
        return links

    def status(self, links: dict[str, str]) -> dict[str, Any]:
        """By the status link."""
        shown: dict[str, Any] = self.call("GET", links["statusQueryGetUri"]).json
        return shown

    def ended(self, links: dict[str, str]) -> dict[str, Any]:
        """Its status once it has ended."""
        shown: dict[str, Any] = self.until(
            lambda: self.status(links),
            lambda it: it["runtimeStatus"] in ("Completed", "Failed", "Terminated", "Stuck"),
        )
        return shown

    def output(self, name: str, body: object = None, query: str = "") -> Any:
        """What a new instance returns; it has to complete."""
        shown = self.ended(self.begin(name, body, query))
        assert shown["runtimeStatus"] == "Completed", f"{shown}\n{self.process.log}"
        return shown["output"]

    def until(self, look: Callable[[], Any], fits: Callable[[Any], bool]) -> Any:
        """What `look` gives once it fits; fails with the worker's log when that takes too long."""
        deadline = time.monotonic() + SECONDS
        while not fits(seen := look()):
            assert time.monotonic() < deadline, f"still {seen}\n{self.process.log}"
            time.sleep(0.05)
        return seen


def copied(style: str, folder: Path, *, host: bool = False) -> Path:
    """The app of a style in a folder of its own. For a Functions host, apps that are not native
    get the one import that they need there."""
    target = folder / style
    shutil.copytree(APPS / style, target, ignore=shutil.ignore_patterns("__pycache__"))
    if host and style != "native":
        main = target / "function_app.py"
        main.write_text(f"import durable.compat.activate\n{main.read_text()}")
    return target


@contextmanager
def served(style: str, folder: Path, azurite: Azurite, **more: str) -> Iterator[Site]:
    """The app of a style in a process of its own, on a hub of its own unless `HUB` is given."""
    store_key, exports = folder / f"{style}-key", folder / "exports"
    settings = {
        "AzureWebJobsStorage": azurite.connection_string,
        "HUB": f"Pattern{secrets.token_hex(5)}",
        "STORE_KEY": str(store_key),
        "EXPORTS": str(exports),
        "DURABLE_HTTP_ALLOWED_PRIVATE_TARGETS": "127.0.0.1",
        **more,
    }
    with worker(copied(style, folder), **settings) as process:
        yield Site(style, process.address, process, store_key, exports)


class _Partner(http.server.BaseHTTPRequestHandler):
    """Takes an order, and has it ready at the second look."""

    def do_POST(self) -> None:
        order = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        number = secrets.token_hex(4)
        self.server.orders[number] = [order["item"], 0]  # type: ignore[attr-defined]
        self._answer(202, b"", Location=f"/orders/{number}", **{"Retry-After": "1"})

    def do_GET(self) -> None:
        orders = self.server.orders  # type: ignore[attr-defined]
        number = self.path.rpartition("/")[2]
        if number not in orders:
            self._answer(404, b"")
            return
        orders[number][1] += 1
        item, looks = orders[number]
        if looks < 2:
            self._answer(202, b"", Location=self.path, **{"Retry-After": "1"})
        else:
            self._answer(200, json.dumps({"item": item}).encode())

    def _answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


@contextmanager
def partner() -> Iterator[str]:
    """The address of an HTTP service that answers 202 and has its callers look again."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Partner) as server:
        server.orders = {}  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
