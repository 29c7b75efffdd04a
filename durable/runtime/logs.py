"""What log records say beside their text: `instance_id`, `function_name`, and of an activity
`attempt`. Never inputs or outputs."""

from __future__ import annotations

import logging

from durable.hub.messages import WorkItem
from durable.hub.rows import Head
from durable.runtime.activities import current_activity


def of_instance(head: Head) -> dict[str, object]:
    """The `extra` of a record about an instance."""
    return {"instance_id": head.instance_id, "function_name": head.name}


def of_activity(item: WorkItem) -> dict[str, object]:
    """The `extra` of a record about an activity."""
    return _call(item.instance_id, item.activity, item.attempt)


class ActivityLogFilter(logging.Filter):
    """For a handler: what is logged within an activity, by whichever library, gets `instance_id`,
    `function_name` and `attempt` of the call. It lets everything through."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Add what the record does not have yet."""
        call = current_activity()
        if call is not None:
            about = _call(call.instance_id, call.activity, call.attempt)
            record.__dict__.update({**about, **record.__dict__})
        return True


def _call(instance_id: str, name: str, attempt: int) -> dict[str, object]:
    return {"instance_id": instance_id, "function_name": name, "attempt": attempt}
