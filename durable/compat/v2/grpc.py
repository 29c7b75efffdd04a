"""What apps pass to clients for gRPC, which is not used here: options and interceptors, as data."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any


class DefaultClientInterceptorImpl:
    """Adds metadata to calls, there."""

    def __init__(self, metadata: Any = None) -> None:
        self.metadata = metadata


class DefaultAsyncClientInterceptorImpl(DefaultClientInterceptorImpl):
    """The same for async clients."""


class AzureFunctionsDefaultClientInterceptorImpl(DefaultClientInterceptorImpl):
    """Names the hub to the .NET extension, there."""

    def __init__(self, taskhub_name: str, required_query_string_parameters: str) -> None:
        super().__init__([("taskhub", taskhub_name)])
        self.required_query_string_parameters = required_query_string_parameters


class AzureFunctionsAsyncDefaultClientInterceptorImpl(AzureFunctionsDefaultClientInterceptorImpl):
    """The same for async clients."""


class _Options(SimpleNamespace):
    def __init__(self, **values: Any) -> None:
        super().__init__(**values)


class GrpcRetryPolicyOptions(_Options):
    """Retries of gRPC calls."""


class GrpcChannelOptions(_Options):
    """A gRPC channel."""


class GrpcClientResiliencyOptions(_Options):
    """When a client opens a new channel."""


class GrpcWorkerResiliencyOptions(_Options):
    """When a worker opens a new channel."""
