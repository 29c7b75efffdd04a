"""Tasks that users make themselves, as packages on Durable Functions do."""

from __future__ import annotations

from collections.abc import Generator
from datetime import UTC, datetime
from typing import Any

import pytest

import durable as df
from durable.compat.v1 import actions
from durable.compat.v1.actions import (
    CallActivityAction,
    CreateTimerAction,
    NoOpAction,
    WhenAllAction,
)
from durable.compat.v1.tasks import AtomicTask, CompoundTask, TaskBase, TaskState, WhenAllTask
from durable.compat.v2 import task
from durable.errors import InvalidRequestError
from tests.compat.running import run

Code = Generator[Any, Any, Any]


class Ready(TaskBase):
    """Ended before anybody waits for it."""

    def __init__(self, result: Any) -> None:
        super().__init__(-1, NoOpAction())
        self.set_value(is_error=False, value=result)


class Shouted(CompoundTask):
    """Another task's result, in capitals."""

    def __init__(self, inner: TaskBase) -> None:
        super().__init__([inner])
        self.action_repr = inner.action_repr
        self.id = inner.id

    def try_set_value(self, child: TaskBase) -> None:
        if child.state is TaskState.SUCCEEDED:
            assert not self.pending_tasks
            self.set_value(is_error=False, value=child.result.upper())
        elif self._first_error is None:
            self._first_error = child.result
            self.set_value(is_error=True, value=KeyError(str(child.result)))


class Counted(task.CompositeTask[int], task.CompletableTask[int]):
    """How many characters another task's result has."""

    def __init__(self, inner: Any) -> None:
        self.told = 0
        super().__init__([inner])

    def on_child_completed(self, child: task.Task[Any]) -> None:
        self.told += 1
        if child.is_failed:
            self.fail("it has no length", child.get_exception())
        else:
            self.complete(len(child.get_result()))


@pytest.fixture
def app() -> df.DFApp:
    app = df.DFApp()

    @app.activity_trigger(input_name="text")
    def echo(text: str) -> str:
        if text == "bad":
            raise ValueError("bad text")
        return text

    return app


async def test_a_compound_task_of_users_has_its_own_value_or_error(app: df.DFApp) -> None:
    @app.orchestration_trigger(context_name="context")
    def shout(context: Any) -> Code:
        one = yield Shouted(context.call_activity("echo", "one"))
        two = yield context.task_all([Shouted(Ready("two")), Shouted(Ready("three"))])
        first = yield context.task_any([Shouted(context.call_activity("echo", "x"))])
        try:
            yield Shouted(context.call_activity("echo", "bad"))
        except KeyError as error:
            return [one, two, first.result, "bad text" in str(error)]

    assert await run(app, "shout") == ["ONE", ["TWO", "THREE"], "X", True]


async def test_a_composite_task_of_users_has_its_own_value_or_error(app: df.DFApp) -> None:
    @app.orchestration_trigger(context_name="context")
    def count(ctx: Any, _: Any) -> Code:
        three = Counted(ctx.call_activity("echo", input="abc"))
        four, five = Counted(Ready("four")), Counted(Ready("fives"))
        lengths = yield task.when_all([three, four, five, three])
        try:
            yield Counted(ctx.call_activity("echo", input="bad"))
        except task.TaskFailedError as error:
            return [lengths, three.told, four.told, error.details.error_type]

    assert await run(app, "count") == [[3, 4, 5, 3], 1, 1, "ValueError"]


async def test_a_hook_that_raises_fails_the_task(app: df.DFApp) -> None:
    class Broken(CompoundTask):
        def try_set_value(self, child: TaskBase) -> None:
            raise LookupError("in the hook")

    class AlsoBroken(task.CompositeTask[Any]):
        def on_child_completed(self, child: Any) -> None:
            raise LookupError("in the hook")

    @app.orchestration_trigger(context_name="context")
    def broken(context: Any) -> Code:
        caught = []
        for kind in (Broken, AlsoBroken):
            try:
                yield kind([context.call_activity("echo", "a")])
            except LookupError as error:
                caught.append(str(error))
        return caught

    assert await run(app, "broken") == ["in the hook", "in the hook"]


