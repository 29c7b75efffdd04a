"""`azure.durable_functions.constants`."""

from enum import Enum

DEFAULT_LOCAL_HOST = "localhost:7071"
DEFAULT_LOCAL_ORIGIN = f"http://{DEFAULT_LOCAL_HOST}"
DATETIME_STRING_FORMAT = "%Y-%m-%dT%H:%M:%S.%fZ"
HTTP_ACTION_NAME = "BuiltIn::HttpActivity"
ORCHESTRATION_TRIGGER = "orchestrationTrigger"
ACTIVITY_TRIGGER = "activityTrigger"
ENTITY_TRIGGER = "entityTrigger"
DURABLE_CLIENT = "durableClient"


class ReplaySchema(Enum):
    """The .NET extension's protocols."""

    V1 = 0
    V2 = 1
    V3 = 2
