"""An app of agent-framework-azurefunctions as its users write one: agents, orchestrations of
several agents, workflows with a human's answer. Its model answers over HTTP, at `MODEL_URL`."""

import json
import os
from dataclasses import dataclass
from typing import Any

import aiohttp
import azure.durable_functions as df
import azure.functions as func
from agent_framework import (
    Agent,
    AgentExecutorResponse,
    BaseChatClient,
    ChatResponse,
    ChatResponseUpdate,
    Content,
    Executor,
    FunctionInvocationLayer,
    Message,
    WorkflowBuilder,
    WorkflowContext,
    WorkflowExecutor,
    handler,
    response_handler,
)
from agent_framework_azurefunctions import AgentFunctionApp
from agent_framework_durabletask import (
    DurableAIAgentClient,
    DurableAIAgentOrchestrationContext,
    DurableWorkflowClient,
)
from durabletask import task
from durabletask.client import TaskHubGrpcClient
from pydantic import BaseModel


class ChatModel(FunctionInvocationLayer, BaseChatClient):
    """Sends the messages and the agent's name, gets a text."""

    def __init__(self, agent: str) -> None:
        super().__init__()
        self.agent = agent

    def _inner_get_response(self, *, messages: Any, stream: bool, options: Any, **_: Any) -> Any:
        wanted = options.get("response_format")
        if stream:
            return self._build_response_stream(self._updates(messages), response_format=wanted)
        return self._whole(messages, wanted)

    async def _whole(self, messages: Any, wanted: Any) -> ChatResponse:
        text = await self._ask(messages)
        return ChatResponse(messages=[Message("assistant", [text])], response_format=wanted)

    async def _updates(self, messages: Any) -> Any:
        for part in (await self._ask(messages)).partition(" "):
            yield ChatResponseUpdate(role="assistant", contents=[Content.from_text(part)])

    async def _ask(self, messages: Any) -> str:
        said = [[each.role, each.text] for each in messages if each.role != "system"]
        body = {"agent": self.agent, "messages": said}
        async with (
            aiohttp.ClientSession(raise_for_status=True) as session,
            session.post(os.environ["MODEL_URL"], json=body) as answer,
        ):
            return await answer.text()


def agent(name: str) -> Agent:
    return Agent(ChatModel(name), f"You are the {name}.", name=name)


class Rating(BaseModel):
    stars: int


@dataclass
class Draft:
    text: str


@dataclass
class Verdict:
    approved: bool
    remark: str = ""


class Approval(Executor):
    """Has a human decide on what the agent before it wrote."""

    @handler
    async def ask(self, draft: AgentExecutorResponse, ctx: WorkflowContext) -> None:
        await ctx.request_info(Draft(draft.agent_response.text), Verdict)

    @response_handler
    async def decided(
        self, draft: Draft, verdict: Verdict, ctx: WorkflowContext[None, str]
    ) -> None:
        word = "published" if verdict.approved else "dropped"
        await ctx.yield_output(f"{word}: {draft.text} ({verdict.remark})")


class Collect(Executor):
    """What several agents said, in the order of their names."""

    @handler
    async def collect(
        self, said: list[AgentExecutorResponse], ctx: WorkflowContext[None, list[str]]
    ) -> None:
        await ctx.yield_output(sorted(each.agent_response.text for each in said))


class Dispatch(Executor):
    """Hands its input on."""

    @handler
    async def dispatch(self, topic: str, ctx: WorkflowContext[str]) -> None:
        await ctx.send_message(topic)


class Imprint(Executor):
    """Says who published it."""

    @handler
    async def sign(self, text: str, ctx: WorkflowContext[None, str]) -> None:
        await ctx.yield_output(f"{text}, signed")


def review_workflow(name: str) -> Any:
    editor, approval = agent("Editor"), Approval(id="approval")
    return WorkflowBuilder(name=name, start_executor=editor).add_edge(editor, approval).build()


def panel_workflow() -> Any:
    dispatch, collect = Dispatch(id="dispatch"), Collect(id="collect")
    agents = [agent("Optimist"), agent("Pessimist")]
    return (
        WorkflowBuilder(name="Debate", start_executor=dispatch)
        .add_fan_out_edges(dispatch, agents)
        .add_fan_in_edges(agents, collect)
        .build()
    )


