"""Ways into an account, on a real Azurite: key, identity over TLS, names, loops, encodings."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import secrets
import threading
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import trustme
from aiohttp import web
from aiohttp.test_utils import TestServer

from durable.errors import AccessDenied, AmbiguousAnswer
from durable.ports import Insert, Merge, Storage
from durable.storage.azure import (
    AzureStorage,
    Connection,
    MessageEncoding,
    ServiceClock,
    StorageClient,
    open_storage,
)
from tests.azurite import KEY, Azurite

CLIENT_ID = "11111111-2222-3333-4444-555555555555"
AUDIENCE = "https://storage.azure.com"
LEASE = 30.0


async def _use(storage: Storage) -> None:
    """Read and write a table and a queue."""
    mark = secrets.token_hex(6)
    table, queue = f"T{mark}", f"q-{mark}"
    await storage.tables.create_table(table)
    await storage.queues.create_queue(queue)
    await storage.tables.transact(table, "p=1|2", [Insert("a:b!c", {"v": 1})])
    await storage.tables.transact(table, "p=1|2", [Merge("a:b!c", {"w": 2}), Insert("d", {})])
    row = await storage.tables.get(table, "p=1|2", "a:b!c")
    assert row is not None
    assert row.values == {"v": 1, "w": 2}
    await storage.queues.send(queue, b"hello")
    (message,) = await storage.queues.receive(queue, limit=1, lease=LEASE)
    assert message.body == b"hello"
    receipt = await storage.queues.extend(queue, message.receipt, lease=LEASE)
    await storage.queues.delete(queue, receipt)
    await storage.queues.delete_queue(queue)
    await storage.tables.delete_table(table)


async def test_requests_are_not_logged_where_info_is(
    azurite: Azurite, caplog: pytest.LogCaptureFixture, client: StorageClient
) -> None:
    caplog.set_level(logging.INFO)
    async with await open_storage(
        Connection.from_string(azurite.connection_string), client=client
    ) as opened:
        await _use(opened.storage)
        assert not caplog.records
        caplog.set_level(logging.INFO, "durable.storage.requests")
        await _use(opened.storage)
        assert any("Request URL" in record.getMessage() for record in caplog.records)


async def test_opening_learns_the_services_time(azurite: Azurite, client: StorageClient) -> None:
    async with await open_storage(
        Connection.from_string(azurite.connection_string), client=client
    ) as opened:
        behind = time.time() - opened.storage.clock.now().timestamp()
        assert -0.1 < behind < 2


async def test_localhost_is_no_other_kind_of_service(
    azurite: Azurite, client: StorageClient
) -> None:
    text = azurite.connection_string.replace("127.0.0.1", "localhost")
    async with await open_storage(Connection.from_string(text), client=client) as opened:
        await _use(opened.storage)


async def test_a_wrong_key_is_refused(azurite: Azurite, client: StorageClient) -> None:
    wrong = base64.b64encode(b"wrong" * 10).decode()
    with pytest.raises(AccessDenied):
        await open_storage(
            Connection.from_string(azurite.connection_string.replace(KEY, wrong)), client=client
        )


def test_each_event_loop_opens_its_own_and_they_share_a_clock(
    azurite: Azurite, client: StorageClient
) -> None:
    connection = Connection.from_string(azurite.connection_string)
    clock = ServiceClock()
    barrier = threading.Barrier(3)
    failures: list[BaseException] = []

    async def main() -> None:
        async with await open_storage(connection, clock=clock, client=client) as opened:
            await asyncio.to_thread(barrier.wait, 30)
            for _ in range(3):
                await _use(opened.storage)
            assert opened.storage.clock is clock

    def run() -> None:
        try:
            asyncio.run(main())
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []


async def test_close_may_be_called_twice(azurite: Azurite, client: StorageClient) -> None:
    opened = await open_storage(Connection.from_string(azurite.connection_string), client=client)
    await opened.close()
    await opened.close()


@dataclass
class Encodings:
    """One queue seen by an adapter of each encoding."""

    base64: Storage
    none: Storage
    queue: str = field(default_factory=lambda: f"q-{secrets.token_hex(6)}")


@pytest.fixture
async def encodings(azurite: Azurite, client: StorageClient) -> AsyncIterator[Encodings]:
    connection = Connection.from_string(azurite.connection_string)

    accounts: list[AzureStorage] = []

    async def opened(encoding: MessageEncoding) -> Storage:
        account = await open_storage(connection, message_encoding=encoding, client=client)
        accounts.append(account)
        return account.storage

    both = Encodings(await opened("base64"), await opened("none"))
    await both.base64.queues.create_queue(both.queue)
    yield both
    await both.base64.queues.delete_queue(both.queue)
    for account in accounts:
        await account.close()


async def _body(storage: Storage, queue: str) -> bytes:
    (message,) = await storage.queues.receive(queue, limit=1, lease=LEASE)
    return message.body


async def test_base64_is_what_a_queue_trigger_expects(encodings: Encodings) -> None:
    await encodings.base64.queues.send(encodings.queue, b'{"a": 1}')
    assert await _body(encodings.none, encodings.queue) == base64.b64encode(b'{"a": 1}')


@pytest.mark.parametrize("body", [b"plain text", b'{"a": "\xc3\xa4"}', b"abc"])
async def test_a_body_that_does_not_decode_arrives_raw(encodings: Encodings, body: bytes) -> None:
    await encodings.none.queues.send(encodings.queue, body)
    assert await _body(encodings.base64, encodings.queue) == body


@pytest.mark.parametrize(
    "body",
    [b"", b'{"a": "<b>&amp;\\u0000"}', "ä ☃ 😀".encode(), b"  two\tlines \n ", b"x" * 48 * 1024],
    ids=lambda body: str(body[:10]),
)
async def test_bodies_without_encoding(encodings: Encodings, body: bytes) -> None:
    await encodings.none.queues.send(encodings.queue, body)
    assert await _body(encodings.none, encodings.queue) == body


@pytest.mark.parametrize(
    "body", [b"\xff", b"nul \0", b"return \r\n", b"\xed\xa0\x80", "\uffff".encode()]
)
async def test_what_xml_cannot_carry_is_not_sent(encodings: Encodings, body: bytes) -> None:
    with pytest.raises(ValueError, match=r"decode|encoding"):
        await encodings.none.queues.send(encodings.queue, body)
    assert await encodings.none.queues.length(encodings.queue) == 0


@dataclass
class Secured:
    """An Azurite behind TLS that takes bearer tokens, and its authority's certificate."""

    azurite: Azurite
    authority: Path


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    folder = tmp_path_factory.mktemp("tls")
    authority, key, cert = (folder / name for name in ("ca.pem", "key.pem", "cert.pem"))
    issuer = trustme.CA()
    issuer.cert_pem.write_to_path(str(authority))
    issued = issuer.issue_cert("127.0.0.1", "localhost")
    issued.private_key_pem.write_to_path(str(key))
    for part in issued.cert_chain_pems:
        part.write_to_path(str(cert), append=True)
    with Azurite(cert=cert, key=key, oauth=True) as running:
        yield Secured(running, authority)


