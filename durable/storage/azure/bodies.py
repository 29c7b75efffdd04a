"""How the bodies of messages travel: in base64, or as the text that they are."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Literal

MessageEncoding = Literal["base64", "none"]

# XML cannot carry these, and turns a carriage return into a line feed.
_NOT_IN_XML = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def encoded(body: bytes, encoding: MessageEncoding) -> str:
    """The text of a message. ValueError for a body that "none" cannot carry, which must be UTF-8
    text of characters that XML has."""
    if encoding == "base64":
        return base64.b64encode(body).decode("ascii")
    text = body.decode("utf-8")
    if found := _NOT_IN_XML.search(text):
        raise ValueError(f"a message sent without encoding cannot hold {found.group()!r}")
    return text


def decoded(text: str, encoding: MessageEncoding) -> bytes:
    """The body; raw where it is not base64, for whoever handles somebody else's message."""
    if encoding == "base64":
        try:
            return base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            pass
    return text.encode("utf-8")