def nested_workflow() -> Any:
    review = WorkflowExecutor(review_workflow("Review"), id="review")
    imprint = Imprint(id="imprint")
    return WorkflowBuilder(name="House", start_executor=review).add_edge(review, imprint).build()


app = AgentFunctionApp(
    agents=[agent("Writer"), agent("Critic")],
    workflows=[review_workflow("Article"), panel_workflow(), nested_workflow()],
    poll_interval_seconds=0.1,
    max_poll_retries=300,
)


@app.orchestration_trigger(context_name="context")
def story(context: df.DurableOrchestrationContext) -> Any:
    """One agent after another; the writer remembers its draft."""
    writer, critic = app.get_agent(context, "Writer"), app.get_agent(context, "Critic")
    session = writer.create_session()
    draft = yield writer.run(context.get_input(), session=session)
    remark = yield critic.run(draft.text)
    final = yield writer.run(remark.text, session=session)
    return [draft.text, remark.text, final.text]


@app.orchestration_trigger(context_name="context")
def panel(context: df.DurableOrchestrationContext) -> Any:
    """Agents side by side."""
    topic = context.get_input()
    writer, critic = app.get_agent(context, "Writer"), app.get_agent(context, "Critic")
    both = yield context.task_all([writer.run(topic), critic.run(topic)])
    first = yield context.task_any(
        [writer.run(topic), context.wait_for_external_event("something else")]
    )
    return {"both": [each.text for each in both], "first": first.result.text}


@app.orchestration_trigger(context_name="context")
def rating(context: df.DurableOrchestrationContext) -> Any:
    """An answer with a type, and one that is not waited for."""
    topic = context.get_input()
    critic = app.get_agent(context, "Critic")
    session = critic.create_session()
    accepted = yield critic.run(topic, session=session, options={"wait_for_response": False})
    rated = yield critic.run(topic, session=session, options={"response_format": Rating})
    return {"accepted": accepted.text, "stars": rated.value.stars}


@app.orchestration_trigger(context_name="context")
def duet(context: task.OrchestrationContext, topic: str) -> Any:
    """In the style of durabletask, with what the package has for it."""
    agents = DurableAIAgentOrchestrationContext(context)
    writer, critic = agents.get_agent("Writer"), agents.get_agent("Critic")
    session = writer.create_session()
    draft = yield writer.run(topic, session=session)
    both = yield task.when_all([writer.run("more", session=session), critic.run(draft.text)])
    accepted = yield critic.run("later", options={"wait_for_response": False})
    return [draft.text, *(each.text for each in both), accepted.text]


@app.route("orchestrations/{name}", methods=["POST"])
@app.durable_client_input(client_name="client")
async def start(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    instance_id = await client.start_new(req.route_params["name"], client_input=req.get_json())
    return client.create_check_status_response(req, instance_id)


@app.route("conversations/{agent}/{session}", methods=["GET"])
@app.durable_client_input(client_name="client")
async def conversation(
    req: func.HttpRequest, client: df.DurableOrchestrationClient
) -> func.HttpResponse:
    """The state of an agent's entity as it is stored."""
    name, key = f"dafx-{req.route_params['agent']}", req.route_params["session"]
    found = await client.read_entity_state(df.EntityId(name, key))
    state = found.entity_state if found.entity_exists else None
    return func.HttpResponse(json.dumps(state), mimetype="application/json")


@app.route("errands", methods=["POST"])
@app.durable_client_input(client_name="client")
def errand(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    """By the package's clients of durabletask, which block: two calls, and a workflow."""
    topic = req.get_json()
    hub = TaskHubGrpcClient(host_address=client.rpcBaseUrl)
    writer = DurableAIAgentClient(hub, poll_interval_seconds=0.1).get_agent("Writer")
    session = writer.create_session()
    said = [writer.run(topic, session=session).text, writer.run("more", session=session).text]
    workflows = DurableWorkflowClient(hub, workflow_name="Debate")
    debate = workflows.await_workflow_output(workflows.start_workflow(topic), timeout_seconds=30)
    return func.HttpResponse(json.dumps([*said, debate]), mimetype="application/json")
