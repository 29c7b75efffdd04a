"""Unit tests as users of Durable Functions write them, with mocks in the place of contexts and
clients."""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock, Mock, create_autospec, patch

import azure.functions as func
import pytest

from tests.compat.running import aliased

NAME = "tests.compat.apps.trips"


@pytest.fixture
def trips() -> Iterator[Any]:
    with aliased():
        sys.modules.pop(NAME, None)
        yield importlib.import_module(NAME)
    sys.modules.pop(NAME, None)


@patch("azure.durable_functions.models.TaskBase")
def mocked(result: Any, task: Any) -> Any:
    task.result = result
    return task


def user_function(builder: Any) -> Any:
    return builder.build().get_user_function()


def test_an_orchestrator_with_a_mocked_context(trips: Any) -> None:
    with patch("azure.durable_functions.DurableOrchestrationContext") as context:
        context.get_input = Mock(return_value={"part": "train", "reference": "r"})
        context.call_activity_with_retry = Mock(side_effect=lambda *_: mocked("train #1"))
        context.instance_id, context.parent_instance_id = "one:0", "one"
        context.function_context = Mock()
        orchestrator = user_function(trips.book_part).orchestrator_function
        from azure.durable_functions.testing.OrchestratorGeneratorWrapper import (  # type: ignore[import-untyped]
            orchestrator_generator_wrapper,
        )

        *steps, last = orchestrator_generator_wrapper(orchestrator(context))
    assert [step.result for step in steps] == ["train #1"]
    assert (last["number"], last["parent"]) == ("train #1", "one")
    (name, options, part), _ = context.call_activity_with_retry.call_args
    assert (name, options.max_number_of_attempts, part) == ("book", 3, "train")


def test_a_starter_with_a_mocked_client(trips: Any) -> None:
    import azure.durable_functions as df  # type: ignore[import-untyped]

    client = AsyncMock(spec=df.DurableOrchestrationClient)
    client.start_new.return_value = "one"
    answer = func.HttpResponse("done")
    client.wait_for_completion_or_create_check_status_response.return_value = answer
    body = {"who": "Ada", "parts": []}
    request = func.HttpRequest("POST", "/api/trips", body=json.dumps(body).encode())
    starter = user_function(trips.book_trip_http).client_function
    assert asyncio.run(starter(request, client)) is answer
    client.start_new.assert_awaited_once_with("BookTrip", client_input=body)
    with pytest.raises(AttributeError):
        client.begin_new("BookTrip")


def test_specifications_of_the_classes() -> None:
    with aliased():
        import azure.durable_functions as df

        context = create_autospec(df.DurableOrchestrationContext, instance=True)
        entity = create_autospec(df.DurableEntityContext, instance=True)
        with patch.object(df, "DurableOrchestrationClient") as replaced:
            assert df.DurableOrchestrationClient is replaced
        assert isinstance(df.DurableOrchestrationClient, type)
    context.call_activity("greet", {"a": 1})
    entity.get_state(lambda: 0)
    with pytest.raises(TypeError):
        context.call_activity()
    with pytest.raises(TypeError):
        context.task_all(1, 2)


def test_an_activity_is_a_function(trips: Any, tmp_path: Path) -> None:
    assert user_function(trips.book)("train") == "train #1"
    assert trips.undo("train") == "train"
