"""`extensions.durableTask.retention` of host.json."""

from __future__ import annotations

from datetime import timedelta

from durable.model.retention import Retention
from durable.settings.reader import HostFile

_SECTION = "extensions.durableTask.retention"
_NEVER = "never"
_LONGEST = timedelta(days=36_500)


def read_retention(host: HostFile) -> Retention:
    """`after` for all instances, and `completed`, `failed` and `terminated` for some: each a time
    span or "never", which is the default."""
    default = _time(host, "after", None)
    return Retention(
        *(_time(host, name, default) for name in ("completed", "failed", "terminated"))
    )


def _time(host: HostFile, name: str, default: timedelta | None) -> timedelta | None:
    entry = host.entry(f"{_SECTION}.{name}")
    if entry is None:
        return default
    if isinstance(entry.raw, str) and entry.raw.strip().casefold() == _NEVER:
        return None
    return entry.time_span(timedelta(0), _LONGEST)
