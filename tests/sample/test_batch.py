"""The batch: the window, the fan-in, and what a failing item does."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sample.driver import Instance


def count(item: dict[str, Any]) -> int:
    if not item["text"]:
        raise ValueError("blank")
    return len(item["text"].split())


def start(items: list[str], limit: int) -> Instance:
    value = {"items": items, "limit": limit}
    return Instance("process_batch", value, {"count_words": count})


@pytest.mark.parametrize(("size", "limit"), [(1, 10), (10, 10), (200, 7), (30, 1)])
def test_never_more_than_the_limit_and_never_fewer_than_possible(size: int, limit: int) -> None:
    batch = start(["two words"] * size, limit)
    for done in range(size):
        assert len(batch.execution.outstanding) == min(limit, size - done)
        batch.step()
    assert batch.output == {"items": size, "words": 2 * size, "failed": []}
    assert batch.survives_a_crash_before_any_turn()


def test_progress_is_shown_after_each_item() -> None:
    batch = start(["a", "b c", "d e f"], 2)
    batch.run()
    assert [status["done"] for status in batch.statuses] == [1, 2, 3]
    assert batch.statuses[-1] == {"done": 3, "of": 3, "running": 0, "failed": 0}
    assert batch.output["words"] == 6


def test_an_item_that_fails_is_tried_again_and_then_reported() -> None:
    batch = start(["one", "", "three words now"], 2)
    batch.run()
    batch.advance(minutes=1)
    assert [item["text"] for _, item in batch.calls].count("") == 3
    assert batch.output == {"items": 3, "words": 4, "failed": [1]}
    assert batch.survives_a_crash_before_any_turn()


def test_an_empty_batch_ends_at_once() -> None:
    batch = start([], 5)
    assert batch.output == {"items": 0, "words": 0, "failed": []}
