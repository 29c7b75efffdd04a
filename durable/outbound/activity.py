"""The activity `durable_http` in an app."""

from __future__ import annotations

from durable.model.functions import ActivityDefinition, Registry
from durable.model.http import HTTP_ACTIVITY
from durable.outbound.sending import HttpSender


def with_durable_http(registry: Registry, sender: HttpSender) -> Registry:
    """An app's functions and, if it has orchestrators, the activity that they call HTTP by.

    Raises DefinitionError when a function of the app has its name.
    """
    whole = Registry()
    whole.update(registry)
    if registry.orchestrators:
        whole.add(ActivityDefinition(HTTP_ACTIVITY, sender.send, "request"))
    return whole
