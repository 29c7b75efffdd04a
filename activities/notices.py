"""Messages to people. They go to the log and into the ledger: put your mail service here, and
give it the idempotency key."""

from __future__ import annotations

import logging

import durable as df
from activities import ledger
from orchestrators.models import Notice

bp = df.Blueprint()


@bp.activity_trigger(input_name="notice")
def send_notice(notice: Notice) -> None:
    """Tell one person one thing, once."""
    context = df.activity_context()
    text = f"to {notice.to}: {notice.subject}"
    if ledger.enter(context.instance_id, "notice", key=context.idempotency_key, detail=text):
        logging.info("notice %s", text)
