"""Sets of task ids as short texts."""

from __future__ import annotations

from collections.abc import Iterable


def encode_ids(ids: Iterable[int]) -> str:
    """Task ids as ranges, `3,5-9`; `*` (any may be among them) when that becomes too long."""
    ranges: list[str] = []
    first = last = -2
    for number in [*sorted(ids), -1]:
        if number == last + 1:
            last = number
            continue
        if first >= 0:
            ranges.append(str(first) if first == last else f"{first}-{last}")
        first = last = number
    text = ",".join(ranges)
    return text if len(text) <= 8_000 else "*"


def has_id(ids: str, number: int) -> bool:
    """Whether `encode_ids` gave a text that holds, or may hold, the id."""
    if ids == "*":
        return True
    for part in filter(None, ids.split(",")):
        first, _, last = part.partition("-")
        if int(first) <= number <= int(last or first):
            return True
    return False
