"""The settings of an app, checked and complete."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

from durable.model.filters import WorkItemFilters
from durable.model.retention import Retention
from durable.settings.taking import VersioningSettings
from durable.settings.values import resolved, setting

MessageEncoding = Literal["base64", "none"]
StorageClient = Literal["lean", "sdk"]


@dataclass(frozen=True, slots=True)
class QueueSettings:
    """`extensions.queues` of host.json, for the app's own queue triggers."""

    batch_size: int
    """Messages received at once, 1 to 32; 16 by default."""
    new_batch_threshold: int
    """More are received when no more than this many run; half of batch_size for each processor by
    default. At most batch_size + new_batch_threshold run at once, for each function."""
    max_dequeue_count: int
    """Deliveries before the poison queue; 5 by default."""
    visibility_timeout: timedelta
    """From a failure to the next delivery; none by default."""
    max_polling_interval: timedelta
    """An idle queue is looked at this often; a minute by default, 2 s in local development."""
    message_encoding: MessageEncoding
    """How message bodies travel; base64 by default."""


@dataclass(frozen=True, slots=True)
class PollingSettings:
    """`extensions.durableTask.storageProvider` of host.json: how the worker looks into the hub's
    queues. Under the Functions host `QueueSettings` count instead."""

    longest_pause: timedelta | None = None
    """maxQueuePollingInterval, 100 ms to a day: an idle queue is looked at this often; by default,
    None, each second for control queues and every two for work queues."""
    control_batch: int = 32
    """controlQueueBatchSize: messages asked for at once, 1 to 32; 32 by default."""
    work_batch: int = 32
    """workItemQueueBatchSize, likewise, for the queue of an activity."""


@dataclass(frozen=True, slots=True)
class TracingSettings:
    """`extensions.durableTask.tracing` of host.json, where an OpenTelemetry SDK is configured."""

    enabled: bool = True
    """distributedTracingEnabled: spans are made; true by default."""
    payloads: bool = False
    """traceInputsAndOutputs: spans have inputs and outputs; false by default."""


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """`extensions.durableTask.http` of host.json, for durable HTTP."""

    allowed_private_targets: tuple[str, ...]
    """DURABLE_HTTP_ALLOWED_PRIVATE_TARGETS, else allowedPrivateTargets: host names, addresses,
    networks in CIDR notation, or "*", in lower case; none by default."""
    max_response: int
    """maxResponseBytes of a response's body; durableTask.maxPayloadBytes by default, and at
    most."""
    request_timeout: timedelta
    """requestTimeout: from the request to the end of its response; 100 s by default."""
    poll_interval: timedelta
    """defaultAsyncRequestSleepTimeMilliseconds: between polls where the service has no
    Retry-After; 30 s by default."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What `load_settings` found. Nothing here is secret but `values`, which repr leaves out."""

    app_name: str
    """DURABLE_APP_NAME, else WEBSITE_SITE_NAME, else the folder's name: who claims the hub."""
    hub: str
    """extensions.durableTask.hubName: 3 to 40 letters and digits, first a letter. By default the
    letters and digits of WEBSITE_SITE_NAME, else "TestHubName"."""
    hub_expression: str
    """`hub` as written, `%NAME%` unresolved, for bindings that the Functions host resolves."""
    connection_name: str
    """The setting, or prefix of settings, that leads to the storage account:
    extensions.durableTask.storageProvider.connectionName (or connectionStringName), else
    AzureWebJobsStorage."""
    control_queues: int
    """storageProvider.partitionCount, 1 to 16; 1 by default."""
    polling: PollingSettings
    max_concurrent_activities: int
    """maxConcurrentActivityFunctions, in one worker; 10 for each processor by default."""
    max_concurrent_orchestrators: int
    """maxConcurrentOrchestratorFunctions, in one worker; 10 for each processor by default."""
    max_concurrent_entities: int
    """maxConcurrentEntityFunctions: entities whose code runs at once in one worker; 10 for each
    processor by default."""
    max_concurrent_processes: int
    """maxConcurrentProcesses: activities with process=True that run at once in one worker; one for
    each processor by default."""
    max_attempts: int
    """durableTask.maxAttempts: crashes of a worker that one piece of work survives; 10 by
    default."""
    always_queue: bool
    """durableTask.alwaysQueueActivities: activities always go through their queue."""
    checkpoint_steps: int
    """durableTask.checkpointSteps, 1 to 100: how many steps may run before they are stored
    together, and run again after a crash; 1 by default."""
    calls_per_message: int
    """durableTask.callsPerMessage, 1 to 50: how many calls of an activity share a message at most;
    50 by default. With 1, each start has a message of its own too."""
    cached_instances: int
    """durableTask.cachedInstances: whose code is kept in memory between turns, in one worker; 1000
    by default, 0 replays history at each run."""
    direct_completion: bool
    """durableTask.directCompletion: whoever finished an activity takes the turn; true by
    default."""
    group_arrivals: bool
    """durableTask.groupArrivals: one turn takes all that has arrived, else what came first: an
    event, or results that came back together; true by default."""
    versioning: VersioningSettings
    """durableTask.defaultVersion, versionMatchStrategy and versionFailureStrategy."""
    filters: WorkItemFilters | None
    """DURABLE_ONLY_ORCHESTRATIONS, DURABLE_ONLY_ACTIVITIES and DURABLE_ONLY_ENTITIES, else
    durableTask.workItemFilters: what a worker takes, None for all that the app has."""
    max_payload: int
    """durableTask.maxPayloadBytes: the limit of one input or output; 16 MiB by default."""
    function_timeout: timedelta | None
    """functionTimeout of host.json; 30 minutes by default, None for "-1" (no limit)."""
    queues: QueueSettings
    http: HttpSettings
    tracing: TracingSettings
    retention: Retention
    """durableTask.retention: when instances that have ended are purged; never by default."""
    route_prefix: str
    """extensions.http.routePrefix, without outer slashes; "api" by default."""
    base_url: str | None
    """DURABLE_BASE_URL: what links to the management API begin with; no slash at the end."""
    website_hostname: str | None
    """WEBSITE_HOSTNAME, as App Service sets it."""
    storage_client: StorageClient
    """DURABLE_STORAGE_CLIENT: who writes the requests to storage, this package or the Azure SDKs;
    "lean" by default."""
    link_lifetime: timedelta
    """DURABLE_LINK_LIFETIME_DAYS, else durableTask.linkLifetimeDays; 30 days by default."""
    allow_anonymous_management: bool
    """DURABLE_MANAGEMENT_ANONYMOUS: the management API asks nobody for a key."""
    local_http_port: int | None
    """Host.LocalHttpPort of local.settings.json."""
    cors: tuple[str, ...]
    """Host.CORS of local.settings.json: allowed origins, maybe "*"."""
    warnings: tuple[str, ...]
    """What was understood otherwise than written, each a line for the log."""
    values: Mapping[str, str] = field(repr=False)
    """All settings: the environment, and below it Values of local.settings.json when local."""

    @property
    def message_encoding(self) -> MessageEncoding:
        """The same as `queues.message_encoding`; it holds for every queue of the app."""
        return self.queues.message_encoding

    def setting(self, name: str) -> str | None:
        """One of `values`, without regard to case, and with `__` or `:` as separator."""
        return setting(self.values, name)

    def resolve(self, text: str, where: str = "a binding") -> str:
        """`text` of a binding with each `%NAME%` replaced by that setting.

        Raises ConfigurationError that names `where` and the setting which is missing.
        """
        return resolved(text, self.values, where)
