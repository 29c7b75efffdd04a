"""Chaining, with what is done when a step fails; fan-out and fan-in."""

from __future__ import annotations

from dataclasses import dataclass

import durable as df

bp = df.Blueprint()


@dataclass
class Article:
    topic: str
    text: str


@dataclass
class Counts:
    counts: list[int]
    total: int


@bp.orchestration_trigger(context_name="context")
async def publish_article(context: df.DurableOrchestrationContext) -> str:
    topic = context.get_input(str)
    try:
        text = await context.call_activity(write_draft, topic)
        text = await context.call_activity(proofread, text)
        return await context.call_activity(publish, Article(topic, text))
    except df.ActivityFailedError as error:
        await context.call_activity(discard, topic)
        return f"discarded: {error.details.error_type}: {error.details.message}"


@bp.activity_trigger(input_name="topic")
def write_draft(topic: str) -> str:
    return f"about {topic} teh"


@bp.activity_trigger(input_name="text")
async def proofread(text: str) -> str:
    if "forbidden" in text:
        raise ValueError("this will not be printed")
    return text.replace("teh", "the")


@bp.activity_trigger(input_name="article")
def publish(article: Article) -> str:
    return f"/{article.topic}?words={len(article.text.split())}"


@bp.activity_trigger(input_name="topic")
def discard(topic: str) -> None:
    return None


@bp.orchestration_trigger(context_name="context", orchestration="CountWords")
async def count_all(context: df.DurableOrchestrationContext) -> Counts:
    texts = context.get_input(list[str])
    counts = await context.when_all([context.call_activity(count_words, text) for text in texts])
    return Counts(counts, sum(counts))


@bp.activity_trigger(input_name="text")
def count_words(text: str) -> int:
    return len(text.split())
