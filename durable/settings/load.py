"""`load_settings`: one function app's folder and environment to `Settings`."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from durable.errors import ConfigurationError
from durable.settings.files import local_values, read_object
from durable.settings.http import read_http
from durable.settings.model import (
    MessageEncoding,
    PollingSettings,
    QueueSettings,
    Settings,
    StorageClient,
    TracingSettings,
)
from durable.settings.reader import Entry, HostFile
from durable.settings.retention import read_retention
from durable.settings.taking import KINDS, read_filters, read_versioning
from durable.settings.values import merged, setting

_DURABLE = "extensions.durableTask"
_PROVIDER = f"{_DURABLE}.storageProvider"
_DEFAULT_CONNECTION = "AzureWebJobsStorage"
_OTHER_BACKENDS = ("netherite", "mssql", "azuremanaged")
ONLY = tuple(f"DURABLE_ONLY_{kind.upper()}" for kind in KINDS)
"""Settings with names of what a worker takes, of each kind."""

_MANY = 1_000_000
_ZERO = timedelta(0)


def load_settings(
    folder: Path, environ: Mapping[str, str] | None = None, *, local: bool = False
) -> Settings:
    """Read the app in `folder`; `environ` is the process's environment unless given.

    `local` is for a worker or tool without a Functions host: it reads local.settings.json too,
    below the environment, and takes the defaults of local development. Under the Functions host
    the environment has these values already.

    Nothing is changed outside. Raises ConfigurationError, naming file and JSON path (or setting),
    what is wrong, and what to write.
    """
    folder = folder.resolve()
    if not folder.is_dir():
        raise ConfigurationError(f"{folder}: is not a folder; name the one that has host.json")
    environ = os.environ if environ is None else environ
    local_path = folder / "local.settings.json"
    local_file = (read_object(local_path) or {}) if local else {}
    values = merged(local_values(local_path, local_file), environ)
    port, cors = _local_host(local_path, local_file)

    host_path = folder / "host.json"
    content = read_object(host_path)
    host = HostFile(str(host_path), content or {}, values)
    warnings = []
    if content is None:
        warnings.append(f'{host_path}: is not there, so all is default: write {{"version":"2.0"}}')

    hub, hub_expression = _hub(host, values)
    max_payload = _integer(host, f"{_DURABLE}.maxPayloadBytes", 1024, 2**30, 16 * 2**20)
    allowed_targets = _setting(values, "DURABLE_HTTP_ALLOWED_PRIVATE_TARGETS")
    return Settings(
        app_name=_given(values, "DURABLE_APP_NAME")
        or _given(values, "WEBSITE_SITE_NAME")
        or folder.name
        or "app",
        hub=hub,
        hub_expression=hub_expression,
        connection_name=_connection(host, warnings),
        control_queues=_integer(host, f"{_PROVIDER}.partitionCount", 1, 16, 1),
        polling=_polling(host),
        max_concurrent_activities=_concurrency(host, "maxConcurrentActivityFunctions"),
        max_concurrent_orchestrators=_concurrency(host, "maxConcurrentOrchestratorFunctions"),
        max_concurrent_entities=_concurrency(host, "maxConcurrentEntityFunctions"),
        max_concurrent_processes=_integer(
            host, f"{_DURABLE}.maxConcurrentProcesses", 1, _MANY, _processors()
        ),
        max_attempts=_integer(host, f"{_DURABLE}.maxAttempts", 1, _MANY, 10),
        always_queue=_boolean(host.entry(f"{_DURABLE}.alwaysQueueActivities")),
        checkpoint_steps=_integer(host, f"{_DURABLE}.checkpointSteps", 1, 100, 1),
        calls_per_message=_integer(host, f"{_DURABLE}.callsPerMessage", 1, 50, 50),
        cached_instances=_integer(host, f"{_DURABLE}.cachedInstances", 0, _MANY, 1000),
        direct_completion=_boolean(host.entry(f"{_DURABLE}.directCompletion"), default=True),
        group_arrivals=_boolean(host.entry(f"{_DURABLE}.groupArrivals"), default=True),
        versioning=read_versioning(host),
        filters=read_filters(host, [_setting(values, name) for name in ONLY]),
        max_payload=max_payload,
        function_timeout=_function_timeout(host),
        queues=_queues(host, development=local or _is_development(values)),
        http=read_http(host, allowed_targets, max_payload),
        tracing=TracingSettings(
            _boolean(host.entry(f"{_DURABLE}.tracing.distributedTracingEnabled"), default=True),
            _boolean(host.entry(f"{_DURABLE}.tracing.traceInputsAndOutputs")),
        ),
        retention=read_retention(host),
        route_prefix=_route_prefix(host),
        base_url=_base_url(_setting(values, "DURABLE_BASE_URL")),
        website_hostname=_given(values, "WEBSITE_HOSTNAME"),
        storage_client=_storage_client(_setting(values, "DURABLE_STORAGE_CLIENT")),
        link_lifetime=_link_lifetime(host, values),
        allow_anonymous_management=_boolean(_setting(values, "DURABLE_MANAGEMENT_ANONYMOUS")),
        local_http_port=port,
        cors=cors,
        warnings=tuple(warnings),
        values=values,
    )


def _given(values: Mapping[str, str], name: str) -> str | None:
    return (setting(values, name) or "").strip() or None


def _setting(values: Mapping[str, str], name: str) -> Entry | None:
    value = _given(values, name)
    return None if value is None else Entry(f"setting {name}", value)


def _integer(host: HostFile, path: str, low: int, high: int, default: int) -> int:
    entry = host.entry(path)
    return default if entry is None else entry.integer(low, high)


def _boolean(entry: Entry | None, *, default: bool = False) -> bool:
    return default if entry is None else entry.boolean()


def _processors() -> int:
    return os.cpu_count() or 1


def _concurrency(host: HostFile, name: str) -> int:
    return _integer(host, f"{_DURABLE}.{name}", 1, _MANY, 10 * _processors())


def _hub(host: HostFile, values: Mapping[str, str]) -> tuple[str, str]:
    """The hub's name, resolved and as written."""
    path = f"{_DURABLE}.hubName"
    written, entry = host.raw(path), host.entry(path)
    if written is None or entry is None:
        name = _default_hub(values)
        return name, name
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9]{2,39}", entry.text()):
        entry.refuse("a hub's name is 3 to 40 letters (A to Z) and digits, the first a letter")
    return entry.raw, written.raw


