"""Connections by setting name, as Functions resolves them."""

from __future__ import annotations

import pytest

from durable.errors import ConfigurationError
from durable.storage.azure.connection import Connection, Identity, Sas, SharedKey

KEY = "c2VjcmV0LWtleQ=="
NAME = "AzureWebJobsStorage"


def _of(text: str) -> Connection:
    return Connection.from_settings({NAME: text})


def test_account_and_key_give_the_public_endpoints() -> None:
    found = _of(f"DefaultEndpointsProtocol=https;AccountName=shop;AccountKey={KEY}")
    assert found.queue_endpoint == "https://shop.queue.core.windows.net"
    assert found.table_endpoint == "https://shop.table.core.windows.net"
    assert found.credential == SharedKey("shop", KEY)


def test_the_endpoint_suffix_of_another_cloud() -> None:
    found = _of(f"AccountName=shop;AccountKey={KEY};EndpointSuffix=core.chinacloudapi.cn")
    assert found.table_endpoint == "https://shop.table.core.chinacloudapi.cn"


def test_named_endpoints_win_and_lose_their_trailing_slash() -> None:
    found = _of(
        f"AccountName=dev;AccountKey={KEY};QueueEndpoint=http://azurite:9001/dev/;"
        "TableEndpoint=http://azurite:9002/dev;"
    )
    assert found.queue_endpoint == "http://azurite:9001/dev"
    assert found.table_endpoint == "http://azurite:9002/dev"


def test_localhost_becomes_its_address() -> None:
    found = _of(
        f"AccountName=localhost;AccountKey={KEY};QueueEndpoint=http://localhost:1/localhost;"
        "TableEndpoint=https://localhost:2/localhost"
    )
    assert found.queue_endpoint == "http://127.0.0.1:1/localhost"
    assert found.table_endpoint == "https://127.0.0.1:2/localhost"


@pytest.mark.parametrize("text", ["UseDevelopmentStorage=true", "usedevelopmentstorage=True;"])
def test_development_storage(text: str) -> None:
    found = _of(text)
    assert found.queue_endpoint == "http://127.0.0.1:10001/devstoreaccount1"
    assert found.table_endpoint == "http://127.0.0.1:10002/devstoreaccount1"
    assert isinstance(found.credential, SharedKey)


def test_shared_access_signature() -> None:
    found = _of(
        "QueueEndpoint=https://shop.queue.core.windows.net/;"
        "TableEndpoint=https://shop.table.core.windows.net/;"
        "SharedAccessSignature=?sv=2022&sig=a%3D"
    )
    assert found.credential == Sas("sv=2022&sig=a%3D")


def test_another_setting_and_its_prefixed_form() -> None:
    text = f"AccountName=one;AccountKey={KEY}"
    assert "//one." in Connection.from_settings({"Orders": text}, "Orders").queue_endpoint
    prefixed = {"AzureWebJobsOrders": text, "Orders": text.replace("one", "two")}
    assert "//one." in Connection.from_settings(prefixed, "Orders").queue_endpoint


def test_settings_are_found_without_regard_to_case() -> None:
    assert Connection.from_settings({"AZUREWEBJOBSSTORAGE": "UseDevelopmentStorage=true"})


def test_a_connection_string_wins_over_identity() -> None:
    found = Connection.from_settings(
        {NAME: "UseDevelopmentStorage=true", f"{NAME}__accountName": "other"}
    )
    assert isinstance(found.credential, SharedKey)


def test_identity_by_service_uris() -> None:
    found = Connection.from_settings(
        {
            "Hub__queueServiceUri": "https://shop.queue.core.windows.net/",
            "Hub__tableServiceUri": "https://shop.table.core.windows.net",
            "Hub__credential": "managedidentity",
            "Hub__clientId": "11111111-2222",
        },
        "Hub",
    )
    assert found.queue_endpoint == "https://shop.queue.core.windows.net"
    assert found.table_endpoint == "https://shop.table.core.windows.net"
    assert found.credential == Identity(managed=True, client_id="11111111-2222")


def test_identity_by_account_name_and_the_default_chain() -> None:
    found = Connection.from_settings({f"{NAME}__accountName": "shop"})
    assert found.table_endpoint == "https://shop.table.core.windows.net"
    assert found.credential == Identity(managed=False)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, r"setting Hub is missing.*UseDevelopmentStorage=true.*Hub__queueServiceUri"),
        ({"Hub": "  "}, r"setting Hub is missing"),
        ({"Hub": "not a connection string"}, r"setting Hub is no storage connection string"),
        ({"Hub": "AccountName=shop"}, r"in Hub holds no credentials.*AccountKey"),
        ({"Hub": f"AccountKey={KEY}"}, r"in Hub names no account"),
        ({"Hub": "AccountName=shop;AccountKey=%%%"}, r"AccountKey in Hub is not base64"),
        (
            {"Hub": f"AccountName=a;AccountKey={KEY};QueueEndpoint=nonsense"},
            r"Hub \(QueueEndpoint\) cannot be used",
        ),
        (
            {"Hub__queueServiceUri": "https://shop.queue.core.windows.net"},
            r"Hub__tableServiceUri is missing.*Hub__accountName",
        ),
        (
            {
                "Hub__queueServiceUri": "http://shop.queue.core.windows.net",
                "Hub__tableServiceUri": "https://shop.table.core.windows.net",
            },
            r"Hub__queueServiceUri cannot be used.*https://",
        ),
        (
            {"Hub__accountName": "shop", "Hub__credential": "workload"},
            r"Hub__credential is 'workload'.*managedidentity",
        ),
        (
            {"Hub__accountName": "shop", "Hub__tableServiceUri": "https://x:port"},
            r"Hub__tableServiceUri cannot be used",
        ),
    ],
)
def test_what_is_missing_is_named(settings: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Connection.from_settings(settings, "Hub")


@pytest.mark.parametrize(
    "text",
    [
        f"AccountName=shop;AccountKey={KEY}",
        "QueueEndpoint=https://q.example/;TableEndpoint=https://t.example/;"
        "SharedAccessSignature=sv=1&sig=c2VjcmV0LWtleQ==",
    ],
)
def test_secrets_are_shown_nowhere(text: str) -> None:
    found = _of(text)
    assert KEY not in f"{found!r} {found} {found.describe}"
    assert found.queue_endpoint in found.describe


def test_errors_do_not_show_the_connection_string() -> None:
    with pytest.raises(ConfigurationError) as raised:
        _of(f"AccountKey={KEY};QueueEndpoint=ftp://{KEY}")
    assert KEY not in str(raised.value)
