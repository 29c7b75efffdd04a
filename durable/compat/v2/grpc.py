"""What apps pass to clients for gRPC, which is not used here: options and interceptors, as data."""

from __future__ import annotations

from dataclasses import dataclass, field
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


@dataclass(kw_only=True)
class GrpcRetryPolicyOptions:
    """Retries of gRPC calls."""

    max_attempts: int = 4
    initial_backoff_seconds: float = 0.05
    max_backoff_seconds: float = 0.25
    backoff_multiplier: float = 2.0
    retryable_status_codes: list[str] = field(default_factory=lambda: ["UNAVAILABLE"])


@dataclass(kw_only=True)
class GrpcChannelOptions:
    """A gRPC channel."""

    max_receive_message_length: int | None = None
    max_send_message_length: int | None = None
    keepalive_time_ms: int | None = None
    keepalive_timeout_ms: int | None = None
    keepalive_permit_without_calls: bool | None = None
    retry_policy: GrpcRetryPolicyOptions | None = None
    raw_options: list[tuple[str, Any]] = field(default_factory=list)


@dataclass(kw_only=True)
class GrpcWorkerResiliencyOptions:
    """When a worker opens a new channel."""

    hello_timeout_seconds: float = 30.0
    silent_disconnect_timeout_seconds: float = 120.0
    channel_recreate_failure_threshold: int = 5
    reconnect_backoff_base_seconds: float = 1.0
    reconnect_backoff_cap_seconds: float = 30.0


@dataclass(kw_only=True)
class GrpcClientResiliencyOptions:
    """When a client opens a new channel."""

    channel_recreate_failure_threshold: int = 5
    min_recreate_interval_seconds: float = 30.0
