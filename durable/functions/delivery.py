"""What a queue trigger delivers, told apart from what a message's body claims."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass

import azure.functions as func

_METADATA = {"id", "dequeuecount"}
_REDELIVERED = 2
_LONGEST_ID = 100


@dataclass(frozen=True, slots=True)
class Delivery:
    """The arguments of `Messages.trigger_control` and `trigger_work` after the queue's name."""

    body: bytes
    message_id: str
    dequeue_count: int


def delivery_of(message: func.QueueMessage) -> Delivery:
    """Body, id and count of a received message.

    A body that is a JSON object overwrites the metadata of the same name. Ours has no such
    field; one that does is taken as redelivered, under an id that nobody has seen, which is
    the case that trusts least.
    """
    body = message.get_body()
    message_id, count = message.id, message.dequeue_count
    if message_id is None or count is None or _overwrites(body):
        return Delivery(body, secrets.token_hex(16), _REDELIVERED)
    return Delivery(body, str(message_id)[:_LONGEST_ID], max(1, int(count)))


def _overwrites(body: bytes) -> bool:
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        return False
    return isinstance(data, dict) and any(name.casefold() in _METADATA for name in data)
