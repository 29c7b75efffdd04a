"""What Durable Functions' binding says of itself, on our clients."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import durable as df
from durable.client import DurableOrchestrationClient
from durable.compat.client import DurableFunctionsClient
from durable.compat.sync_client import SyncDurableFunctionsClient
from durable.compat.v1.models import replace_url_origin
from durable.hub.hub import Hub
from durable.management.links import LinkSigner
from durable.storage.memory import memory_storage


@pytest.mark.parametrize("kind", [DurableFunctionsClient, SyncDurableFunctionsClient])
def test_the_binding_of_a_client(kind: Any) -> None:
    links = LinkSigner(b"k" * 16, "https://app.example/api", now=lambda: datetime.now(UTC))
    client = kind(DurableOrchestrationClient(Hub(memory_storage(), "Test"), links=links))
    assert client.baseUrl == client.httpBaseUrl == "https://app.example/api/durabletask"
    status = client.create_http_management_payload("one")["statusQueryGetUri"]
    assert status.startswith(f"{client.baseUrl}/")
    assert client.useForwardedHost is False
    assert client.maxGrpcMessageSizeInBytes == 0
    assert client.grpcHttpClientTimeout == timedelta(seconds=30)
    client.schedule_close()
    client.schedule_close()
    assert client.taskHubName.casefold() == "test"


def test_a_client_without_links_has_no_base() -> None:
    client = df.DurableFunctionsClient(DurableOrchestrationClient(Hub(memory_storage(), "Test")))
    assert client.baseUrl == client.httpBaseUrl == ""


@pytest.mark.parametrize(
    ("url", "origin", "expected"),
    [
        ("http://in:7071/a/b?c=d#e", "https://out.example", "https://out.example/a/b?c=d#e"),
        ("http://in:7071/a", "https://out.example/ignored?x", "https://out.example/a"),
        ("http://in:7071/a", None, "http://in:7071/a"),
        ("/a/b", "https://out.example", "/a/b"),
    ],
)
def test_an_origin_is_replaced(url: str, origin: str | None, expected: str) -> None:
    assert replace_url_origin(url, origin) == expected


@pytest.mark.parametrize("origin", ["out.example", "https://", "//out.example"])
def test_half_an_origin_is_refused(origin: str) -> None:
    with pytest.raises(ValueError, match="scheme and an authority"):
        replace_url_origin("http://in/a", origin)
