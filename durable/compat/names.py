"""Which name of which module of theirs is which of ours.

A line a module: its name, then `our module: names`. `our module: *` is all that the module
defines. Modules are imported when a name is asked for.
"""

from __future__ import annotations

_V1 = "durable.compat.v1"
_V2 = "durable.compat.v2"
_CLIENT = "durable.compat.client: DurableFunctionsClient DurableOrchestrationClient"
_SYNC = "durable.compat.sync_client: SyncDurableFunctionsClient TaskHubGrpcClient"
_MODELS = (
    f"{_V1}.models: DurableHttpRequest DurableHttpResponse DurableOrchestrationBindings EntityId "
    "EntityStateResponse HttpManagementPayload ManagedIdentityTokenSource "
    "OrchestrationRuntimeStatus PurgeHistoryResult RetryOptions TokenSource"
)
_ACTIONS = (
    "Action ActionType CallActivityAction CallActivityWithRetryAction CallEntityAction "
    "CallHttpAction CallSubOrchestratorAction CallSubOrchestratorWithRetryAction CompoundAction "
    "ContinueAsNewAction CreateTimerAction NoOpAction SignalEntityAction "
    "WaitForExternalEventAction WhenAllAction WhenAnyAction"
)
_CONTEXTS = (
    f"{_V1}.context: DurableOrchestrationContext",
    f"{_V1}.entities: DurableEntityContext",
)
_TASKS = (
    "AtomicTask CompoundTask LongTimerTask RetryAbleTask TaskBase TaskState TimerTask "
    "WhenAllTask WhenAnyTask"
)
_WORKER = (
    "ActivityWorkItemFilter ConcurrencyOptions EntityWorkItemFilter OrchestrationWorkItemFilter "
    "VersioningOptions WorkItemFilters"
)
_VALUES = (
    f"{_V2}.values: CleanEntityStorageResult EntityQuery OrchestrationFailedError "
    "OrchestrationQuery OrchestrationState OrchestrationStatus Page PurgeInstancesResult"
)
_INTERCEPTORS = (
    f"{_V2}.grpc: AzureFunctionsDefaultClientInterceptorImpl "
    "AzureFunctionsAsyncDefaultClientInterceptorImpl DefaultClientInterceptorImpl "
    "DefaultAsyncClientInterceptorImpl"
)
_CONVERTERS = (
    f"{_V2}.serialization: DataConverter JsonDataConverter DEFAULT_DATA_CONVERTER "
    "FunctionsDataConverter DEFAULT_FUNCTIONS_DATA_CONVERTER"
)
_ENTITIES = (
    f"{_V2}.entities: DurableEntity EntityContext EntityInstanceId EntityLock "
    "EntityOperationFailedException"
)
_METADATA = f"{_V2}.values: EntityMetadata"
_SCHEDULED = (
    f"{_V2}.scheduled: AsyncScheduleClient AsyncScheduledTaskClient ScheduleClient "
    "ScheduleClientValidationError ScheduleCreationOptions ScheduleDescription ScheduleError "
    "ScheduleInvalidTransitionError ScheduleNotFoundError ScheduleQuery ScheduleStatus "
    "ScheduledTaskClient ScheduleUpdateOptions"
)
_EXPORT = (
    f"{_V2}.history_export: AsyncExportHistoryClient AsyncExportHistoryJobClient "
    "ExportHistoryClient ExportHistoryJobClient"
)
_EXPORT_MODELS = (
    f"{_V2}.history_export_models: ENTITY_NAME ORCHESTRATOR_NAME ExportCheckpoint "
    "ExportDestination ExportFailure ExportFilter ExportFormat ExportFormatKind "
    "ExportJobConfiguration ExportJobCreationOptions ExportJobDescription ExportJobError "
    "ExportJobInvalidTransitionError ExportJobNotFoundError ExportJobQuery ExportJobStatus "
    "ExportMode HistoryWriter orchestrator_instance_id_for"
)

