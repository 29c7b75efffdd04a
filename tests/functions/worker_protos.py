"""Stand-ins for the protobuf messages between a Functions host and its Python worker.

The worker library is given its message classes by whoever runs it, and only creates them and
reads their fields; what it does with them is its own. A `oneof` is told by the field that is set.
"""

from __future__ import annotations

from typing import Any


class Message:
    """Holds the fields that it is given."""

    def __init__(self, **fields: Any) -> None:
        vars(self).update(fields)


class _OneOf(Message):
    def WhichOneof(self, group: str) -> str | None:
        return next((name for name, value in vars(self).items() if value is not None), None)


class TypedData(_OneOf):
    """One of `string`, `json`, `bytes`, `http`, `int`, `double`, `collection_…`."""


class RpcHttp(Message):
    """A request (method, url, headers, params, query, body) or a response (status_code, …)."""


class ParameterBinding(Message):
    """A value for a parameter, or for an output."""

    def WhichOneof(self, group: str) -> str:
        return "data"


class StatusResult(Message):
    Failure = 0
    Success = 1


class RpcException(Message):
    """`message` and `stack_trace`."""


class BindingInfo(Message):
    # Names and numbers of the protocol's Direction and DataType.
    inout = 2
    out = 1
    undefined = 0


class RpcFunctionMetadata(Message):
    """What the host learns of a function: name, function_id, bindings, raw_bindings, …"""


class RpcRetryOptions(Message):
    """A retry policy of the host."""


class WorkerMetadata(Message):
    """Runtime and version."""


class WorkerInitResponse(Message):
    """`result` says whether the app could be indexed."""


class FunctionMetadataResponse(Message):
    """`function_metadata_results`."""


class FunctionLoadResponse(Message):
    """`result`."""


class InvocationResponse(Message):
    """`result`, `return_value` and `output_data`."""