def _default_hub(values: Mapping[str, str]) -> str:
    site = _given(values, "WEBSITE_SITE_NAME")
    if site is None:
        return "TestHubName"
    slot = _given(values, "WEBSITE_SLOT_NAME") or "production"
    if slot.casefold() != "production":
        raise ConfigurationError(
            f"{_DURABLE}.hubName is not set in host.json, and this is the deployment slot "
            f"{slot!r}: it would take the work of the production slot; name a hub for each slot, "
            'with "%NAME%" and a slot setting NAME'
        )
    letters = re.sub(r"[^A-Za-z0-9]", "", site)
    name = letters if letters[:1].isalpha() else f"t{letters}"
    return name[:40].ljust(3, "0")


def _connection(host: HostFile, warnings: list[str]) -> str:
    kind = host.entry(f"{_PROVIDER}.type")
    backend = "azurestorage" if kind is None else re.sub("[^a-z]", "", kind.text().casefold())
    if kind is not None and backend in _OTHER_BACKENDS:
        warnings.append(
            f"{kind.where} is {kind.raw!r}, which this package does not use: it keeps everything "
            f"in the storage account of {_DEFAULT_CONNECTION}"
        )
        return _DEFAULT_CONNECTION
    if kind is not None and backend != "azurestorage":
        kind.refuse('write "AzureStorage", or leave it out')
    for name in ("connectionName", "connectionStringName"):
        entry = host.entry(f"{_PROVIDER}.{name}")
        if entry is not None:
            if not re.fullmatch(r"[A-Za-z_][\w.:-]*", entry.text()):
                entry.refuse(
                    f"write the name of the setting with the connection, such as "
                    f"{_DEFAULT_CONNECTION}"
                )
            return entry.text()
    return _DEFAULT_CONNECTION


def _function_timeout(host: HostFile) -> timedelta | None:
    entry = host.entry("functionTimeout")
    if entry is None:
        return timedelta(minutes=30)
    if str(entry.raw).strip() == "-1":
        return None
    return entry.time_span(timedelta(seconds=1), timedelta(days=24))


