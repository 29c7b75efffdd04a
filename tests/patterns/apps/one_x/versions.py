"""An orchestration that branches by the version it was started with."""

import azure.durable_functions as df

bp = df.Blueprint()


@bp.orchestration_trigger(context_name="context")
def deliver(context: df.DurableOrchestrationContext):
    is_old = context.version is None or context.version.startswith("1.")
    return [context.version, "by horse" if is_old else "by rail"]
