"""Small activities without effects."""

from __future__ import annotations

import time

import durable as df
from orchestrators.models import Item

bp = df.Blueprint()


@bp.activity_trigger(input_name="city")
async def say_hello(city: str) -> str:
    """An async activity runs on the event loop: it must not block."""
    return f"Hello {city}!"


@bp.activity_trigger(input_name="item")
def count_words(item: Item) -> int:
    """A sync activity runs in a thread: it may block. Raises ValueError for a blank text."""
    time.sleep(item.seconds)
    words = len(item.text.split())
    if words == 0:
        raise ValueError("the text is blank")
    return words
