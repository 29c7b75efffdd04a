"""Exit codes, and the names and words of what went wrong.

| code | |
| --- | --- |
| 0 | done; with `--watch`, the instance completed |
| 1 | something outside is in the way: the account, the hub, the instance |
| 2 | the arguments, the settings or the app are wrong; nothing was written |
| 3 | with `--watch`: the instance failed or was terminated |
| 130 | interrupted |
| 141 | whoever read the output is gone |
"""

from __future__ import annotations

from durable.errors import ConfigurationError, DurableError, InvalidRequestError

DONE, REFUSED, WRONG, ENDED_BADLY, INTERRUPTED, NO_READER = 0, 1, 2, 3, 130, 141

_NAMES = {"Payload": "InvalidPayload", "Usage": "InvalidRequest"}


class UsageError(InvalidRequestError):
    """The arguments cannot be worked with."""


class TaskHubNotFoundError(DurableError):
    """There is no such hub in the account; no command makes one."""


class EntityNotFoundError(DurableError):
    """Nothing was ever sent to such an entity, or it was cleaned up."""


class NotYetDoneError(DurableError):
    """No worker has done in time what was asked for; it is stored, and one will."""


class DeclinedError(DurableError):
    """Something that cannot be undone was not confirmed."""


class InstanceNotFinishedError(DurableError):
    """Only an instance that has ended can be purged or rewound."""


def exit_code(error: DurableError) -> int:
    """What the process ends with."""
    return WRONG if isinstance(error, ConfigurationError | InvalidRequestError) else REFUSED


def name_of(error: DurableError) -> str:
    """The error's name in JSON: as in the HTTP API, or its class without `Error`."""
    name = type(error).__name__.removesuffix("Error")
    return _NAMES.get(name, name)
