"""Keys and Host headers."""

from __future__ import annotations

import azure.functions as func
import pytest

from durable.worker.access import KeyAccess, Keys, LocalAccess, is_loopback
from durable.worker.cors import Cors

ANONYMOUS, FUNCTION, ADMIN = (
    func.AuthLevel.ANONYMOUS,
    func.AuthLevel.FUNCTION,
    func.AuthLevel.ADMIN,
)


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("localhost", True),
        ("LOCALHOST:7071", True),
        ("127.0.0.1", True),
        ("127.8.9.10:80", True),
        ("[::1]:7071", True),
        ("[::1]", True),
        ("evil.example", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("evil.example:7071", False),
        ("192.168.0.7", False),
        ("0.0.0.0", False),
        ("[::]", False),
        ("localhost:x", False),
        ("evil@localhost", False),
        ("localhost, evil.example", False),
        ("2130706433", False),
        ("", False),
        (None, False),
    ],
)
def test_only_local_hosts_without_keys(host: str | None, local: bool) -> None:
    assert LocalAccess().allows_host(host) is local


def test_loopback_addresses_to_bind() -> None:
    assert all(map(is_loopback, ["127.0.0.1", "127.1.1.1", "localhost", "::1"]))
    assert not any(map(is_loopback, ["0.0.0.0", "::", "10.0.0.1", "example.com", ""]))


@pytest.mark.parametrize(
    ("level", "key", "allowed"),
    [
        (ANONYMOUS, None, True),
        (ANONYMOUS, "wrong", True),
        (FUNCTION, None, False),
        (FUNCTION, "", False),
        (FUNCTION, "wrong", False),
        (FUNCTION, "f-key", True),
        (FUNCTION, "m-key", True),
        (FUNCTION, "f-key ", False),
        (FUNCTION, "é\udcff", False),
        (ADMIN, "f-key", False),
        (ADMIN, "m-key", True),
        (ADMIN, None, False),
    ],
)
@pytest.mark.parametrize("place", ["header", "query"])
def test_keys(level: func.AuthLevel, key: str | None, allowed: bool, place: str) -> None:
    access = KeyAccess(Keys("f-key", "m-key"))
    headers = {"x-functions-key": key} if key is not None and place == "header" else {}
    params = {"code": key} if key is not None and place == "query" else {}
    assert access.allows(level, headers, params) is allowed
    assert access.allows_host("anything.example")


def test_an_empty_key_opens_nothing() -> None:
    assert not KeyAccess(Keys("", "")).allows(FUNCTION, {"x-functions-key": ""}, {"code": ""})


def test_keys_are_not_shown() -> None:
    assert "secret" not in repr(Keys("secret-f", "secret-m"))


def test_cors() -> None:
    cors = Cors(["https://a.example"])
    asked = {"origin": "https://a.example", "access-control-request-method": "POST"}
    assert cors.headers(asked)["Access-Control-Allow-Origin"] == "https://a.example"
    preflight = cors.preflight("OPTIONS", asked)
    assert preflight is not None
    assert preflight["Access-Control-Allow-Methods"] == "POST"
    assert cors.headers({"origin": "https://b.example"}) == {}
    assert cors.preflight("OPTIONS", {**asked, "origin": "https://b.example"}) is None
    assert Cors(["*"]).headers({"origin": "https://b"}) == {"Access-Control-Allow-Origin": "*"}
    assert Cors([]).headers(asked) == {}
