"""Durable HTTP: what an orchestrator asks for, and what it gets, as values that history keeps."""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import urlsplit

from durable.errors import InvalidRequestError

HTTP_ACTIVITY = "durable_http"
"""The activity that performs one request; it is there in every app with orchestrators."""

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_NOT_IN_URI = re.compile(r"[\x00-\x20\x7f\\\ud800-\udfff]")


class TokenSource(ABC):
    """Where the bearer token of a request comes from. The token itself is never stored."""

    @abstractmethod
    def to_json(self) -> dict[str, str]:
        """Plain JSON, told apart by `kind`."""


@dataclass(frozen=True, slots=True)
class ManagedIdentityTokenSource(TokenSource):
    """A token of the app's managed identity (or of whatever else
    `azure.identity.DefaultAzureCredential` finds) for a resource."""

    resource: str
    """Such as `https://management.core.windows.net/` or `https://graph.microsoft.com/`."""

    def __post_init__(self) -> None:
        if (
            not isinstance(self.resource, str)
            or not self.resource
            or _NOT_IN_URI.search(self.resource)
        ):
            raise InvalidRequestError(
                f"a managed identity's resource must be a URI or an id, not {self.resource!r}"
            )

    @property
    def kind(self) -> str:
        """Always "AzureManagedIdentity"."""
        return "AzureManagedIdentity"

    def to_json(self) -> dict[str, str]:
        """`resource` and `kind`."""
        return {"resource": self.resource, "kind": self.kind}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`."""
        return cls(data["resource"])


@dataclass(frozen=True, slots=True)
class DurableHttpRequest:
    """One HTTP request. InvalidRequestError for one that could not be sent."""

    method: str
    """In upper case, whatever case was given."""
    uri: str
    """Absolute, http or https."""
    content: str | None = None
    headers: Mapping[str, str] | None = None
    token_source: TokenSource | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "method", _checked_method(self.method))
        check_uri(self.uri)
        if self.content is not None:
            _check_content(self.content)
        if self.headers is not None:
            _check_headers(self.headers)
            object.__setattr__(self, "headers", dict(self.headers))
        if self.token_source is not None and not isinstance(self.token_source, TokenSource):
            raise InvalidRequestError(
                "token_source must be a ManagedIdentityTokenSource, not "
                f"{type(self.token_source).__name__}"
            )

    def to_json(self) -> dict[str, Any]:
        """`method`, `uri`, and `content`, `headers`, `tokenSource` where there are any."""
        data: dict[str, Any] = {"method": self.method, "uri": self.uri}
        if self.content is not None:
            data["content"] = self.content
        if self.headers is not None:
            data["headers"] = dict(self.headers)
        if self.token_source is not None:
            data["tokenSource"] = self.token_source.to_json()
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`."""
        source = data.get("tokenSource")
        return cls(
            data["method"],
            data["uri"],
            data.get("content"),
            data.get("headers"),
            None if source is None else ManagedIdentityTokenSource.from_json(source),
        )


@dataclass(frozen=True, slots=True)
class DurableHttpResponse(Mapping[str, Any]):
    """What came back, whatever the status. A header that came several times has its values
    joined by ", ".

    It is also the mapping that Durable Functions 1.x gives: `statusCode`, `headers`, `content`.
    """

    status_code: int
    headers: Mapping[str, str] = field(default_factory=dict)
    content: str | None = None
    """The body as text, by its charset, else UTF-8; empty for a response without a body."""

    def __getitem__(self, key: str) -> Any:
        if key == "statusCode":
            return self.status_code
        return self.to_json()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(("statusCode", "headers", "content"))

    def __len__(self) -> int:
        return 3

    def header(self, name: str) -> str | None:
        """A header's value, its name in any case; None when it did not come."""
        return header_of(self.headers, name)

    def json(self) -> Any:
        """The content as JSON; ValueError when it is none."""
        return json.loads(self.content or "")

    def to_json(self) -> dict[str, Any]:
        """`status_code`, `headers` and `content`."""
        return {
            "status_code": self.status_code,
            "headers": dict(self.headers),
            "content": self.content,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`; `statusCode` is understood too."""
        status = data["status_code"] if "status_code" in data else data["statusCode"]
        return cls(int(status), data.get("headers") or {}, data.get("content"))


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """The result of the activity `durable_http`: the response, and what polling depends on, so
    that history and not the settings of the day decide it."""

    response: DurableHttpResponse
    uri: str
    """Where the response came from, after redirects."""
    poll_interval: float
    """Seconds from a 202 without Retry-After to the next poll."""

    def to_json(self) -> dict[str, Any]:
        """The response's fields, `uri` and `poll_interval`."""
        return {
            **self.response.to_json(),
            "uri": self.uri,
            "poll_interval": self.poll_interval,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`."""
        response = DurableHttpResponse.from_json(data)
        return cls(response, data["uri"], float(data["poll_interval"]))


def header_of(headers: Mapping[str, str] | None, name: str) -> str | None:
    """The value of the header `name` in any case; None without it."""
    wanted = name.lower()
    return next((value for key, value in (headers or {}).items() if key.lower() == wanted), None)


def check_uri(uri: object) -> None:
    """InvalidRequestError for anything but an absolute http or https URI without user and
    password, which belong into the header Authorization."""
    if not isinstance(uri, str):
        raise InvalidRequestError(f"the URI of an HTTP call must be a str, not {_kind(uri)}")
    if (found := _NOT_IN_URI.search(uri)) is not None:
        raise InvalidRequestError(
            f"the URI {shown(uri)!r} has the character {found[0]!r}; quote it, "
            "with urllib.parse.quote for example"
        )
    try:
        parts = urlsplit(uri)
        host, port = parts.hostname, parts.port
        (host or "").encode("idna")
    except ValueError as error:  # UnicodeError too, from names that DNS does not have
        raise InvalidRequestError(f"the URI {shown(uri)!r} is none: {error}") from None
    if parts.scheme not in ("http", "https"):
        raise InvalidRequestError(
            f"the URI {shown(uri)!r} is not absolute; write https://host/path"
            if not parts.scheme
            else f"the URI {shown(uri)!r} has the scheme {parts.scheme!r}; only http and https work"
        )
    if not host or port == 0:
        raise InvalidRequestError(f"the URI {shown(uri)!r} has no host and port to connect to")
    if "@" in parts.netloc:
        raise InvalidRequestError(
            f"the URI of host {host!r} has a user or password; send the header Authorization"
        )


def shown(uri: str) -> str:
    """A URI for messages: its query, which may hold a key, left out."""
    return re.split(r"[?#]", uri, maxsplit=1)[0]


def _checked_method(method: object) -> str:
    if not isinstance(method, str) or not _TOKEN.fullmatch(method):
        raise InvalidRequestError(f"an HTTP method is a word such as GET or POST, not {method!r}")
    if method.upper() == "CONNECT":
        raise InvalidRequestError("the HTTP method CONNECT opens a tunnel; it is no request")
    return method.upper()


def _check_content(content: object) -> None:
    if not isinstance(content, str):
        raise InvalidRequestError(f"the content of a request must be a str, not {_kind(content)}")
    try:
        content.encode()
    except UnicodeEncodeError as error:
        raise InvalidRequestError(f"the content cannot be sent as UTF-8: {error}") from None


def _check_headers(headers: object) -> None:
    if not isinstance(headers, Mapping):
        raise InvalidRequestError(f"headers must be a dict of str to str, not {_kind(headers)}")
    for name, value in headers.items():
        if not isinstance(name, str) or not _TOKEN.fullmatch(name):
            raise InvalidRequestError(f"{name!r} cannot be the name of a header")
        if not isinstance(value, str):
            raise InvalidRequestError(f"the header {name!r} must be a str, not {_kind(value)}")
        if (found := _CONTROL.search(value)) is not None:
            raise InvalidRequestError(
                f"the value of header {name!r} has the control character {found[0]!r}"
            )
        if not value.isascii():
            raise InvalidRequestError(
                f"the value of header {name!r} is not ASCII; encode it as its receiver expects"
            )


def _kind(value: object) -> str:
    return type(value).__name__
