"""What an entity remembers of the messages it took."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from durable.engine.entities import EntityExecution, trace_of
from durable.model.events import Arrival, EntityLock, EntityOperation, EntityUnlock, Turn
from durable.model.instance import Parent

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CALLER = Parent("the-caller", "its-life", "its-execution", 7)


def entity(*turns: Turn) -> EntityExecution:
    return EntityExecution("@counter@a", "own", len(turns), None, None, turns)


def remembering(message: str) -> Turn:
    return Turn(0, NOW, "n", (), nonce="n", seen=((message, NOW),))


@pytest.mark.parametrize("kept", ["e.1", trace_of("e.1")], ids=["as format 1 has it", "by trace"])
def test_a_repeat_of_what_was_taken_is_dropped(kept: str) -> None:
    execution = entity(remembering(kept))
    repeat, other = EntityOperation("e.1", "add"), EntityOperation("e.10", "add")
    execution.begin([("one", Arrival(repeat)), ("two", Arrival(other))], NOW)
    assert execution.next() == other
    assert execution.next() is None
    assert execution.consumed == ["one", "two"]


def test_what_is_remembered_does_not_say_whose_it_was() -> None:
    execution = entity()
    message = f"{CALLER.execution_id}.{CALLER.task_id}"
    release = EntityUnlock(f"{message}.release", CALLER)
    lock = EntityLock(message, CALLER)
    execution.begin([("lock", Arrival(lock)), ("release", Arrival(release))], NOW)
    assert execution.next() is None
    remembered = [each for each, _ in execution.commit("n").turn.seen]
    assert remembered == [trace_of(message), trace_of(release.message_id)]
    assert CALLER.execution_id not in "".join(remembered)
    assert [trace_of(each) for each in remembered] == remembered
    execution.begin([("again", Arrival(lock))], NOW + timedelta(seconds=1))
    assert execution.consumed == ["again"]