@dataclass
class TokenEndpoint:
    """What App Service gives an app with a managed identity."""

    queries: list[Mapping[str, str]] = field(default_factory=list)
    lifetime: int = 3600
    known: bool = True

    async def token(self, request: web.Request) -> web.Response:
        assert request.headers["X-IDENTITY-HEADER"] == "the-header"
        self.queries.append(dict(request.query))
        if not self.known:
            return web.json_response({"error": {"message": "No such identity"}}, status=400)
        now = int(time.time())
        claims = {
            "aud": request.query["resource"],
            "iss": "https://sts.windows.net/ab1f708d-50f6-404c-a006-d71b2ac7a606/",
            "iat": now - 60,
            "nbf": now - 60,
            "exp": now + self.lifetime,
        }
        parts = [_segment({"alg": "none", "typ": "JWT"}), _segment(claims), "c2ln"]
        return web.json_response(
            {
                "access_token": ".".join(parts),
                "expires_on": str(claims["exp"]),
                "resource": request.query["resource"],
                "token_type": "Bearer",
            }
        )


def _segment(value: Mapping[str, object]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


@pytest.fixture
async def endpoint(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[TokenEndpoint]:
    served = TokenEndpoint()
    app = web.Application()
    app.router.add_get("/msi/token", served.token)
    async with TestServer(app) as server:
        monkeypatch.setenv("IDENTITY_ENDPOINT", str(server.make_url("/msi/token")))
        monkeypatch.setenv("IDENTITY_HEADER", "the-header")
        yield served


def _identity(secured: Secured, **more: str) -> Connection:
    settings = {
        "Hub__queueServiceUri": secured.azurite.queue_uri,
        "Hub__tableServiceUri": secured.azurite.table_uri,
    }
    return Connection.from_settings(settings | {f"Hub__{k}": v for k, v in more.items()}, "Hub")


async def test_a_managed_identity(
    secured: Secured,
    endpoint: TokenEndpoint,
    monkeypatch: pytest.MonkeyPatch,
    client: StorageClient,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(secured.authority))
    connection = _identity(secured, credential="managedidentity", clientId=CLIENT_ID)
    async with await open_storage(connection, client=client) as opened:
        await _use(opened.storage)
    assert {query["client_id"] for query in endpoint.queries} == {CLIENT_ID}
    assert {query["resource"] for query in endpoint.queries} == {AUDIENCE}


async def test_tokens_are_kept_between_calls(
    secured: Secured,
    endpoint: TokenEndpoint,
    monkeypatch: pytest.MonkeyPatch,
    client: StorageClient,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(secured.authority))
    async with await open_storage(
        _identity(secured, credential="managedidentity"), client=client
    ) as opened:
        for _ in range(3):
            await _use(opened.storage)
    assert len(endpoint.queries) == 1


async def test_the_default_chain_finds_the_managed_identity(
    secured: Secured,
    endpoint: TokenEndpoint,
    monkeypatch: pytest.MonkeyPatch,
    client: StorageClient,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(secured.authority))
    async with await open_storage(_identity(secured, clientId=CLIENT_ID), client=client) as opened:
        await _use(opened.storage)
    assert endpoint.queries[0]["client_id"] == CLIENT_ID


async def test_a_token_that_has_expired_is_refused(
    secured: Secured,
    endpoint: TokenEndpoint,
    monkeypatch: pytest.MonkeyPatch,
    client: StorageClient,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(secured.authority))
    endpoint.lifetime = -600
    with pytest.raises(AccessDenied):
        await open_storage(_identity(secured, credential="managedidentity"), client=client)


async def test_an_identity_that_the_endpoint_does_not_know(
    secured: Secured,
    endpoint: TokenEndpoint,
    monkeypatch: pytest.MonkeyPatch,
    client: StorageClient,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(secured.authority))
    endpoint.known = False
    with pytest.raises(AccessDenied, match="No such identity"):
        await open_storage(_identity(secured, credential="managedidentity"), client=client)


async def test_a_key_over_tls(
    secured: Secured, monkeypatch: pytest.MonkeyPatch, client: StorageClient
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(secured.authority))
    connection = Connection.from_string(secured.azurite.connection_string)
    async with await open_storage(connection, client=client) as opened:
        await _use(opened.storage)


async def test_an_unknown_authority_is_not_trusted(secured: Secured, client: StorageClient) -> None:
    with pytest.raises(AmbiguousAnswer, match="certificate"):
        await open_storage(Connection.from_string(secured.azurite.connection_string), client=client)
