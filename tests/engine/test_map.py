"""`context.map`: a window over many calls, taken live and replayed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from durable.engine.context import DurableOrchestrationContext as Context
from durable.engine.execution import Execution
from durable.errors import ActivityFailedError, InvalidRequestError
from durable.model.calls import CallOptions
from durable.model.events import Arrival, TaskScheduled
from durable.model.instance import OrchestrationRuntimeStatus as Status
from durable.model.retry import RetryPolicy
from tests.engine.driving import Driven, done, failed


def open_calls(driven: Driven) -> list[int]:
    return sorted(driven.execution.outstanding)


async def squares(context: Context) -> Any:
    count, limit = context.get_input(list)
    return await context.map("square", range(count), limit=limit)


def test_no_more_than_the_limit_and_results_in_order() -> None:
    driven = Driven(squares, [5, 2])
    driven.turn()
    assert open_calls(driven) == [0, 1]
    driven.turn(done(1, 1))
    assert open_calls(driven) == [0, 2]
    driven.turn(done(2, 4), done(0, 0))
    assert open_calls(driven) == [3, 4]
    driven.turn(done(4, 16))
    driven.turn(done(3, 9))
    assert driven.last.output == "[0,1,4,9,16]"


def test_without_a_limit_all_are_begun() -> None:
    driven = Driven(squares, [30, None])
    driven.turn()
    assert open_calls(driven) == [*range(30)]


@pytest.mark.parametrize("limit", [None, 1, 7])
def test_of_nothing_it_is_an_empty_list(limit: int | None) -> None:
    assert Driven(squares, [0, limit]).turn().output == "[]"


def test_a_failure_ends_it_once_those_that_were_begun_have_ended() -> None:
    async def careful(context: Context) -> Any:
        try:
            return await context.map("square", range(10), limit=3)
        except ActivityFailedError as error:
            return str(error)

    driven = Driven(careful)
    driven.turn()
    driven.turn(failed(1, "first"))
    assert open_calls(driven) == [0, 2]
    driven.turn(failed(0, "second"))
    driven.turn(done(2))
    assert "first" in str(driven.last.output)
    assert len([e for e in driven.events if isinstance(e, TaskScheduled)]) == 3


def test_a_retry_keeps_its_place() -> None:
    async def code(context: Context) -> Any:
        interval = timedelta(seconds=1)
        policy = RetryPolicy(first_retry_interval=interval, max_number_of_attempts=2)
        return await context.map("square", [7, 8], limit=1, retry=policy)

    driven = Driven(code)
    driven.turn()
    driven.turn(failed(0))
    # only its timer
    assert len(driven.execution.outstanding) == 1
    for event in [each.event for each in driven.execution.due(driven.now + timedelta(seconds=2))]:
        driven.turn(event, after=2)  # type: ignore[arg-type]
    (task,) = open_calls(driven)
    driven.turn(done(task, 49))
    (task,) = open_calls(driven)
    driven.turn(done(task, 64))
    assert driven.last.output == "[49,64]"


def test_options_and_keys_are_those_of_each_call() -> None:
    async def code(context: Context) -> Any:
        return await context.map("pay", ["a", "b"], key_of=lambda item: f"of-{item}", priority=2)

    events = Driven(code).turn().turn.events[1:]
    asked = [event.options for event in events if isinstance(event, TaskScheduled)]
    assert asked == [CallOptions(priority=2, key="of-a"), CallOptions(priority=2, key="of-b")]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"limit": 0}, "positive int as limit"),
        ({"limit": True}, "positive int as limit"),
        ({"key": "a", "key_of": str}, "or key_of for each"),
        ({"items": "abc"}, "pass a list"),
        ({"items": 5}, "items to go through, not int"),
        ({"key_of": "id"}, "a function of an item"),
        ({"retry": 3}, "retry takes a RetryPolicy, not int"),
        ({"key_of": lambda item: ""}, "not empty as key"),
    ],
)
def test_what_is_refused(arguments: dict[str, Any], says: str) -> None:
    async def code(context: Context) -> Any:
        try:
            await context.map("pay", **{"items": [1, 2], **arguments})
        except InvalidRequestError as error:
            return str(error)

    assert says in str(Driven(code).turn().output)


def test_of_ten_thousand_fifty_are_outstanding() -> None:
    driven = Driven(squares, [10_000, 50])
    execution: Execution = driven.execution
    execution.turn([], now=driven.now, nonce="0")
    done_so_far = most = 0
    while done_so_far < 10_000:
        some = sorted(execution.outstanding)
        most = max(most, len(some))
        arrivals = [Arrival(done(task, 0), execution.execution_id) for task in some]
        commit = execution.turn(arrivals, now=driven.now, nonce=str(done_so_far))
        done_so_far += len(some)
    assert most == 50
    assert commit.status is Status.COMPLETED
