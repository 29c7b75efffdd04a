"""The model that the agents talk to: an HTTP server which answers from what it was asked, keeps
every question, and lets a test hold answers back."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

SECONDS = 40.0
OUT_OF_ORDER = "out of order"
"""What the model does not answer: a 503."""


@dataclass(frozen=True)
class Question:
    """What an agent asked: the texts of the conversation so far, the user's and its own."""

    agent: str
    users: list[str]
    own: list[str]

    @property
    def answer(self) -> str:
        """`<agent> <how many questions it has had>: <the last>`; that many stars, as JSON, where
        stars are asked for."""
        count, last = len(self.users), self.users[-1]
        return json.dumps({"stars": count}) if last == "stars" else f"{self.agent} {count}: {last}"


@dataclass
class Held:
    """Whether such a question has come in, and whether it may be answered."""

    asked: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)


class Model:
    """A running model; a context manager."""

    def __init__(self) -> None:
        self.questions: list[Question] = []
        self._held: dict[str, Held] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/"

    def hold(self, text: str) -> Held:
        """From now on a question that ends with `text` waits for its release."""
        return self._held.setdefault(text, Held())

    def asked(self, text: str) -> int:
        """How many questions ended with `text`."""
        return sum(each.users[-1] == text for each in self.questions)

    def answer(self, body: Any) -> str | None:
        """The answer to a request, None for none."""
        texts: dict[str, list[str]] = {"user": [], "assistant": []}
        for role, text in body["messages"]:
            texts[role].append(text)
        question = Question(body["agent"], texts["user"], texts["assistant"])
        self.questions.append(question)
        held = self._held.get(question.users[-1])
        if held is not None:
            held.asked.set()
            held.released.wait(SECONDS)
        return None if question.users[-1] == OUT_OF_ORDER else question.answer

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        for held in self._held.values():
            held.released.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _handler(model: Model) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            answer = model.answer(json.loads(body))
            text = (answer or "").encode()
            try:
                self.send_response(503 if answer is None else 200)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)
            except OSError:
                # whoever asked has been killed
                self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:
            """Not on the tests' own output."""

    return Handler
