"""All that a row says, also where it is packed."""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping

_CHUNK = re.compile(r"(\w*?)(\d+)")


def text_of(row: Mapping[str, object]) -> str:
    """Names and values, compressed payloads unpacked."""
    chunks: dict[str, dict[int, bytes]] = {}
    for name, value in row.items():
        match = _CHUNK.fullmatch(name)
        if match and isinstance(value, bytes):
            chunks.setdefault(match[1], {})[int(match[2])] = value
    plain = {name: str(value) for name, value in row.items()}
    unpacked = [_unpacked(parts) for parts in chunks.values()]
    return f"{plain} {unpacked}"


def _unpacked(parts: Mapping[int, bytes]) -> str:
    """As far as it goes: a payload's later rows do not begin a stream."""
    data = b"".join(parts[number] for number in sorted(parts))
    try:
        return zlib.decompressobj().decompress(data).decode(errors="replace")
    except zlib.error:
        return ""
