"""Chaining, with what is done when a step fails; fan-out and fan-in."""

from dataclasses import dataclass

import azure.durable_functions as df
from durabletask import task

bp = df.Blueprint()


@dataclass
class Article:
    topic: str
    text: str


@bp.orchestration_trigger(context_name="context")
def publish_article(ctx: task.OrchestrationContext, topic: str):
    try:
        text = yield ctx.call_activity(write_draft, input=topic)
        text = yield ctx.call_activity("proofread", input=text)
        address = yield ctx.call_activity(publish, input=Article(topic, text))
    except task.TaskFailedError as error:
        yield ctx.call_activity(discard, input=topic)
        return f"discarded: {error.details.error_type}: {error.details.message}"
    return address


@bp.activity_trigger(input_name="input")
def write_draft(ctx: task.ActivityContext, topic: str) -> str:
    return f"about {topic} teh"


@bp.activity_trigger(input_name="text")
async def proofread(text: str) -> str:
    if "forbidden" in text:
        raise ValueError("this will not be printed")
    return text.replace("teh", "the")


@bp.activity_trigger(input_name="input")
def publish(ctx: task.ActivityContext, article: Article) -> str:
    return f"/{article.topic}?words={len(article.text.split())}"


@bp.activity_trigger(input_name="topic")
def discard(topic: str) -> None:
    return None


@bp.orchestration_trigger(context_name="context", orchestration="CountWords")
def count_all(ctx: task.OrchestrationContext, texts: list[str]):
    counts = yield task.when_all([ctx.call_activity(count_words, input=text) for text in texts])
    return {"counts": counts, "total": sum(counts)}


@bp.activity_trigger(input_name="text")
def count_words(text: str) -> int:
    return len(text.split())
