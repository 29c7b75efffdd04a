"""Requests to the management API, made from its own route table: a new route joins by itself."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote

from durable.management.routes import Route
from durable.management.table import ROUTES

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "PROPFIND")
NASTY = (
    "",
    " ",
    "0",
    "-1",
    "1e999",
    "NaN",
    "true",
    "null",
    "[]",
    "x" * 300,
    "x" * 5000,
    "\x00",
    "\n\r\t",
    "ä€𝄞",
    "\u202e",
    "../../etc/passwd",
    "..",
    ".",
    "a/b",
    "a\\b",
    "a?b#c",
    "%",
    "%00",
    "%2e%2e%2f",
    "%zz",
    "' or 1 eq 1 or '",
    "') or (PartitionKey ne '",
    "$filter=1",
    "@",
    "@a@b",
    "{0.__class__}",
    "${jndi:ldap://x}",
    "<script>",
    "9999-12-31T23:59:59.9999999-23:59",
    "0001-01-01T00:00:00+23:59",
    "2026-02-30",
    "2026-01-01T00:00:00Z",
    "Running,Completed",
    "a=b",
    "=",
    "230.0",
    "00000000000000000001",
    "12345678901",
)
BODIES = (
    b"",
    b"null",
    b"{}",
    b"[1, 2]",
    b'{"step":0}',
    b'"text"',
    b"{",
    b"NaN",
    b"[" * 20_000,
    b'{"a":' * 3000 + b"1" + b"}" * 3000,
    b"\xff\xfe",
    b"\xef\xbb\xbf1",
    b"1" * 5000,
    b"1e400",
    b'"\\ud800"',
    b'{"__proto__": {}, "constructor": 1}',
    b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>",
)
HEADERS = (
    ("Host", "evil.example"),
    ("X-Forwarded-Host", "evil.example"),
    ("X-Forwarded-Proto", "gopher"),
    ("Forwarded", "host=evil.example"),
    ("X-Original-URL", "/admin"),
    ("X-HTTP-Method-Override", "DELETE"),
    ("x-ms-continuation-token", "AAAA.AAAA"),
    ("x-ms-continuation-token", "../../x"),
    ("traceparent", "00-" + "f" * 32 + "-" + "f" * 16 + "-01"),
    ("traceparent", "ff-x"),
    ("tracestate", "a=" + "b" * 600),
    ("Content-Type", "application/xml"),
    ("Content-Length", "5"),
    ("Content-Encoding", "gzip"),
    ("Origin", "https://evil.example"),
    ("Accept", "text/html"),
)


@dataclass(frozen=True)
class Sent:
    """One request; `target` is path and query below `durabletask/`, percent-encoded."""

    method: str
    target: str
    body: bytes
    headers: dict[str, str]
    route: Route | None


def path_of(route: Route, **values: str) -> str:
    """The route's path with its parameters filled in; "x" where nothing else is said."""
    return re.sub(
        r"{(\w+)}", lambda match: quote(values.get(match[1], "x"), safe=""), route.pattern
    )


def hostile_requests(seed: int, count: int, known: dict[str, tuple[str, ...]]) -> Iterator[Sent]:
    """`known` has values of parameters that there are, by the parameter's name."""
    rnd = random.Random(seed)
    for number in range(count):
        route = ROUTES[number % len(ROUTES)]
        yield _request(rnd, route, known)


def _request(rnd: random.Random, route: Route, known: dict[str, tuple[str, ...]]) -> Sent:
    method = route.method if rnd.random() < 0.85 else rnd.choice(METHODS)

    def value(name: str) -> str:
        good = known.get(name, ())
        return rnd.choice(good) if good and rnd.random() < 0.6 else _text(rnd)

    path = re.sub(r"{(\w+)}", lambda match: _quoted(rnd, value(match[1])), route.pattern)
    if rnd.random() < 0.1:
        path = _spoiled(rnd, path)
    names = [each.name for each in route.query]
    names += ["code", "taskHub", "connection", "showInput", _text(rnd)[:20]]
    query = [
        f"{_quoted(rnd, name)}={_quoted(rnd, value(name))}"
        for name in rnd.choices(names, k=rnd.choice((0, 0, 1, 1, 2, 4)))
    ]
    target = path + ("?" + "&".join(query) if query else "")
    body = rnd.choice(BODIES) if rnd.random() < 0.7 else rnd.randbytes(rnd.randrange(200))
    if rnd.random() < 0.2:
        body = json.dumps({_text(rnd): _text(rnd)}).encode()
    headers = dict(rnd.choices(HEADERS, k=rnd.choice((0, 0, 1, 2))))
    matched = route if method == route.method else None
    return Sent(method, target, body, headers, matched)


def _text(rnd: random.Random) -> str:
    if rnd.random() < 0.7:
        return rnd.choice(NASTY)
    points = (rnd.randrange(0xD800) for _ in range(rnd.randrange(1, 30)))
    return "".join(map(chr, points))


def _quoted(rnd: random.Random, text: str) -> str:
    once = quote(text, safe="")
    return quote(once, safe="") if rnd.random() < 0.1 else once


def _spoiled(rnd: random.Random, path: str) -> str:
    place = rnd.randrange(len(path) + 1)
    piece = rnd.choice(("/", "//", "%2F", "%5c", "%00", "%ff", "/../", ";", "%", "\u00e4"))
    return path[:place] + quote(piece, safe="/%;") + path[place:]
