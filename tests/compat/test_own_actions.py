"""Actions and races of 1.x that packages on Durable Functions derive from, or look into."""

from __future__ import annotations

from collections.abc import Generator
from datetime import timedelta
from typing import Any

import pytest

from durable.compat import apps
from tests.compat.running import aliased, hub_of, outcome, result

Code = Generator[Any, Any, Any]


@pytest.fixture
def app() -> apps.DFApp:
    app = apps.DFApp()

    @app.activity_trigger(input_name="text")
    def echo(text: str) -> str:
        if text == "bad":
            raise ValueError(text)
        return text

    return app


def test_actions_of_ones_own() -> None:
    with aliased():
        from azure.durable_functions.models.actions import (  # type: ignore[import-untyped]
            Action,
            CallActivityAction,
        )
        from azure.durable_functions.models.actions.CompoundAction import (  # type: ignore[import-untyped]
            CompoundAction,
        )

    class Batch(CompoundAction):  # type: ignore[misc]
        @property
        def action_type(self) -> int:
            return 99

    class Silent(Action):  # type: ignore[misc]
        pass

    calls = [CallActivityAction("echo", "a"), CallActivityAction("echo", "b")]
    batch = Batch(calls)
    assert isinstance(batch, Action)
    assert batch.compound_tasks == calls
    assert batch.to_json() == {
        "actionType": 99,
        "compoundActions": [
            {"actionType": 0, "functionName": "echo", "input": '"a"'},
            {"actionType": 0, "functionName": "echo", "input": '"b"'},
        ],
    }
    for abstract, arguments in ((Action, ()), (CompoundAction, ([],)), (Silent, ())):
        with pytest.raises(TypeError, match="abstract"):
            abstract(*arguments)


async def test_a_race_says_who_won(app: apps.DFApp) -> None:
    with aliased():
        from azure.durable_functions.models.actions import WhenAnyAction
        from azure.durable_functions.models.Task import (  # type: ignore[import-untyped]
            TaskState,
            WhenAnyTask,
        )

    @app.orchestration_trigger(context_name="context")
    def race(context: Any) -> Code:
        slow = context.create_timer(context.current_utc_datetime + timedelta(days=1))
        fast = context.call_activity("echo", context.get_input())
        both = context.task_any([slow, fast])
        assert isinstance(both, WhenAnyTask)
        assert isinstance(both.action_repr, WhenAnyAction)
        assert (both.state, both.result) == (TaskState.RUNNING, None)
        assert (both.pending_tasks, slow.parent) == ({slow, fast}, both)
        winner = yield both
        assert (both.state, both.result) == (TaskState.SUCCEEDED, winner)
        assert both.completed_tasks == [winner]
        slow.cancel()
        return [winner is fast, winner.state.name, str(winner.result)]

    async with hub_of(app) as hub:
        assert await outcome(hub, "race", "ok") == [True, "SUCCEEDED", "ok"]
        lost = await outcome(hub, "race", "bad")
        assert lost[:2] == [True, "FAILED"]
        assert "ValueError: bad" in lost[2]


async def test_races_of_races_and_of_nobody(app: apps.DFApp) -> None:
    @app.orchestration_trigger(context_name="context")
    def nested(context: Any) -> Code:
        event = context.wait_for_external_event("go")
        all_of_them = context.task_all([context.call_activity("echo", t) for t in ("a", "b")])
        winner = yield context.task_any([context.task_any([event]), all_of_them])
        return [winner is all_of_them, winner.result, (yield context.task_any([]))]

    async with hub_of(app) as hub:
        await hub.client.start_new("nested", "one")
        assert result(await hub.wait("one")) == [True, ["a", "b"], None]
