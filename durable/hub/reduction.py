"""What is left of an entity's turn once all that it asked for was sent.

From then on it has to say which messages it took, by their traces, and nothing of whom they came
from or what was answered: those may be purged, and nothing of them is to be found then.
"""

from __future__ import annotations

from dataclasses import replace

from durable.hub.payloads import spilled_names
from durable.hub.rows import Head
from durable.hub.turns import StoredTurn
from durable.model.commit import OutboxItem, Send
from durable.model.entities import is_entity
from durable.model.events import PayloadRef


def reduced(head: Head, stored: StoredTurn) -> StoredTurn | None:
    """The turn as it is to stand in the place of `stored`, whose outbox has been sent; None where
    that may stay as it is. Payloads that only it named are to be deleted by its own outbox."""
    if not stored.turn.events or not is_entity(head.instance_id):
        return None
    state = head.input.key if isinstance(head.input, PayloadRef) else None
    dropped = tuple(
        OutboxItem(Send.DROP_PAYLOAD, target=f"{head.incarnation}|{name}|{rows}")
        for name, rows in spilled_names(stored.turn.nonce, stored.spilled).items()
        if name != state
    )
    return StoredTurn(replace(stored.turn, events=()), dropped)
