"""Private addresses are refused, in whatever way a request comes to them."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from aiohttp.resolver import ThreadedResolver

from durable.errors import HttpTargetRefusedError, InvalidRequestError
from durable.model.http import DurableHttpRequest
from durable.outbound import Targets
from durable.outbound.sending import HttpSender
from durable.outbound.targets import is_private
from tests.outbound.service import Names, Service, get, serving, settings

PRIVATE = [
    "0.0.0.0",
    "10.0.0.1",
    "100.64.0.1",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.169.254",
    "172.16.0.1",
    "192.168.1.1",
    "198.18.0.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::7f00:1",
    "64:ff9b:1::1",
    "2002:7f00:1::",
    "2001:db8::1",
    "fc00::1",
    "fe80::1",
    "fec0::1",
    "ff02::1",
]
PUBLIC = ["1.1.1.1", "20.50.2.1", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"]


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses(address: str) -> None:
    assert is_private(ip_address(address))
    assert not Targets().allows("somewhere.example", address)
    assert Targets(["*"]).allows("somewhere.example", address)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses(address: str) -> None:
    assert not is_private(ip_address(address))
    assert Targets().allows("somewhere.example", address)


def test_what_is_allowed_is_allowed_and_no_more() -> None:
    targets = Targets(["localhost", "10.1.0.0/16", "fd00::/8", "192.168.0.7"])
    assert targets.allows("LOCALHOST", "127.0.0.1")
    assert not targets.allows("localhost.example.com", "127.0.0.1")
    assert targets.allows("db.internal", "10.1.255.9")
    assert targets.allows("db.internal", "::ffff:10.1.2.3")
    assert not targets.allows("db.internal", "10.2.0.1")
    assert targets.allows("db.internal", "fd12::1")
    assert not targets.allows("db.internal", "fc12::1")
    assert targets.allows("192.168.0.7", "192.168.0.7")
    assert not targets.allows("192.168.0.8", "192.168.0.8")
    assert not targets.allows("db.internal", "no address")


async def refused(sender: HttpSender, uri: str) -> str:
    with pytest.raises(HttpTargetRefusedError) as caught:
        await sender.send(get(uri))
    return str(caught.value)


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "127.1", "017700000001"])
async def test_loopback_in_numbers_is_refused(service: Service, host: str) -> None:
    with pytest.raises((HttpTargetRefusedError, InvalidRequestError)) as caught:
        await HttpSender(settings()).send(get(service.uri("/?code=hush", host)))
    assert "hush" not in str(caught.value)
    assert service.asked == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "[::1]"])
async def test_loopback_is_refused_however_it_is_written(service: Service, host: str) -> None:
    message = await refused(HttpSender(settings()), service.uri("/x?code=hush", host))
    assert "private address (" in message
    assert "allowedPrivateTargets" in message
    assert "hush" not in message
    assert service.asked == []


async def test_a_public_name_of_a_private_address_is_refused(service: Service) -> None:
    names = Names(public_example_com=[["127.0.0.1"]])
    uri = service.uri("/", "public.example.com")
    await refused(HttpSender(settings(), resolver=names), uri)
    await refused(HttpSender(settings("localhost"), resolver=names), uri)
    assert service.asked == []
    service.on("/", text="in")
    by_name = HttpSender(settings("public.example.com"), resolver=names)
    assert (await by_name.send(get(uri))).response.content == "in"
    by_network = HttpSender(settings("127.0.0.0/8"), resolver=names)
    assert (await by_network.send(get(uri))).response.content == "in"


async def test_a_name_with_several_private_addresses_is_refused_as_such(service: Service) -> None:
    names = Names(many_example_com=[["127.0.0.1", "127.0.0.2", "::1"]])
    uri = service.uri("/", "many.example.com")
    assert "127.0.0.1" in await refused(HttpSender(settings(), resolver=names), uri)
    assert service.asked == []


async def test_a_private_address_beside_an_allowed_one_is_passed_over(service: Service) -> None:
    async with serving("127.0.0.2", service.port) as allowed:
        allowed.on("/", text="allowed")
        names = Names(both_example_com=[["127.0.0.1", "127.0.0.2"]])
        sender = HttpSender(settings("127.0.0.2"), resolver=names)
        answer = await sender.send(get(service.uri("/", "both.example.com")))
    assert answer.response.content == "allowed"
    assert service.asked == []


async def test_an_allowed_address_that_cannot_be_reached_is_no_refusal(service: Service) -> None:
    names = Names(both_example_com=[["127.0.0.1", "127.0.0.2"]])
    sender = HttpSender(settings("127.0.0.2"), resolver=names)
    with pytest.raises(ConnectionError):
        await sender.send(get(service.uri("/", "both.example.com")))
    assert service.asked == []


async def test_a_name_that_is_bound_anew_between_two_hops_is_refused(service: Service) -> None:
    """DNS rebinding: the first answer is allowed, the next one of the same name is not."""
    async with serving("127.0.0.2", service.port) as allowed:
        allowed.on("/", 302, Location="/next")
        service.on("/next", text="secret")
        names = Names(evil_example_com=[["127.0.0.2"], ["127.0.0.1"]])
        sender = HttpSender(settings("127.0.0.2"), resolver=names)
        await refused(sender, service.uri("/", "evil.example.com"))
        assert len(allowed.asked) == 1
    assert names.count == 2
    assert service.asked == []


async def test_a_redirect_to_a_private_address_is_refused(service: Service, other: Service) -> None:
    names = Names(public_example_com=[["127.0.0.1"]])
    sender = HttpSender(settings("public.example.com"), resolver=names)
    for target in (other.uri("/"), other.uri("/").replace("127.0.0.1", "[::ffff:7f00:1]")):
        service.on("/", 302, Location=target)
        await refused(sender, service.uri("/", "public.example.com"))
    service.on("/", 302, Location="http://169.254.169.254/metadata/identity")
    assert "169.254.169.254" in await refused(sender, service.uri("/", "public.example.com"))
    assert other.asked == []


async def test_proxies_of_the_environment_are_not_used(
    service: Service, other: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", other.uri())
    monkeypatch.setenv("http_proxy", other.uri())
    service.on("/", text="direct")
    sender = HttpSender(settings("127.0.0.1"), resolver=ThreadedResolver())
    answer = await sender.send(DurableHttpRequest("GET", service.uri()))
    assert answer.response.content == "direct"
    assert other.asked == []
