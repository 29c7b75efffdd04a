"""get-entities, get-entity, signal-entity and clean-entity-storage."""

from __future__ import annotations

import argparse

from durable.cli.arguments import token_text
from durable.cli.errors import DONE, EntityNotFoundError, UsageError
from durable.cli.output import ago, moment, printable, readable
from durable.cli.paging import paged
from durable.cli.session import Session
from durable.client import EntityState
from durable.codec import encode
from durable.management.json_text import array_of, object_of, seconds_of
from durable.model.entities import EntityId


async def get_entities(session: Session, options: argparse.Namespace) -> int:
    """Print the entities that match, by id."""
    out, show_state = session.out, options.show_state is not False

    async def page(top: int, token: str | None) -> tuple[list[EntityState], str | None]:
        return await session.client.list_entities_page(
            name=options.name,
            prefix=options.key_prefix or "",
            last_modified_from=options.modified_after,
            last_modified_to=options.modified_before,
            include_state=show_state,
            include_empty=options.include_empty,
            top=top,
            token=token,
        )

    found, token = await paged(options, page)
    following = token_text(token) if token is not None else None
    if out.as_json:
        entities = array_of(_json(each) for each in found)
        out.document({"entities": entities, "continuationToken": encode(following)})
        return DONE
    now = session.hub.storage.clock.now()
    rows = [
        (
            printable(str(each.entity_id)),
            ago(each.last_modified, now),
            printable(each.locked_by or ""),
            readable(each.state) if each.state is not None else "",
        )
        for each in found
    ]
    out.listed(("ID", "MODIFIED", "LOCKED BY", "STATE"), rows, "entity", following)
    return DONE


async def get_entity(session: Session, options: argparse.Namespace) -> int:
    """Print one entity."""
    out, show_state = session.out, options.show_state is not False
    entity = await session.client.read_entity_state(options.id, include_state=show_state)
    if entity is None:
        raise EntityNotFoundError(f"there is no entity {str(options.id)!r}")
    if out.as_json:
        out.line(_json(entity))
        return DONE
    now = session.hub.storage.clock.now()
    out.line(out.paint(printable(str(entity.entity_id)), "bold"))
    out.row("modified", f"{moment(entity.last_modified)} ({ago(entity.last_modified, now)})")
    if entity.locked_by is not None:
        out.row("locked by", printable(entity.locked_by))
    if not entity.exists:
        out.row("state", "none")
    elif entity.state is not None:
        out.row("state", readable(entity.state), whole=options.show_state)
    return DONE


async def signal_entity(session: Session, options: argparse.Namespace) -> int:
    """Have an entity perform an operation."""
    await session.client.signal_entity(
        options.id, options.operation, options.input, signal_time=options.signal_time
    )
    name = str(options.id)
    text = f"Signaled {printable(options.operation)} to {printable(name)}"
    session.out.result(text, {"entityId": name})
    return DONE


async def clean_entity_storage(session: Session, options: argparse.Namespace) -> int:
    """Remove what has long been empty, and release what nobody holds any more."""
    cleaned = await session.client.clean_entity_storage()
    session.out.result(
        f"Empty entities removed: {cleaned.removed}; locks released: {cleaned.released}",
        {"removed": cleaned.removed, "released": cleaned.released},
    )
    return DONE


def check_entity_filters(options: argparse.Namespace) -> None:
    """Raises UsageError for a prefix without a name, or a period that ends before it begins."""
    after, before = options.modified_after, options.modified_before
    if after is not None and before is not None and after > before:
        raise UsageError("--modified-after is later than --modified-before")
    if options.key_prefix is not None and options.name is None:
        raise UsageError("--key-prefix needs --name")
    EntityId(options.name or "any", options.key_prefix or "")


def _json(entity: EntityState) -> str:
    """As the HTTP API has it, with `exists` and `lockedBy`."""
    identity = {"name": entity.entity_id.name, "key": entity.entity_id.key}
    return object_of(
        {
            "entityId": encode(identity),
            "exists": encode(entity.exists),
            "lastOperationTime": seconds_of(entity.last_modified),
            "lockedBy": encode(entity.locked_by),
            "state": entity.state or "null",
        }
    )