MODULES: dict[str, tuple[str, ...]] = {
    "azure.durable_functions": (
        "durable.compat.apps: Blueprint DFApp",
        f"{_V1}.handles: Entity Orchestrator",
        "durable.compat.warnings: DurableFunctionsCompatibilityWarning",
        f"{_V2}.task: RetryPolicy",
        _CLIENT,
        "durable.compat.sync_client: SyncDurableFunctionsClient",
        f"{_V1}.status: DurableOrchestrationStatus",
        _MODELS,
        *_CONTEXTS,
    ),
    "azure.durable_functions.constants": (f"{_V1}.constants: *",),
    "azure.durable_functions.client": (_CLIENT, _SYNC),
    "azure.durable_functions.orchestrator": (f"{_V1}.handles: Orchestrator",),
    "azure.durable_functions.entity": (f"{_V1}.handles: Entity",),
    "azure.durable_functions.worker": (f"{_V2}.worker: TaskHubGrpcWorker",),
    "azure.durable_functions.decorators": ("durable.compat.apps: Blueprint DFApp",),
    "azure.durable_functions.decorators.durable_app": ("durable.compat.apps: Blueprint DFApp",),
    "azure.durable_functions.testing": (
        f"{_V1}.handles: orchestrator_generator_wrapper",
        f"{_V2}.testing: *",
    ),
    "azure.durable_functions.testing.entity": (f"{_V2}.testing: *",),
    "azure.durable_functions.testing.OrchestratorGeneratorWrapper": (
        f"{_V1}.handles: orchestrator_generator_wrapper",
    ),
    "azure.durable_functions.testing.orchestrator_generator_wrapper": (
        f"{_V1}.handles: orchestrator_generator_wrapper",
    ),
    "azure.durable_functions.http": (_MODELS,),
    "azure.durable_functions.http.models": (_MODELS,),
    "azure.durable_functions.http.http_management_payload": (
        _MODELS,
        f"{_V1}.models: replace_url_origin",
    ),
    "azure.durable_functions.internal": (),
    "azure.durable_functions.internal.serialization": (_CONVERTERS,),
    "azure.durable_functions.internal.azurefunctions_grpc_interceptor": (_INTERCEPTORS,),
    "azure.durable_functions.internal.compat": (),
    "azure.durable_functions.internal.compat.compat_aliases": (
        _CLIENT,
        f"{_V1}.handles: Entity",
    ),
    "azure.durable_functions.internal.compat.entity_context": _CONTEXTS,
    "azure.durable_functions.internal.compat.orchestration_context": _CONTEXTS,
    "azure.durable_functions.internal.compat.function_context": (f"{_V1}.models: FunctionContext",),
    "azure.durable_functions.internal.compat.durable_orchestration_status": (
        f"{_V1}.status: DurableOrchestrationStatus",
    ),
    **{
        f"azure.durable_functions.internal.compat.{module}": (_MODELS,)
        for module in (
            "entity_id",
            "entity_state_response",
            "orchestration_runtime_status",
            "purge_history_result",
            "retry_options",
            "token_source",
        )
    },
    "azure.durable_functions.models": (
        _CLIENT,
        _MODELS,
        *_CONTEXTS,
        f"{_V1}.status: DurableOrchestrationStatus",
        f"{_V1}.tasks: TaskBase",
    ),
    "azure.durable_functions.models.Task": (f"{_V1}.tasks: {_TASKS}",),
    "azure.durable_functions.models.DurableOrchestrationClient": (_CLIENT,),
    "azure.durable_functions.models.DurableOrchestrationContext": _CONTEXTS,
    "azure.durable_functions.models.DurableEntityContext": _CONTEXTS,
    "azure.durable_functions.models.DurableOrchestrationStatus": (
        f"{_V1}.status: DurableOrchestrationStatus",
    ),
    "azure.durable_functions.models.FunctionContext": (f"{_V1}.models: FunctionContext",),
    "azure.durable_functions.models.ReplaySchema": (f"{_V1}.constants: ReplaySchema",),
    **{
        f"azure.durable_functions.models.{module}": (_MODELS,)
        for module in (
            "DurableHttpRequest",
            "DurableOrchestrationBindings",
            "EntityStateResponse",
            "OrchestrationRuntimeStatus",
            "PurgeHistoryResult",
            "RetryOptions",
            "TokenSource",
        )
    },
    "azure.durable_functions.models.utils": (),
    "azure.durable_functions.models.utils.entity_utils": (f"{_V1}.models: EntityId",),
    "azure.durable_functions.models.actions": (f"{_V1}.actions: {_ACTIONS}",),
    **{
        f"azure.durable_functions.models.actions.{action}": (f"{_V1}.actions: {action}",)
        for action in _ACTIONS.split()
    },
    "durabletask": (
        "durable.model.failure: ExceptionPropertiesProvider",
        f"{_V2}.worker: {_WORKER}",
        f"{_V2}.grpc: GrpcChannelOptions GrpcRetryPolicyOptions",
    ),
    "durabletask.task": (
        f"{_V2}.task: *",
        f"{_V2}.context: OrchestrationContext",
    ),
    "durabletask.exception_properties": ("durable.model.failure: ExceptionPropertiesProvider",),
    "durabletask.entities": (_ENTITIES, _METADATA),
    "durabletask.entities.durable_entity": (_ENTITIES,),
    "durabletask.entities.entity_context": (_ENTITIES,),
    "durabletask.entities.entity_instance_id": (_ENTITIES,),
    "durabletask.entities.entity_lock": (_ENTITIES,),
    "durabletask.entities.entity_metadata": (_METADATA,),
    "durabletask.entities.entity_operation_failed_exception": (_ENTITIES,),
    "durabletask.client": (
        "durable.compat.sync_client: TaskHubGrpcClient",
        "durable.compat.task_hub_client: AsyncTaskHubGrpcClient",
        _VALUES,
    ),
    "durabletask.worker": (
        f"{_V2}.worker: {_WORKER} TaskHubGrpcWorker VersionFailureStrategy VersionMatchStrategy "
        "ActivityNotRegisteredError EntityNotRegisteredError OrchestratorNotRegisteredError",
    ),
    "durabletask.history": (f"{_V2}.history: *",),
    "durabletask.serialization": (_CONVERTERS,),
    "durabletask.grpc_options": (
        f"{_V2}.grpc: GrpcChannelOptions GrpcClientResiliencyOptions GrpcRetryPolicyOptions "
        "GrpcWorkerResiliencyOptions",
    ),
    "durabletask.scheduled": (_SCHEDULED,),
    **{
        f"durabletask.scheduled.{module}": (_SCHEDULED,)
        for module in ("client", "exceptions", "models", "schedule_status")
    },
    "durabletask.extensions": (),
    "durabletask.extensions.history_export": (_EXPORT, _EXPORT_MODELS),
    "durabletask.extensions.history_export.client": (_EXPORT,),
    "durabletask.extensions.history_export.azure_blob": (
        f"{_V2}.azure_blob: AzureBlobHistoryExportWriter AzureBlobHistoryExportWriterOptions",
    ),
    **{
        f"durabletask.extensions.history_export.{module}": (_EXPORT_MODELS,)
        for module in ("exceptions", "models", "writer")
    },
    "durabletask.internal": (),
    "durabletask.internal.grpc_interceptor": (_INTERCEPTORS,),
}

SUBMODULES = frozenset(MODULES)
