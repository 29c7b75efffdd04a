"""What a function learns about its own invocation, as `azure.functions.Context`."""

from __future__ import annotations

import threading
import uuid

import azure.functions as func
from azure.functions._abc import RetryContext, RpcException, TraceContext


class _Trace(TraceContext):
    """Empty: this worker takes part in no distributed trace."""

    trace_state = ""
    trace_parent = ""

    @property
    def attributes(self) -> dict[str, str]:
        return {}


class _NoException(RpcException):
    source = ""
    stack_trace = ""
    message = ""


class _NoRetry(RetryContext):
    """The first attempt: this worker applies no retry policies of triggers."""

    retry_count = 0
    max_retry_count = 0

    @property
    def exception(self) -> RpcException:
        return _NoException()


class InvocationContext(func.Context):
    """A random invocation id, the function's name, and the app's folder with that name."""

    def __init__(self, function_name: str, function_directory: str) -> None:
        self._id = str(uuid.uuid4())
        self._name = function_name
        self._directory = function_directory

    @property
    def invocation_id(self) -> str:
        return self._id

    @property
    def thread_local_storage(self) -> type[threading.local]:
        return threading.local

    @property
    def function_name(self) -> str:
        return self._name

    @property
    def function_directory(self) -> str:
        return self._directory

    @property
    def trace_context(self) -> TraceContext:
        return _Trace()

    @property
    def retry_context(self) -> RetryContext:
        return _NoRetry()
