"""An orchestration that branches by the version it was started with."""

import azure.durable_functions as df
from durabletask import task

bp = df.Blueprint()


@bp.orchestration_trigger(context_name="context")
def deliver(ctx: task.OrchestrationContext, _):
    is_old = ctx.version is None or ctx.version.startswith("1.")
    return [ctx.version, "by horse" if is_old else "by rail"]