def _is_development(values: Mapping[str, str]) -> bool:
    return (_given(values, "AZURE_FUNCTIONS_ENVIRONMENT") or "").casefold() == "development"


def _polling(host: HostFile) -> PollingSettings:
    return PollingSettings(
        longest_pause=_pause(host.entry(f"{_PROVIDER}.maxQueuePollingInterval")),
        control_batch=_integer(host, f"{_PROVIDER}.controlQueueBatchSize", 1, 32, 32),
        work_batch=_integer(host, f"{_PROVIDER}.workItemQueueBatchSize", 1, 32, 32),
    )


def _pause(entry: Entry | None) -> timedelta | None:
    shortest = timedelta(milliseconds=100)
    return None if entry is None else entry.time_span(shortest, timedelta(days=1))


def _queues(host: HostFile, *, development: bool) -> QueueSettings:
    section = "extensions.queues"
    batch_size = _integer(host, f"{section}.batchSize", 1, 32, 16)
    visibility = host.entry(f"{section}.visibilityTimeout")
    polling = host.entry(f"{section}.maxPollingInterval")
    return QueueSettings(
        batch_size=batch_size,
        new_batch_threshold=_integer(
            host, f"{section}.newBatchThreshold", 0, _MANY, batch_size // 2 * _processors()
        ),
        max_dequeue_count=_integer(host, f"{section}.maxDequeueCount", 1, _MANY, 5),
        visibility_timeout=visibility.time_span(_ZERO, timedelta(days=7)) if visibility else _ZERO,
        max_polling_interval=_pause(polling) or timedelta(seconds=2 if development else 60),
        message_encoding=_message_encoding(host.entry(f"{section}.messageEncoding")),
    )


def _message_encoding(entry: Entry | None) -> MessageEncoding:
    encoding = "base64" if entry is None else entry.text().strip().casefold()
    if encoding == "base64":
        return "base64"
    if encoding == "none" or entry is None:
        return "none"
    return entry.refuse('write "base64" or "none"')


def _storage_client(entry: Entry | None) -> StorageClient:
    client = "lean" if entry is None else entry.text().strip().casefold()
    if client == "lean":
        return "lean"
    if client == "sdk" or entry is None:
        return "sdk"
    return entry.refuse('write "lean" or "sdk"')


def _route_prefix(host: HostFile) -> str:
    entry = host.entry("extensions.http.routePrefix")
    if entry is None:
        return "api"
    prefix = entry.text().strip("/")
    if not re.fullmatch(r"[\w.~/-]*", prefix, re.ASCII) or "//" in prefix:
        entry.refuse('write path segments of letters, digits and - . _ ~, such as "api", or ""')
    return prefix


def _base_url(entry: Entry | None) -> str | None:
    if entry is None:
        return None
    try:
        parts = urlsplit(entry.raw)
        usable = (
            parts.scheme in ("http", "https")
            and parts.hostname is not None
            and parts.port != 0
            and not (parts.query or parts.fragment or parts.username)
        )
    except ValueError:
        usable = False
    if not usable or re.search(r"[\s?#]", entry.raw):
        entry.refuse("write an http or https address, such as https://orders.example.com")
    return entry.text().rstrip("/")


def _link_lifetime(host: HostFile, values: Mapping[str, str]) -> timedelta:
    entry = _setting(values, "DURABLE_LINK_LIFETIME_DAYS")
    entry = entry or host.entry(f"{_DURABLE}.linkLifetimeDays")
    return timedelta(days=30) if entry is None else entry.days()


def _local_host(path: Path, content: dict[str, Any]) -> tuple[int | None, tuple[str, ...]]:
    """LocalHttpPort and CORS of the section Host of local.settings.json."""
    section = content.get("Host") or {}
    if not isinstance(section, dict):
        Entry(f"{path}: Host", section).refuse('write an object such as {"LocalHttpPort": 7071}')
    port, cors = (
        Entry(f"{path}: Host.{name}", section[name]) if section.get(name) is not None else None
        for name in ("LocalHttpPort", "CORS")
    )
    origins = () if cors is None else tuple(part.strip() for part in cors.text().split(","))
    return None if port is None else port.integer(1, 65535), tuple(filter(None, origins))
