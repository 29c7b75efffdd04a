"""get-instances."""

from __future__ import annotations

import argparse
from dataclasses import replace

from durable.cli.arguments import filters_of, token_text
from durable.cli.errors import DONE
from durable.cli.output import ago, moment, printable
from durable.cli.paging import paged
from durable.cli.session import Session
from durable.codec import encode
from durable.management.json_text import array_of
from durable.management.status import status_json
from durable.model.instance import InstanceStatus


async def get_instances(session: Session, options: argparse.Namespace) -> int:
    """Print the instances that match, newest first."""
    out = session.out
    show_input, show_output = options.show_input is not False, options.show_output is not False

    async def page(top: int, token: str | None) -> tuple[list[InstanceStatus], str | None]:
        return await session.client.list_page(
            show_input=show_input and out.as_json, top=top, token=token, **filters_of(options)
        )

    found, token = await paged(options, page)
    following = token_text(token) if token is not None else None
    if out.as_json:
        texts = (
            status_json(each if show_output else replace(each, output=None), show_input=show_input)
            for each in found
        )
        out.document({"instances": array_of(texts), "continuationToken": encode(following)})
        return DONE
    now = session.hub.storage.clock.now()
    rows = [
        (
            printable(each.instance_id),
            printable(each.name),
            out.status(each.runtime_status),
            moment(each.created_time),
            ago(each.last_updated_time, now),
        )
        for each in found
    ]
    out.listed(("ID", "NAME", "STATUS", "CREATED", "UPDATED"), rows, "instance", following)
    return DONE
