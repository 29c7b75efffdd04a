"""Messages as XML of the queue service, and back."""

from __future__ import annotations

from xml.etree import ElementTree
from xml.sax.saxutils import escape

from durable.ports import Message, Receipt
from durable.storage.azure.bodies import MessageEncoding, decoded, encoded
from durable.storage.azure.clock import parse_date


def message_body(body: bytes, encoding: MessageEncoding) -> bytes:
    """What is sent to a queue. ValueError for a body that cannot travel so."""
    text = encoded(body, encoding)
    text = text if encoding == "base64" else escape(text)
    return f"<QueueMessage><MessageText>{text}</MessageText></QueueMessage>".encode()


def elements(answer: bytes) -> list[ElementTree.Element]:
    """Each QueueMessage. Raises what `answers.understanding` expects, and so for a document type,
    which the service never sends and which may hold entities without end."""
    text = answer.decode("utf-8-sig")
    if "<!DOCTYPE" in text:
        raise ValueError("a document type")
    root = ElementTree.fromstring(text)  # noqa: S314
    if root.tag != "QueueMessagesList":
        raise ValueError("no list of messages")
    return root.findall("QueueMessage")


def receipt(element: ElementTree.Element) -> Receipt:
    """Of a message that was sent or received."""
    return Receipt(_text(element, "MessageId"), _text(element, "PopReceipt"))


def message(element: ElementTree.Element, encoding: MessageEncoding) -> Message:
    """One that was received."""
    return Message(
        receipt(element),
        decoded(element.findtext("MessageText") or "", encoding),
        int(_text(element, "DequeueCount")),
        parse_date(_text(element, "InsertionTime")),
    )


def _text(element: ElementTree.Element, name: str) -> str:
    text = element.findtext(name)
    if not text:
        raise ValueError(f"a message has no {name}")
    return text
