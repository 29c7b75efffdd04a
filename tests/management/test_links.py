"""What a link permits: one operation, one instance, until it expires."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import quote, unquote

import pytest

from durable.management import LinkRefusedError, LinkSigner
from durable.management.links import LINK_OPERATIONS
from durable.management.routes import candidates
from durable.management.table import ROUTES

from .conftest import BASE, KEY, ROOT, World

METHODS = {
    "statusQueryGetUri": ("status", "GET"),
    "sendEventPostUri": ("event", "POST"),
    "terminatePostUri": ("terminate", "POST"),
    "purgeHistoryDeleteUri": ("purge", "DELETE"),
    "rewindPostUri": ("rewind", "POST"),
    "restartPostUri": ("restart", "POST"),
    "suspendPostUri": ("suspend", "POST"),
    "resumePostUri": ("resume", "POST"),
}
FIELDS = list(METHODS)


def fill(url: str) -> str:
    return url.replace("{eventName}", "go").replace("{text}", "why")


def tail(url: str) -> str:
    """What follows the token."""
    return fill(url).removeprefix(f"{ROOT}/links/").partition("/")[2]


def token_of(url: str) -> str:
    return url.removeprefix(f"{ROOT}/links/").partition("/")[0]


def test_payload_has_the_names_and_placeholders_of_durable_functions(world: World) -> None:
    payload = world.links.payload("order 1+ä")
    assert list(payload) == ["id", *FIELDS]
    assert payload["id"] == "order 1+ä"
    path = f"instances/{quote('order 1+ä', safe='')}"
    suffixes = {
        field: url.partition("/links/")[2].partition("/")[2].removeprefix(path)
        for field, url in payload.items()
        if field != "id"
    }
    assert suffixes == {
        "statusQueryGetUri": "",
        "sendEventPostUri": "/raiseEvent/{eventName}",
        "terminatePostUri": "/terminate?reason={text}",
        "purgeHistoryDeleteUri": "",
        "rewindPostUri": "/rewind?reason={text}",
        "restartPostUri": "/restart",
        "suspendPostUri": "/suspend?reason={text}",
        "resumePostUri": "/resume?reason={text}",
    }
    assert all(url.startswith(f"{ROOT}/links/") for field, url in payload.items() if field != "id")


@pytest.mark.parametrize("field", FIELDS)
def test_each_link_leads_to_the_route_of_its_operation(world: World, field: str) -> None:
    operation, method = METHODS[field]
    path = tail(world.links.payload("order 1")[field]).partition("?")[0]
    found = [
        (route.operation, values["id"])
        for route, values in candidates(ROUTES, path)
        if route.method == method
    ]
    assert found == [(operation, "order 1")]
    assert operation in LINK_OPERATIONS


@pytest.mark.parametrize("path_field", FIELDS)
@pytest.mark.parametrize("token_field", FIELDS)
async def test_a_link_permits_its_own_operation_only(
    world: World, token_field: str, path_field: str
) -> None:
    await world.client.start_new("work", "i")
    await world.client.start_new("work", "other")
    mine, others = world.links.payload("i"), world.links.payload("other")
    method = METHODS[path_field][1]

    answer = await world.follow(
        method, f"{token_of(mine[token_field])}/{tail(mine[path_field])}", body={"x": 1}
    )
    assert (answer.status != 401) == (token_field == path_field)

    stolen = await world.follow(
        method, f"{token_of(others[token_field])}/{tail(mine[path_field])}", body={"x": 1}
    )
    assert (stolen.status, stolen.error) == (401, "Unauthorized")


@pytest.mark.parametrize(
    ("field", "status"),
    [
        ("statusQueryGetUri", 202),
        ("sendEventPostUri", 202),
        ("terminatePostUri", 202),
        ("purgeHistoryDeleteUri", 409),
        ("rewindPostUri", 409),
        ("restartPostUri", 202),
        ("suspendPostUri", 202),
        ("resumePostUri", 202),
    ],
)
async def test_following_a_link(world: World, field: str, status: int) -> None:
    await world.client.start_new("work", "order 1+ä")
    url = fill(world.links.payload("order 1+ä")[field])
    assert (await world.follow(METHODS[field][1], url)).status == status
    # the Functions host hands on the path decoded
    assert (await world.follow(METHODS[field][1], unquote(url))).status == status


@pytest.mark.parametrize("field", FIELDS)
async def test_an_expired_link_says_so_and_nothing_else(world: World, field: str) -> None:
    await world.client.start_new("work", "i")
    method, url = METHODS[field][1], fill(world.links.payload("i")[field])
    world.clock.advance(30 * 86_400 - 1)
    assert (await world.follow(method, url)).status != 401
    world.clock.advance(1)
    answer = await world.follow(method, url)
    assert (answer.status, answer.error) == (401, "Unauthorized")
    assert answer.json["message"] == "this link has expired; ask the app for a new one"
    # one that was never valid does not learn that it has expired
    forged = await world.follow(method, url.replace(token_of(url), "1." + "A" * 43))
    assert "expired" not in forged.json["message"]


async def test_tampering_with_any_character_of_a_token_is_refused(world: World) -> None:
    await world.client.start_new("work", "i")
    url = world.links.payload("i")["statusQueryGetUri"]
    token = token_of(url)
    for position, character in enumerate(token):
        for other in {"A", "b", "0", "1", ".", "_"} - {character}:
            bad = token[:position] + other + token[position + 1 :]
            assert (await world.follow("GET", f"{bad}/instances/i")).status == 401
    for bad in (token.upper(), token + "=", "0" + token, token + "A", token[:-1], ""):
        assert (await world.follow("GET", f"{bad}/instances/i")).status == 401


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "instances/i"),
        ("GET", "instances"),
        ("DELETE", "instances?createdTimeFrom=2020-01-01"),
        ("POST", "orchestrators/work"),
        ("POST", "orchestrators/work/i"),
        ("GET", "openapi.json"),
        ("GET", "nothing"),
        ("PUT", "instances/i"),
        ("GET", "instances/%ff"),
        ("GET", ""),
    ],
)
async def test_what_no_link_permits_is_401_with_and_without_a_token(
    world: World, method: str, path: str
) -> None:
    await world.client.start_new("work", "i")
    event_token = token_of(world.links.payload("i")["sendEventPostUri"])
    for target in (path, f"{event_token}/{path}"):
        answer = await world.follow(method, target)
        assert (answer.status, answer.error) == (401, "Unauthorized")
    found = [status.instance_id async for status in world.client.list_instances()]
    assert found == ["i"]


@pytest.mark.parametrize("operation", ["start", "startWithId", "list", "purgeBy", "openApi", ""])
def test_no_token_verifies_for_what_links_cannot_permit(world: World, operation: str) -> None:
    signature = world.links._signature(operation, "ffffffff", "i")
    with pytest.raises(LinkRefusedError):
        world.links.verify(f"ffffffff.{signature}", operation, "i")


async def test_polling_by_a_link_stays_on_that_link(world: World) -> None:
    await world.client.start_new("work", "i")
    url = world.links.payload("i")["statusQueryGetUri"]
    world.clock.advance(86_400)
    answer = await world.follow("GET", f"{url}?showHistory=true&showInput=false")
    assert answer.json["historyEvents"] == []
    # neither another scope nor a later expiry
    assert answer.headers["Location"] == f"{url}?showHistory=true&showInput=false"
    assert (await world.follow("GET", answer.headers["Location"])).status == 202


async def test_a_restart_by_link_gives_no_further_links(world: World) -> None:
    await world.ended("echo", "i", "text")
    answer = await world.follow("POST", world.links.payload("i")["restartPostUri"])
    assert answer.status == 202
    assert list(answer.json) == ["id"]
    assert "Location" not in answer.headers
    assert (await world.client.get_status(answer.json["id"])) is not None


def test_links_of_another_key_are_refused(world: World) -> None:
    other = LinkSigner(b"o" * 32, BASE, now=world.clock.now)
    token = token_of(other.payload("i")["statusQueryGetUri"])
    with pytest.raises(LinkRefusedError):
        world.links.verify(token, "status", "i")


def test_the_boundary_between_operation_and_id_is_signed(world: World) -> None:
    signatures = {
        world.links._signature("status", "1f", "i"),
        world.links._signature("status", "1", "fi"),
        world.links._signature("statu", "s1f", "i"),
        world.links._hmac("page", "status", "1f", "i"),
    }
    assert len(signatures) == 4


def test_keys_and_lifetimes_that_cannot_serve_are_refused() -> None:
    def now() -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC)

    with pytest.raises(ValueError, match="at least 16 bytes"):
        LinkSigner(b"short", BASE, now=now)
    with pytest.raises(ValueError, match="positive"):
        LinkSigner(KEY, BASE, lifetime=timedelta(0), now=now)


def test_sealed_tokens_come_back_whole_or_not_at_all(world: World) -> None:
    sealed = world.links.seal('["i", "ä"]')
    assert world.links.unseal(sealed) == '["i", "ä"]'
    for bad in ("", ".", sealed[:-1], sealed + "A", sealed.replace(".", ""), '["i", "ä"]'):
        assert world.links.unseal(bad) is None
