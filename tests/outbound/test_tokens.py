"""Tokens of a managed identity go where they belong, and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from durable.errors import HttpTargetRefusedError
from durable.model.http import DurableHttpRequest, ManagedIdentityTokenSource
from durable.outbound import Tokens
from durable.outbound.sending import HttpSender
from tests.outbound.service import LOOPBACK, Names, Service, settings

SOURCE = ManagedIdentityTokenSource("https://management.core.windows.net/")


@dataclass(frozen=True)
class Issued:
    token: str


class Credential:
    """Issues a token that names its scope, and keeps the scopes it was asked for."""

    def __init__(self) -> None:
        self.scopes: list[str] = []
        self.is_open = True

    async def get_token(self, *scopes: str) -> Issued:
        self.scopes += scopes
        return Issued(f"for:{','.join(scopes)}")

    async def close(self) -> None:
        self.is_open = False


@pytest.fixture
def credential() -> Credential:
    return Credential()


def sender_of(credential: Credential, *allowed: str, resolver: Names | None = None) -> HttpSender:
    return HttpSender(settings(*allowed), tokens=Tokens(lambda: credential), resolver=resolver)


async def test_a_token_is_for_the_default_scope_of_the_resource(
    service: Service, credential: Credential
) -> None:
    service.on("/")
    request = DurableHttpRequest("GET", service.uri(), None, {"X-A": "b"}, SOURCE)
    answer = await sender_of(credential, LOOPBACK).send(request)
    scope = "https://management.core.windows.net/.default"
    assert credential.scopes == [scope]
    [asked] = service.asked
    assert asked.headers["authorization"] == f"Bearer for:{scope}"
    assert asked.headers["x-a"] == "b"
    assert "Bearer" not in str(answer.to_json())


async def test_one_credential_serves_all_and_is_closed(
    service: Service, credential: Credential
) -> None:
    made = []

    def make() -> Credential:
        made.append(credential)
        return credential

    sender = HttpSender(settings(LOOPBACK), tokens=Tokens(make))
    await sender.close()
    request = DurableHttpRequest("GET", service.uri(), None, None, SOURCE)
    await sender.send(request)
    await sender.send(request)
    await sender.send(replace(request, token_source=None))
    assert (len(made), len(credential.scopes)) == (1, 2)
    assert [("authorization" in asked.headers) for asked in service.asked] == [True, True, False]
    await sender.close()
    assert not credential.is_open


async def test_an_authorization_of_the_request_s_own_stays(
    service: Service, credential: Credential
) -> None:
    headers = {"authorization": "Basic x"}
    request = DurableHttpRequest("GET", service.uri(), None, headers, SOURCE)
    await sender_of(credential, LOOPBACK).send(request)
    assert service.asked[0].headers["authorization"] == "Basic x"
    assert credential.scopes == []


async def test_a_token_does_not_follow_to_another_origin(
    service: Service, other: Service, credential: Credential
) -> None:
    service.on("/", 307, Location=other.uri("/"))
    request = DurableHttpRequest("POST", service.uri(), "x", None, SOURCE)
    await sender_of(credential, LOOPBACK).send(request)
    assert "authorization" in service.asked[0].headers
    assert "authorization" not in other.asked[0].headers


@pytest.mark.parametrize("allowed", [(), ("*",), ("127.0.0.0/8",), ("example.com",)])
async def test_a_token_is_not_shown_on_plain_http(
    service: Service, credential: Credential, allowed: tuple[str, ...]
) -> None:
    names = Names(public_example_com=[["127.0.0.1"]])
    uri = service.uri("/?code=hush", "public.example.com")
    request = DurableHttpRequest("GET", uri, None, None, SOURCE)
    with pytest.raises(HttpTargetRefusedError, match="use https") as caught:
        await sender_of(credential, *allowed, resolver=names).send(request)
    assert "hush" not in str(caught.value)
    assert (credential.scopes, service.asked) == ([], [])


async def test_a_host_that_is_allowed_by_name_gets_it_on_plain_http(
    service: Service, credential: Credential
) -> None:
    names = Names(mock_internal=[["127.0.0.1"]])
    request = DurableHttpRequest("GET", service.uri("/", "mock.internal"), None, None, SOURCE)
    await sender_of(credential, "mock.internal", resolver=names).send(request)
    assert "authorization" in service.asked[0].headers


async def test_without_a_token_there_is_no_request(service: Service) -> None:
    class Unavailable(Credential):
        async def get_token(self, *scopes: str) -> Issued:
            raise LookupError("no identity here")

    request = DurableHttpRequest("GET", service.uri(), None, None, SOURCE)
    with pytest.raises(LookupError, match="no identity"):
        await sender_of(Unavailable(), LOOPBACK).send(request)
    assert service.asked == []
