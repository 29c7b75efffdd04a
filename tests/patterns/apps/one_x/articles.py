"""Chaining, with what is done when a step fails; fan-out and fan-in."""

import azure.durable_functions as df

bp = df.Blueprint()


@bp.orchestration_trigger(context_name="context")
def publish_article(context: df.DurableOrchestrationContext):
    topic = context.get_input()
    try:
        text = yield context.call_activity("write_draft", topic)
        text = yield context.call_activity("proofread", text)
        address = yield context.call_activity("publish", {"topic": topic, "text": text})
    except Exception as error:
        yield context.call_activity("discard", topic)
        return f"discarded: {type(error).__name__}"
    return address


@bp.activity_trigger(input_name="topic")
def write_draft(topic: str) -> str:
    return f"about {topic} teh"


@bp.activity_trigger(input_name="text")
async def proofread(text: str) -> str:
    if "forbidden" in text:
        raise ValueError("this will not be printed")
    return text.replace("teh", "the")


@bp.activity_trigger(input_name="article")
def publish(article: dict) -> str:
    return f"/{article['topic']}?words={len(article['text'].split())}"


@bp.activity_trigger(input_name="topic")
def discard(topic: str):
    return None


@bp.orchestration_trigger(context_name="context", orchestration="CountWords")
def count_all(context: df.DurableOrchestrationContext):
    texts = context.get_input()
    tasks = []
    for text in texts:
        tasks.append(context.call_activity("count_words", text))
    counts = yield context.task_all(tasks)
    return {"counts": counts, "total": sum(counts)}


@bp.activity_trigger(input_name="text")
def count_words(text: str) -> int:
    return len(text.split())
