"""What a failure says: bounded, with the app's properties, matched by class and by name."""

from __future__ import annotations

import enum
import json
import logging
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from durable.errors import ActivityFailedError
from durable.model.failure import MAX_JSON, MAX_LEVELS, MAX_MESSAGE, FailureDetails
from tests.memory_hub import MemoryHub


class Declined(ValueError):
    pass


class DeclinedForever(Declined):
    pass


class Telling:
    """Answers with what it was given, or by calling it."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.asked: list[Exception] = []

    def get_exception_properties(self, exception: Exception) -> Mapping[str, Any] | None:
        self.asked.append(exception)
        answer: Mapping[str, Any] | None = (
            self.answer(exception) if callable(self.answer) else self.answer
        )
        return answer


def chained(messages: list[str]) -> Exception:
    error: Exception | None = None
    for message in reversed(messages):
        outer = ValueError(message)
        outer.__cause__, error = error, outer
    assert error is not None
    return error


def levels(failure: FailureDetails | None) -> list[FailureDetails]:
    found = []
    while failure is not None:
        found.append(failure)
        failure = failure.inner_failure
    return found


def size(failure: FailureDetails) -> int:
    return len(json.dumps(failure.to_dict()))


@pytest.mark.parametrize(
    "messages",
    [["\N{SNOWMAN}" * MAX_MESSAGE], ["x" * MAX_MESSAGE] * 9, ["\n" * 100_000] * 9],
    ids=["escaped", "deep", "both"],
)
def test_no_failure_outgrows_a_row(messages: list[str]) -> None:
    failure = FailureDetails.from_exception(chained(messages))
    assert size(failure) <= MAX_JSON
    found = levels(failure)
    assert len(found) == len(messages)
    assert all(each.message[0] == each.message[-1] == messages[0][0] for each in found)
    assert FailureDetails.from_dict(failure.to_dict()) == failure


def test_a_short_failure_is_left_whole() -> None:
    failure = FailureDetails.from_exception(chained(["x" * 5_000] * 3))
    assert [each.message for each in levels(failure)] == ["x" * 5_000] * 3


def test_a_long_chain_through_tasks_keeps_its_ends() -> None:
    failure = FailureDetails("the first", "ValueError", "a line\n" * 1_000)
    for depth in range(200):
        error = ActivityFailedError(f"level {depth} {'x' * 300}", failure)
        failure = FailureDetails.from_exception(error)
        assert size(failure) <= MAX_JSON
    found = levels(failure)
    assert len(found) > MAX_LEVELS / 2
    assert found[0].message.startswith("level 199")
    assert found[-1].message == "the first"


async def test_an_instance_that_fails_at_length_has_failed() -> None:
    hub = MemoryHub()

    @hub.orchestrator
    async def flow(context: Any) -> None:
        raise chained(["\N{SNOWMAN}" * MAX_MESSAGE] * 9)

    async with hub:
        status = await hub.wait(await hub.client.start_new("flow"))
    assert str(status.runtime_status) == "Failed"


# ---- properties ----


class Colour(enum.StrEnum):
    RED = "red"


def test_properties_are_of_jsons_types() -> None:
    given = {
        "code": 51,
        "ratio": Decimal("0.5"),
        "nothing": None,
        "yes": True,
        "far": float("inf"),
        "colour": Colour.RED,
        "raw": b"\x00",
        "inner": {1: (1, 2.5, {"a"})},
    }
    failure = FailureDetails.from_exception(Declined("no"), provider=Telling(given))
    assert failure.properties == {
        "code": 51,
        "ratio": 0.5,
        "nothing": None,
        "yes": True,
        "far": "inf",
        "colour": "red",
        "raw": "b'\\x00'",
        "inner": {"1": [1, 2.5, "{'a'}"]},
    }
    assert json.loads(json.dumps(failure.to_dict()))["properties"] == failure.properties
    assert FailureDetails.from_dict(json.loads(json.dumps(failure.to_dict()))) == failure
    assert hash(failure) == hash(FailureDetails.from_dict(failure.to_dict()))


def test_each_exception_of_a_chain_is_asked_for() -> None:
    provider = Telling(lambda error: {"says": str(error)})
    failure = FailureDetails.from_exception(chained(["outer", "inner"]), provider=provider)
    assert [each.properties for each in levels(failure)] == [{"says": "outer"}, {"says": "inner"}]
    task = ActivityFailedError("activity", failure)
    passed_on = FailureDetails.from_exception(task, provider=provider)
    assert passed_on.inner_failure == failure
    assert provider.asked[-1] is task


def _broken(error: Exception) -> Mapping[str, Any]:
    raise LookupError("no such thing")


@pytest.mark.parametrize(
    ("answer", "why"),
    [(_broken, "no such thing"), (["a"], "mapping"), ({"a": "x" * 4_000}, "characters")],
)
def test_a_failure_goes_without_what_cannot_be_told(
    answer: Any, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        failure = FailureDetails.from_exception(Declined("no"), provider=Telling(answer))
    assert (failure.message, failure.properties) == ("no", None)
    assert why in caplog.text
    assert "Declined" in caplog.text


def test_nothing_to_tell_is_nothing_stored() -> None:
    nothings: tuple[Any, ...] = (None, {})
    for nothing in nothings:
        failure = FailureDetails.from_exception(Declined("no"), provider=Telling(nothing))
        assert "properties" not in failure.to_dict()


def test_failures_stored_before_there_were_properties_are_read() -> None:
    old = {"message": "no", "type": "ValueError", "inner": {"message": "a", "type": "b.C"}}
    failure = FailureDetails.from_dict(old)
    assert [each.properties for each in levels(failure)] == [None, None]
    assert failure.to_dict() == old


# ---- causes ----


def test_classes_stand_for_their_subclasses_as_far_as_they_are_known() -> None:
    failure = FailureDetails.from_exception(DeclinedForever("no"))
    for kind in (DeclinedForever, Declined, ValueError, Exception):
        assert failure.is_caused_by(kind)
    assert not failure.is_caused_by(OSError, KeyError)
    assert FailureDetails("gone", "FileNotFoundError").is_caused_by(OSError)
    # of a module that nobody has imported
    assert not FailureDetails("no", "unheard.of.Declined").is_caused_by(ValueError)


def test_causes_count_and_names_stand_for_themselves() -> None:
    error = RuntimeError("outer")
    error.__cause__ = DeclinedForever("inner")
    failure = FailureDetails.from_exception(error)
    assert failure.is_caused_by(Declined)
    assert failure.is_caused_by("DeclinedForever")
    assert failure.is_caused_by(f"{__name__}.DeclinedForever")
    assert not failure.is_caused_by("Declined", "elsewhere.DeclinedForever")


@pytest.mark.parametrize("wrong", [int, 5, Declined("an instance")])
def test_anything_else_is_no_cause(wrong: Any) -> None:
    with pytest.raises(TypeError, match="exception classes and names"):
        FailureDetails("no", "ValueError").is_caused_by(wrong)
