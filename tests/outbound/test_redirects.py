"""Redirects: five of them, with the right method, and without credentials to anybody else."""

from __future__ import annotations

import pytest

from durable.errors import HttpResponseRefusedError
from durable.model.http import DurableHttpRequest
from durable.model.origins import is_credential, same_origin
from durable.outbound.sending import HttpSender
from tests.outbound.service import LOOPBACK, Service, get, settings

SECRETS = {
    "Authorization": "Bearer x",
    "cookie": "a=1",
    "X-Functions-Key": "k",
    "Ocp-Apim-Subscription-Key": "k",
    "X-Auth-Token": "t",
    "Proxy-Authorization": "p",
}
PLAIN = {"X-Trace": "7", "Accept": "text/plain"}


@pytest.fixture
def sender() -> HttpSender:
    return HttpSender(settings(LOOPBACK, "localhost"))


def secrets_of(headers: dict[str, str]) -> set[str]:
    return {name.lower() for name in SECRETS} & set(headers)


async def test_within_an_origin_everything_goes_along(service: Service, sender: HttpSender) -> None:
    service.on("/a/b", 307, Location="../c?d=1")
    service.on("/c", text="here")
    request = DurableHttpRequest("PUT", service.uri("/a/b"), "body", {**SECRETS, **PLAIN})
    answer = await sender.send(request)
    assert (answer.response.content, answer.uri) == ("here", service.uri("/c?d=1"))
    first, second = service.asked
    assert (second.method, second.path, second.body) == ("PUT", "/c?d=1", b"body")
    assert secrets_of(second.headers) == secrets_of(first.headers) == {n.lower() for n in SECRETS}


async def test_credentials_stay_behind_at_another_origin(
    service: Service, other: Service, sender: HttpSender
) -> None:
    """And do not come back, when the way leads back."""
    service.on("/", 302, Location=other.uri("/there"))
    other.on("/there", 302, Location=service.uri("/back"))
    service.on("/back", text="done")
    await sender.send(DurableHttpRequest("GET", service.uri(), None, {**SECRETS, **PLAIN}))
    [there] = other.asked
    back = service.asked[-1]
    assert secrets_of(there.headers) == secrets_of(back.headers) == set()
    assert there.headers["x-trace"] == back.headers["x-trace"] == "7"


async def test_another_name_of_the_same_server_is_another_origin(
    service: Service, sender: HttpSender
) -> None:
    service.on("/", 302, Location=service.uri("/there", "localhost"))
    service.on("/there")
    headers = {**SECRETS, "Host": "virtual.example.com"}
    await sender.send(DurableHttpRequest("GET", service.uri(), None, headers))
    first, second = service.asked
    assert first.headers["host"] == "virtual.example.com"
    assert second.headers["host"] == f"localhost:{service.port}"
    assert secrets_of(second.headers) == set()


@pytest.mark.parametrize(
    ("status", "method", "then"),
    [
        (301, "POST", "GET"),
        (302, "POST", "GET"),
        (303, "POST", "GET"),
        (307, "POST", "POST"),
        (308, "POST", "POST"),
        (301, "PUT", "PUT"),
        (302, "DELETE", "DELETE"),
        (303, "PUT", "GET"),
        (303, "HEAD", "HEAD"),
        (302, "HEAD", "HEAD"),
        (308, "GET", "GET"),
    ],
)
async def test_methods(
    service: Service, sender: HttpSender, status: int, method: str, then: str
) -> None:
    content = "body" if method in ("POST", "PUT") else None
    headers = {"Content-Type": "text/plain", "Content-Language": "en"} if content else {}
    service.on("/", status, Location="/next")
    service.on("/next")
    await sender.send(DurableHttpRequest(method, service.uri(), content, headers))
    asked = service.asked[1]
    kept = content is not None and method == then
    assert (asked.method, asked.body) == (then, b"body" if kept else b"")
    assert ("content-type" in asked.headers) == ("content-language" in asked.headers) == kept


async def test_five_are_followed_and_no_sixth(service: Service, sender: HttpSender) -> None:
    for number in range(6):
        service.on(f"/{number}", 302, Location=f"/{number + 1}")
    service.on("/6", text="end")
    assert (await sender.send(get(service.uri("/1")))).response.content == "end"
    service.asked.clear()
    with pytest.raises(HttpResponseRefusedError, match="more than 5 times"):
        await sender.send(get(service.uri("/0")))
    assert len(service.asked) == 6


@pytest.mark.parametrize("status", [300, 304, 305])
async def test_other_statuses_are_not_followed(
    service: Service, sender: HttpSender, status: int
) -> None:
    service.on("/", status, Location="/next")
    assert (await sender.send(get(service.uri()))).response.status_code == status


async def test_a_redirect_to_nowhere_is_the_answer(service: Service, sender: HttpSender) -> None:
    service.on("/", 302)
    assert (await sender.send(get(service.uri()))).response.status_code == 302


@pytest.mark.parametrize(
    "location",
    [
        "file:///etc/passwd",
        "ftp://a/b",
        "https://",
        "http://user:pass@a/",
        "http://[::1",
        "gopher:x",
    ],
)
async def test_a_redirect_to_anything_but_http_is_refused(
    service: Service, sender: HttpSender, location: str
) -> None:
    service.on("/", 302, Location=location)
    with pytest.raises(HttpResponseRefusedError, match="cannot be followed") as caught:
        await sender.send(get(service.uri()))
    assert "pass@" not in str(caught.value)


def test_origins() -> None:
    assert same_origin("https://A.example/x", "https://a.example:443/y?z")
    assert same_origin("http://a:80", "http://a/")
    for different in ("http://a.example/", "https://b.example", "https://a.example:444"):
        assert not same_origin("https://a.example", different)


@pytest.mark.parametrize(
    ("name", "expected"),
    [*((name, True) for name in SECRETS), ("X-Api-Key", True), ("Accept", False), ("Date", False)],
)
def test_credentials(name: str, expected: bool) -> None:
    assert is_credential(name) is expected
