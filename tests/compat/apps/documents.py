"""A stranger's app of 2.x: reviews with a time limit, types of its own, versions, and the idiom by
which its plain functions get a client that blocks."""

import json
from dataclasses import dataclass, field
from datetime import timedelta

import azure.durable_functions as df
import azure.functions as func
from azure.durable_functions.internal.azurefunctions_grpc_interceptor import (
    AzureFunctionsDefaultClientInterceptorImpl,
)
from azure.durable_functions.internal.serialization import DEFAULT_FUNCTIONS_DATA_CONVERTER
from durabletask import task
from durabletask.client import OrchestrationStatus, TaskHubGrpcClient

bp = df.Blueprint()


@dataclass
class Document:
    title: str
    pages: int
    reviewers: list[str] = field(default_factory=list)


class Verdict:
    def __init__(self, by: str, good: bool):
        self.by = by
        self.good = good

    def to_json(self):
        return {"by": self.by, "good": self.good}

    @classmethod
    def from_json(cls, data):
        return cls(data["by"], data["good"])


def _client(binding: df.DurableFunctionsClient) -> TaskHubGrpcClient:
    return TaskHubGrpcClient(
        host_address=binding.rpcBaseUrl,
        interceptors=[
            AzureFunctionsDefaultClientInterceptorImpl(
                binding.taskHubName, binding.requiredQueryStringParameters
            )
        ],
        data_converter=DEFAULT_FUNCTIONS_DATA_CONVERTER,
    )


@bp.route(route="documents/{title}", methods=["POST"])
@bp.durable_client_input(client_name="client")
def submit(req: func.HttpRequest, client):
    given = req.get_json()
    document = Document(req.route_params["title"], given["pages"], given["reviewers"])
    with _client(client) as blocking:
        instance_id = blocking.schedule_new_orchestration(
            "review", input=document, version=given.get("version")
        )
        state = blocking.wait_for_orchestration_start(instance_id, timeout=30)
        assert state.runtime_status in (OrchestrationStatus.RUNNING, OrchestrationStatus.PENDING)
    return client.create_check_status_response(req, instance_id)


@bp.route(route="reviews/{id}/{action}", methods=["POST"])
@bp.durable_client_input(client_name="client")
async def act(req: func.HttpRequest, client: df.DurableFunctionsClient):
    instance_id, action = req.route_params["id"], req.route_params["action"]
    if action == "say":
        verdict = Verdict(req.params["by"], req.params["good"] == "yes")
        await client.raise_orchestration_event(instance_id, "verdict", data=verdict)
    elif action == "stop":
        await client.terminate_orchestration(instance_id, output={"why": "enough"})
    elif action == "pause":
        await client.suspend_orchestration(instance_id)
    elif action == "go":
        await client.resume_orchestration(instance_id)
    elif action == "purge":
        result = await client.purge_orchestration(instance_id)
        return func.HttpResponse(str(result.deleted_instance_count))
    state = await client.get_orchestration_state(instance_id)
    if state is None:
        return func.HttpResponse(status_code=404)
    shown = [str(state.runtime_status), state.get_custom_status(), state.serialized_output]
    return func.HttpResponse(json.dumps(shown), mimetype="application/json")


@bp.orchestration_trigger(context_name="context")
def review(context: task.OrchestrationContext, document: Document):
    waiting = list(document.reviewers)
    good = []
    deadline = context.create_timer(timedelta(days=3))
    while waiting:
        context.set_custom_status({"waiting": waiting})
        verdict_task = context.wait_for_external_event("verdict", data_type=Verdict)
        winner = yield task.when_any([verdict_task, deadline])
        if winner is deadline:
            return {"title": document.title, "late": waiting}
        verdict = verdict_task.get_result()
        if verdict.by in waiting:
            waiting.remove(verdict.by)
            good.append(verdict.good)
    deadline.cancel()
    summary: Document = yield context.call_activity(shorten, input=document, return_type=Document)
    if context.version == "2.0":
        child = yield context.call_sub_orchestrator(archive, input=summary, version="1.0")
        return [all(good), child]
    return [all(good), summary.pages]


@bp.orchestration_trigger(context_name="context")
def archive(context: task.OrchestrationContext, document: Document):
    if document.pages > 10:
        context.continue_as_new(Document(document.title, document.pages // 2))
        return None
    return f"{document.title} {document.pages} {context.version}"


@bp.activity_trigger(input_name="document")
def shorten(document: Document) -> Document:
    return Document(document.title, document.pages - 1)


app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)
app.register_blueprint(bp)
