"""Which storage account, and with which credentials, from app settings."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Self
from urllib.parse import urlsplit

from durable.errors import ConfigurationError

DEFAULT_NAME = "AzureWebJobsStorage"
DEFAULT_SUFFIX = "core.windows.net"
DEVELOPMENT = (
    "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;"
    "AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/"
    "KBHBeksoGMGw==;"
    "QueueEndpoint=http://127.0.0.1:10001/devstoreaccount1;"
    "TableEndpoint=http://127.0.0.1:10002/devstoreaccount1"
)


@dataclass(frozen=True, slots=True)
class SharedKey:
    """The account's key."""

    account: str
    key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Sas:
    """A shared access signature."""

    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Identity:
    """A Microsoft Entra identity: a managed one (the system's, or that of `client_id`), or
    whatever `azure.identity.DefaultAzureCredential` finds."""

    managed: bool
    client_id: str | None = None


Credential = SharedKey | Sas | Identity


@dataclass(frozen=True, slots=True)
class Connection:
    """Two endpoints of one account and how to be let in; its repr holds no secret."""

    queue_endpoint: str
    table_endpoint: str
    credential: Credential

    @property
    def describe(self) -> str:
        """For logs and errors; without secrets."""
        kind = {SharedKey: "key", Sas: "SAS", Identity: "identity"}[type(self.credential)]
        return f"queues {self.queue_endpoint}, tables {self.table_endpoint} ({kind})"

    @classmethod
    def from_settings(cls, settings: Mapping[str, str], name: str = DEFAULT_NAME) -> Self:
        """Resolve the connection `name` as Azure Functions does.

        Looks for `AzureWebJobs<name>` before `<name>`, without regard to case. A connection
        string wins; else an identity connection made of `<name>__accountName`, or
        `<name>__queueServiceUri` and `<name>__tableServiceUri`, with `<name>__credential`
        ("managedidentity", or absent for the default chain) and `<name>__clientId`.

        Raises ConfigurationError, which names the setting and what to write.
        """
        known = {key.lower().replace(":", "__"): value for key, value in settings.items()}
        for prefix in (f"AzureWebJobs{name}", name):
            text = known.get(prefix.lower(), "").strip()
            if text:
                return cls.from_string(text, setting=prefix)
            if any(key.startswith(f"{prefix.lower()}__") for key in known):
                return cls._from_identity(known, prefix)
        raise ConfigurationError(
            f"The setting {name} is missing. Write a storage connection string there "
            '("UseDevelopmentStorage=true" for a local Azurite), or '
            f"{name}__queueServiceUri and {name}__tableServiceUri to connect by identity."
        )

    @classmethod
    def from_string(cls, text: str, *, setting: str = DEFAULT_NAME) -> Self:
        """Read a connection string; `setting` is the name that errors give it."""
        parts = _parts(text, setting)
        if parts.get("usedevelopmentstorage", "").lower() == "true":
            parts = _parts(DEVELOPMENT, setting)
        endpoints = [_endpoint(parts, service, setting) for service in ("Queue", "Table")]
        return cls(endpoints[0], endpoints[1], _string_credential(parts, setting))

    @classmethod
    def _from_identity(cls, known: Mapping[str, str], name: str) -> Self:
        def setting(suffix: str) -> str:
            return known.get(f"{name}__{suffix}".lower(), "").strip()

        endpoints = []
        for service in ("queue", "table"):
            uri, account = setting(f"{service}ServiceUri"), setting("accountName")
            if not uri and account:
                uri = f"https://{account}.{service}.{DEFAULT_SUFFIX}"
            if not uri:
                raise ConfigurationError(
                    f"The setting {name}__{service}ServiceUri is missing. Write "
                    f"https://<account>.{service}.{DEFAULT_SUFFIX} there, "
                    f"or the account's name in {name}__accountName."
                )
            endpoints.append(_checked_uri(uri, f"{name}__{service}ServiceUri", "https"))
        kind = setting("credential").lower()
        if kind not in ("", "managedidentity"):
            raise ConfigurationError(
                f"The setting {name}__credential is {kind!r}. Write managedidentity there, or "
                "remove it to use the default chain of credentials."
            )
        identity = Identity(kind == "managedidentity", setting("clientId") or None)
        return cls(endpoints[0], endpoints[1], identity)


def _parts(text: str, setting: str) -> dict[str, str]:
    parts = {}
    for part in filter(None, (each.strip() for each in text.split(";"))):
        key, separator, value = part.partition("=")
        if not separator:
            raise ConfigurationError(
                f"The setting {setting} is no storage connection string: it must be "
                '"Name=value" parts with semicolons between them, such as '
                '"UseDevelopmentStorage=true".'
            )
        parts[key.strip().lower()] = value.strip()
    return parts


def _endpoint(parts: Mapping[str, str], service: Literal["Queue", "Table"], setting: str) -> str:
    if named := parts.get(f"{service.lower()}endpoint"):
        return _checked_uri(named, f"{setting} ({service}Endpoint)", "http", "https")
    if account := parts.get("accountname"):
        protocol = parts.get("defaultendpointsprotocol", "https")
        suffix = parts.get("endpointsuffix", DEFAULT_SUFFIX)
        uri = f"{protocol}://{account}.{service.lower()}.{suffix}"
        return _checked_uri(uri, setting, "http", "https")
    raise ConfigurationError(
        f"The connection string in {setting} names no account for {service.lower()}s: add "
        f"AccountName=… and AccountKey=…, or {service}Endpoint=…."
    )


def _string_credential(parts: Mapping[str, str], setting: str) -> Credential:
    if sas := parts.get("sharedaccesssignature"):
        return Sas(sas.removeprefix("?"))
    account, key = parts.get("accountname"), parts.get("accountkey")
    if not account or not key:
        raise ConfigurationError(
            f"The connection string in {setting} holds no credentials: add AccountName=… and "
            "AccountKey=…, or SharedAccessSignature=…."
        )
    try:
        base64.b64decode(key, validate=True)
    except binascii.Error as error:
        raise ConfigurationError(
            f"AccountKey in {setting} is not base64: copy it again from the account's access keys."
        ) from error
    return SharedKey(account, key)


def _checked_uri(uri: str, setting: str, *schemes: str) -> str:
    try:
        parts = urlsplit(uri)
        usable = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or parts.query or parts.fragment:
        raise ConfigurationError(
            f"The address in {setting} cannot be used. Write a URL such as "
            f"{schemes[-1]}://<account>.table.{DEFAULT_SUFFIX}, without a query."
        )
    if parts.hostname == "localhost":
        # The tables SDK takes this name for a Cosmos DB emulator, and would merge by POST.
        uri = uri.replace("localhost", "127.0.0.1", 1)
    return uri.rstrip("/")
