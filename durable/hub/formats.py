"""The format version that each stored row carries.

A row of a version that this code does not know is left as it is: whoever meets one raises
UnknownFormat, and its instance is left to a worker that knows more.
"""

from __future__ import annotations

from durable.errors import UnknownFormat
from durable.ports import Row

FORMAT = 3
"""What is written. 2: entities remember messages by digests. 3: the latest turns of an
orchestration stand in its head, and it may be a fork."""

READABLE = frozenset({1, 2, FORMAT})


def is_known(row: Row) -> bool:
    """Whether this version can read the row."""
    return row.values.get("v") in READABLE


def check_format(row: Row) -> None:
    """Raises UnknownFormat unless this version can read the row."""
    if not is_known(row):
        raise UnknownFormat(
            f"row {row.key!r} of {row.partition!r} has format {row.values.get('v')!r}, and this "
            f"version of durable reads up to {max(READABLE)}: it is left to a newer one"
        )
