"""What a lying proxy does to which call, and a count of it."""

from __future__ import annotations

import random
import re
from collections import Counter
from enum import StrEnum
from urllib.parse import parse_qs, urlsplit

_KEYED = re.compile(r"/[^/]+\(PartitionKey=")
_TABLES = {"GET": "list tables", "POST": "create table", "DELETE": "delete table"}
_ROWS = {"PUT": "update", "PATCH": "merge", "MERGE": "merge", "DELETE": "delete", "GET": "get"}
_QUEUES = {"PUT": "create queue", "DELETE": "delete queue", "GET": "queue length"}
_MESSAGES = {"POST": "put message", "GET": "receive messages", "DELETE": "clear messages"}
_MESSAGE = {"PUT": "update message", "DELETE": "delete message"}
FIRST_LIE = 0.3
"""How likely a lie is for a kind of call that has met none: rare ones are to meet one too."""


class Lie(StrEnum):
    """None of them answers success for what did not take effect."""

    DELAY = "delayed on the way there"
    LATE = "delayed on the way back"
    DROP = "dropped before it was sent on"
    REFUSE = "503, and not sent on"
    LOSE = "done, and not answered"
    TRUNCATE = "done, and half an answer"
    FAIL_500 = "done, and answered 500"
    FAIL_503 = "done, and answered 503"
    TWICE_FIRST = "sent twice, the first answer"
    TWICE_SECOND = "sent twice, the second answer"


WEIGHTS = {
    Lie.DELAY: 3,
    Lie.LATE: 3,
    Lie.DROP: 2,
    Lie.REFUSE: 1,
    Lie.LOSE: 3,
    Lie.TRUNCATE: 2,
    Lie.FAIL_500: 2,
    Lie.FAIL_503: 2,
    Lie.TWICE_FIRST: 2,
    Lie.TWICE_SECOND: 2,
}
AMBIGUOUS = (Lie.LOSE, Lie.TRUNCATE, Lie.FAIL_500, Lie.FAIL_503)
"""What took effect, and is answered as if it had not, or not at all."""
OWED = 10
"""Calls of a kind after which one is answered so whatever the dice say."""
DELAYS = (0.05, 0.2, 0.5, 1.0, 3.0)


class Liar:
    """Decides and counts; one for all proxies of an account. `rate` is of all calls, and nothing
    is lied about while `on` is False."""

    def __init__(self, seed: int, rate: float) -> None:
        self.random = random.Random(seed)
        self.rate = rate
        self.on = True
        self.calls: Counter[str] = Counter()
        self.done: Counter[str] = Counter()
        """By kind: calls that took effect. A table that exists is not created again."""
        self.told: Counter[Lie] = Counter()
        self.ambiguous: Counter[str] = Counter()
        """By kind: calls that took effect, and were not answered so."""

    def decide(self, kind: str) -> Lie | None:
        """What to do to a call of that kind."""
        self.calls[kind] += 1
        owed = not self.ambiguous[kind]
        rate = FIRST_LIE if owed else self.rate
        if owed and self.done[kind] >= OWED:
            rate = 1.0
        if not self.on or self.random.random() >= rate:
            return None
        chosen = AMBIGUOUS if rate == 1.0 else tuple(WEIGHTS)
        (lie,) = self.random.choices(chosen, [WEIGHTS[each] for each in chosen])
        self.told[lie] += 1
        return lie

    def delay(self) -> float:
        """Seconds."""
        return self.random.choice(DELAYS)

    def never_ambiguous(self, often: int = 20) -> list[str]:
        """The kinds of calls that took effect so often, and were always answered truly."""
        return sorted(
            kind for kind, count in self.done.items() if count >= often and not self.ambiguous[kind]
        )


def table_call(method: str, target: str) -> str:
    """The kind of a request to the table service."""
    path = _below_account(target)
    if path == "/$batch":
        return "transaction"
    if path.startswith("/Tables"):
        return _TABLES[method]
    if _KEYED.match(path):
        return _ROWS[method]
    return "insert" if method == "POST" else "query"


def queue_call(method: str, target: str) -> str:
    """The kind of a request to the queue service."""
    parts = _below_account(target).strip("/").split("/")
    query = parse_qs(urlsplit(target).query)
    if parts == [""]:
        return "list queues"
    if len(parts) == 1:
        return _QUEUES[method]
    if len(parts) == 3:
        return _MESSAGE[method]
    if "peekonly" in query:
        return "peek messages"
    return _MESSAGES[method]


def _below_account(target: str) -> str:
    """The path after the account's name, which stands first in the emulator's URLs."""
    path = urlsplit(target).path
    return "/" + path.lstrip("/").partition("/")[2]
