"""`extensions.durableTask.http` of host.json: what durable HTTP may do."""

from __future__ import annotations

import ipaddress
import re
from datetime import timedelta

from durable.settings.model import HttpSettings
from durable.settings.reader import Entry, HostFile

_SECTION = "extensions.durableTask.http"
_HOST = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?", re.IGNORECASE)
_DAY_OF_MILLISECONDS = 24 * 60 * 60 * 1000


def read_http(host: HostFile, allowed: Entry | None, max_payload: int) -> HttpSettings:
    """`allowed` is the setting that goes before `allowedPrivateTargets`. ConfigurationError."""
    allowed = allowed or host.entry(f"{_SECTION}.allowedPrivateTargets")
    body = host.entry(f"{_SECTION}.maxResponseBytes")
    timeout = host.entry(f"{_SECTION}.requestTimeout")
    interval = host.entry(f"{_SECTION}.defaultAsyncRequestSleepTimeMilliseconds")
    milliseconds = 30_000 if interval is None else interval.integer(1, _DAY_OF_MILLISECONDS)
    return HttpSettings(
        allowed_private_targets=() if allowed is None else _targets(allowed),
        max_response=max_payload if body is None else body.integer(1, max_payload),
        request_timeout=timedelta(seconds=100)
        if timeout is None
        else timeout.time_span(timedelta(seconds=1), timedelta(days=1)),
        poll_interval=timedelta(milliseconds=milliseconds),
    )


def _targets(entry: Entry) -> tuple[str, ...]:
    targets = tuple(target.lower() for target in entry.texts())
    for target in targets:
        if target != "*" and not _is_network(target) and not _HOST.fullmatch(target):
            entry.refuse(
                "write a list of host names, addresses and networks, such as "
                f'["localhost", "10.1.0.0/16"], or "*"; {target!r} is none'
            )
    return targets


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text)
    except ValueError:
        return False
    return True
