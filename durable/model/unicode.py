"""Which text can be stored."""

from __future__ import annotations

import re

_LONE_SURROGATE = re.compile(r"[\ud800-\udfff]")


def is_unicode(text: str) -> bool:
    """Whether it is valid Unicode: a lone surrogate has no UTF-8, and no storage takes one."""
    return _LONE_SURROGATE.search(text) is None