def test_a_task_ends_once() -> None:
    one = Ready(1)
    one.set_value(is_error=True, value=ValueError())
    assert (one.state, one.result) == (TaskState.SUCCEEDED, 1)
    two = task.CompletableTask[int]()
    with pytest.raises(ValueError, match="not completed"):
        two.get_result()
    assert two.get_exception() is None
    two.complete(2)
    with pytest.raises(ValueError, match="already completed"):
        two.complete(3)
    with pytest.raises(ValueError, match="already completed"):
        two.fail("so", ValueError())
    assert two.result == 2


def test_a_failure_has_its_cause() -> None:
    failed = task.CompletableTask[int]()
    failed.fail("the message", OSError("the cause"))
    with pytest.raises(task.TaskFailedError, match="the message") as raised:
        failed.get_result()
    assert raised.value.details.error_type == "OSError"


def test_a_running_task_of_1x_cannot_be_set_running_or_failed_without_an_error() -> None:
    running = TaskBase(1, [])
    with pytest.raises(ValueError, match="RUNNING"):
        running.change_state(TaskState.RUNNING)
    with pytest.raises(TypeError, match="not an Exception"):
        running.set_value(is_error=True, value="text")
    running.set_value(is_error=True, value=_failed())
    assert isinstance(running.result, OSError)


def _failed() -> TaskBase:
    failed = TaskBase(2, NoOpAction())
    failed.set_value(is_error=True, value=OSError("so"))
    return failed


def test_compounds_name_what_is_no_task() -> None:
    with pytest.raises(InvalidRequestError, match="got dict"):
        WhenAllTask([{}])  # type: ignore[list-item]
    with pytest.raises(NotImplementedError, match="try_set_value"):
        CompoundTask([AtomicTask(1, NoOpAction())]).try_set_value(None)


def test_actions_are_data() -> None:
    assert CallActivityAction("act", 1).to_json() == {
        "actionType": 0,
        "functionName": "act",
        "input": "1",
    }
    assert WhenAllAction([NoOpAction("x")]).to_json()["compoundActions"] == [
        {"actionType": -1, "metadata": "x"}
    ]
    with pytest.raises(ValueError, match="datetime"):
        CreateTimerAction("soon")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="empty"):
        CallActivityAction("")


def test_actions_are_json_as_the_protocol_of_1x_has_it() -> None:
    retry, entity = df.RetryOptions(5000, 3), df.EntityId("Name", "k")
    due = datetime(2026, 1, 2, tzinfo=UTC)
    found = [
        actions.CallActivityAction("f", 1),
        actions.CallActivityWithRetryAction("f", retry),
        actions.CallSubOrchestratorAction("f", "a", "id", "1.0"),
        actions.CallSubOrchestratorWithRetryAction("f", retry, None, "id"),
        actions.CallEntityAction(entity, "add", 1),
        actions.SignalEntityAction(entity, "add", [1]),
        actions.CallHttpAction(df.DurableHttpRequest("GET", "http://x")),
        actions.ContinueAsNewAction(4),
        actions.CreateTimerAction(due),
        actions.WaitForExternalEventAction("e"),
        actions.WhenAnyAction([actions.CallActivityAction("f", 1)]),
    ]
    options = {"firstRetryIntervalInMilliseconds": 5000, "maxNumberOfAttempts": 3}
    called = {"actionType": 0, "functionName": "f", "input": "1"}
    assert [each.to_json() for each in found] == [
        called,
        {"actionType": 1, "functionName": "f", "input": "null", "retryOptions": options},
        {
            "actionType": 2,
            "functionName": "f",
            "input": '"a"',
            "instanceId": "id",
            "version": "1.0",
        },
        {
            "actionType": 3,
            "functionName": "f",
            "input": "null",
            "instanceId": "id",
            "retryOptions": options,
        },
        {"actionType": 7, "instanceId": "@name@k", "operation": "add", "input": "1"},
        {"actionType": 9, "instanceId": "@name@k", "operation": "add", "input": "[1]"},
        {"actionType": 8, "httpRequest": {"method": "GET", "uri": "http://x"}},
        {"actionType": 4, "input": "4"},
        {"actionType": 5, "fireAt": "2026-01-02T00:00:00.000000Z", "isCanceled": False},
        {"actionType": 6, "externalEventName": "e", "reason": "ExternalEvent"},
        {"actionType": 11, "compoundActions": [called]},
    ]
    assert {each.action_type for each in found} <= set(actions.ActionType)
    with pytest.raises(ValueError, match="function_name"):
        actions.CallActivityAction("")
