"""AgentFunctionApp of agent-framework-azurefunctions, which knows nothing of this package, under
its worker: with azure-functions-durable and durabletask installed, and not used."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from tests.agents.model import OUT_OF_ORDER, SECONDS, Model
from tests.agents.site import Site, Visitor

EXPECTED = {
    "http-Writer: POST /api/agents/Writer/run",
    "dafx-Article-respond: POST /api/workflow/Article/respond/{instanceId}/{requestId}",
    "dafx-writer: entity",
    "dafx-Article: orchestrator",
    "dafx-Article-approval: activity",
    "story: orchestrator",
}
NOBODY = {"approved": False, "remark": "nobody asked"}
FINE = {"approved": True, "remark": "fine"}


async def test_the_app_is_imported_and_indexed(shared_site: Site) -> None:
    """Where the names are left to the packages that have them, which are installed, the worker
    can serve none of it."""
    ours, theirs = await asyncio.gather(
        asyncio.to_thread(shared_site.command, "functions"),
        asyncio.to_thread(shared_site.command, "functions", DURABLE_COMPAT="0"),
    )
    assert ours.returncode == 0, ours.stderr
    assert set(ours.stdout.splitlines()) >= EXPECTED
    assert "is not served" not in ours.stdout + ours.stderr
    assert not EXPECTED & set(theirs.stdout.splitlines())
    refused = "function dafx-Writer is not served: this worker has no entityTrigger"
    assert refused in theirs.stdout + theirs.stderr


def test_the_other_backend_of_host_json_is_answered_with_a_line(shared_site: Site) -> None:
    shared_site.process.wait_for("storageProvider.type is 'AzureManaged'")


async def test_a_conversation_over_several_calls(visitor: Visitor) -> None:
    first = await visitor.run("Writer", "hello", "talk")
    assert (first["response"], first["status"]) == ("Writer 1: hello", "success")
    second = await visitor.run("Writer", "again", "talk")
    assert (second["response"], second["message_count"]) == ("Writer 2: again", 4)
    # the older name of a session, then the answer as text to a question as text
    third = await visitor.post("/api/agents/Writer/run", {"message": "more", "thread_id": "talk"})
    assert third["response"] == "Writer 3: more"
    media_type, text, session = await visitor.post_text(
        "/api/agents/Writer/run?session_id=talk", "last"
    )
    assert (media_type, text, session) == ("text/plain", "Writer 4: last", "talk")
    assert await visitor.turns("Writer", "talk", 8) == [
        ("request", "hello"),
        ("response", "Writer 1: hello"),
        ("request", "again"),
        ("response", "Writer 2: again"),
        ("request", "more"),
        ("response", "Writer 3: more"),
        ("request", "last"),
        ("response", "Writer 4: last"),
    ]


async def test_sessions_and_agents_are_apart(visitor: Visitor) -> None:
    await visitor.run("Writer", "mine", "apart")
    assert (await visitor.run("Critic", "yours", "apart"))["response"] == "Critic 1: yours"
    assert (await visitor.run("Writer", "theirs", "apart2"))["response"] == "Writer 1: theirs"


async def test_calls_that_are_not_waited_for_come_one_at_a_time(
    visitor: Visitor, model: Model
) -> None:
    first = model.hold("turn 0")
    await visitor.send("Writer", "turn 0", "queue")
    assert await asyncio.to_thread(first.asked.wait, SECONDS)
    await asyncio.gather(*(visitor.send("Writer", f"turn {n}", "queue") for n in range(1, 5)))
    assert sum(model.asked(f"turn {n}") for n in range(5)) == 1
    first.released.set()
    turns = await visitor.turns("Writer", "queue", 10)
    assert sorted(text for kind, text in turns if kind == "request") == [
        f"turn {n}" for n in range(5)
    ]
    assert [text.partition(":")[0] for kind, text in turns if kind == "response"] == [
        f"Writer {count}" for count in range(1, 6)
    ]


async def test_a_turn_that_the_model_fails_is_kept_as_such(visitor: Visitor) -> None:
    await visitor.run("Writer", OUT_OF_ORDER, "failing")
    assert (await visitor.run("Writer", "better?", "failing"))["response"] == "Writer 2: better?"
    assert await visitor.turns("Writer", "failing", 4) == [
        ("request", OUT_OF_ORDER),
        ("response", "error"),
        ("request", "better?"),
        ("response", "Writer 2: better?"),
    ]


async def test_bad_requests_reach_no_agent(visitor: Visitor, model: Model) -> None:
    asked = len(model.questions)
    run_url = "/api/agents/Writer/run"
    for body in (
        {"session_id": "bad"},
        ["no object"],
        {"message": "x", "session_id": "bad", "thread_id": "worse"},
        {"message": "x", "session_id": "a/b"},
    ):
        assert "error" in await visitor.post(run_url, body, status=400)
    assert await visitor.get("/api/conversations/Writer/bad") is None
    assert len(model.questions) == asked


async def test_agents_in_a_row_and_side_by_side(visitor: Visitor) -> None:
    story = await visitor.start("story", "rome")
    panel = await visitor.start("panel", "oslo")
    assert await visitor.output(story) == [
        "Writer 1: rome",
        "Critic 1: Writer 1: rome",
        "Writer 2: Critic 1: Writer 1: rome",
    ]
    assert await visitor.output(panel) == {
        "both": ["Writer 1: oslo", "Critic 1: oslo"],
        "first": "Writer 1: oslo",
    }


async def test_an_answer_with_a_type_after_one_that_is_not_waited_for(visitor: Visitor) -> None:
    output = await visitor.output(await visitor.start("rating", "stars"))
    assert output["stars"] == 2
    assert output["accepted"].startswith("Request accepted")


async def test_agents_in_the_style_of_durabletask(visitor: Visitor) -> None:
    *said, accepted = await visitor.output(await visitor.start("duet", "bonn"))
    assert said == ["Writer 1: bonn", "Writer 2: more", "Critic 1: Writer 1: bonn"]
    assert accepted.startswith("Request accepted")


async def test_the_clients_of_durabletask(visitor: Visitor) -> None:
    assert await visitor.post("/api/errands", "lima") == [
        "Writer 1: lima",
        "Writer 2: more",
        [["Optimist 1: lima", "Pessimist 1: lima"]],
    ]


async def test_a_workflow_of_agents_side_by_side(visitor: Visitor) -> None:
    ended = await visitor.post("/api/workflow/Debate/run?waitForResponse=true", "tea")
    assert ended["runtimeStatus"] == "Completed"
    assert ended["output"] == [["Optimist 1: tea", "Pessimist 1: tea"]]


@pytest.mark.parametrize(
    ("name", "output"),
    [
        ("Article", "published: Editor 1: milk (fine)"),
        ("House", "published: Editor 1: milk (fine), signed"),
    ],
)
async def test_a_workflow_with_a_humans_answer(visitor: Visitor, name: str, output: str) -> None:
    """House has the workflow that asks inside it."""
    url = await visitor.start_workflow(name, "milk")
    request = await visitor.request(url)
    assert (request["sourceExecutor"], request["responseType"]) == (
        "approval",
        "function_app:Verdict",
    )
    elsewhere = request["respondUrl"].replace(f"/workflow/{name}/", "/workflow/Debate/")
    await visitor.post(elsewhere, NOBODY, status=404)
    await visitor.post(request["respondUrl"], FINE)
    assert await visitor.output(url) == [output]


async def test_a_kill_loses_and_repeats_nothing(mortal_site: Site, model: Model) -> None:
    """What a `kill -9` meets: a conversation between two calls, one in the middle of a call, an
    orchestration that waits for its second agent, a workflow that waits for a human."""
    held = [model.hold("in the middle"), model.hold("Writer 1: paris")]
    async with mortal_site.visitor() as visitor:
        await visitor.run("Writer", "before", "calm")
        await visitor.run("Writer", "before", "hit")
        story = await visitor.start("story", "paris")
        article = await visitor.start_workflow("Article", "london")
        request = await visitor.request(article)
        hit = asyncio.create_task(visitor.run("Writer", "in the middle", "hit"))
        for each in held:
            assert await asyncio.to_thread(each.asked.wait, SECONDS)
        old = mortal_site.process.address
        await asyncio.to_thread(mortal_site.restart)
        with pytest.raises(aiohttp.ClientError):
            await hit
    for each in held:
        each.released.set()
    async with mortal_site.visitor() as visitor:
        new = mortal_site.process.address
        await visitor.post(request["respondUrl"].replace(old, new), FINE)
        after, turns, told, published = await asyncio.gather(
            visitor.run("Writer", "after", "calm"),
            visitor.turns("Writer", "hit", 4),
            visitor.output(story.replace(old, new)),
            visitor.output(article.replace(old, new)),
        )
        assert after["response"] == "Writer 2: after"
        assert turns == [
            ("request", "before"),
            ("response", "Writer 1: before"),
            ("request", "in the middle"),
            ("response", "Writer 2: in the middle"),
        ]
        assert (await visitor.run("Writer", "after", "hit"))["response"] == "Writer 3: after"
    assert told == [
        "Writer 1: paris",
        "Critic 1: Writer 1: paris",
        "Writer 2: Critic 1: Writer 1: paris",
    ]
    assert published == ["published: Editor 1: london (fine)"]
    # what had been answered is not asked again, what had not is
    assert (model.asked("paris"), model.asked("london")) == (1, 1)
    assert min(model.asked("in the middle"), model.asked("Writer 1: paris")) > 1
