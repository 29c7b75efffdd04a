"""purge-history and delete-task-hub: what cannot be undone."""

from __future__ import annotations

import argparse
import asyncio

from durable.cli.arguments import filters_of, statuses_of
from durable.cli.errors import DONE, DeclinedError, InstanceNotFinishedError, UsageError
from durable.cli.session import Account, Session, hub_not_found
from durable.errors import ContainerMissing
from durable.hub.hub import Hub
from durable.settings import Settings

_FILTERS = (
    "created_after",
    "created_before",
    "runtime_status",
    "name",
    "instance_id_prefix",
    "tag",
)


async def purge_history(session: Session, options: argparse.Namespace) -> int:
    """Delete everything of one instance that has ended, or of all those that match."""
    if options.id is not None:
        result = await session.client.purge_instance_history(options.id, recurse=options.recursive)
        if not result.instances_deleted:
            raise InstanceNotFinishedError(
                f"instance {options.id!r} has not ended: terminate it first"
            )
    else:
        if not _is_filtered(options):
            confirm(session, options, f"purge all ended instances of hub {session.hub.names.hub}")
        result = await session.client.purge_instance_history_by(
            **filters_of(options), recurse=options.recursive
        )
    deleted = result.instances_deleted
    plural = "" if deleted == 1 else "s"
    session.out.result(f"Purged {deleted} instance{plural}", {"instancesDeleted": deleted})
    return DONE


def check_purge(options: argparse.Namespace) -> None:
    """Raises UsageError for filters beside an id, and for states that no purge touches."""
    if options.id is not None and _is_filtered(options):
        raise UsageError("give --id or filters, not both")
    for status in statuses_of(options):
        if not status.is_terminal:
            raise UsageError(
                f"--runtime-status {status}: only ended instances are purged (Completed, Failed, "
                "Terminated, Canceled)"
            )


async def delete_task_hub(session: Session, options: argparse.Namespace) -> int:
    """Delete the hub's tables and queues, those of its activities included."""
    hub, account = session.hub, session.account
    name = hub.names.hub
    confirm(session, options, f"delete hub {name} in {account.storage.describe}, with everything")
    names = await account.queues(f"{name.lower()}-dx-")
    await asyncio.gather(*(account.storage.queues.delete_queue(queue) for queue in names))
    await hub.delete()
    session.out.result(f"Deleted hub {name}", {"taskHub": name})
    return DONE


async def hub_to_delete(account: Account, settings: Settings) -> Hub:
    """The hub, or what an interrupted deletion left of it."""
    hub = Hub(account.storage, settings.hub)
    for table in hub.names.tables:
        try:
            await account.storage.tables.get(table, "-", "-")
        except ContainerMissing:
            continue
        return hub
    if await account.queues(f"{settings.hub.lower()}-dx-"):
        return hub
    raise hub_not_found(account, settings)


def _is_filtered(options: argparse.Namespace) -> bool:
    return any(getattr(options, name) is not None for name in _FILTERS)


def confirm(session: Session, options: argparse.Namespace, deed: str) -> None:
    """Raises DeclinedError unless it is agreed to."""
    if options.yes:
        return
    if session.ask is None:
        raise DeclinedError(f"this would {deed}: say --yes, since there is no terminal to ask at")
    name = session.hub.names.hub
    if session.ask(f"This will {deed}. Type the hub's name to go on: ") != name:
        raise DeclinedError("that is not the hub's name: nothing was deleted")
