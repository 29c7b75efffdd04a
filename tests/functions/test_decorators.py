"""What the decorators register, and what they refuse while an app is imported."""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from types import FunctionType
from typing import Any, assert_type

import azure.functions as func
import pytest

import durable as df
from durable.errors import DefinitionError, UnknownFunctionError
from durable.model.functions import ActivityDefinition, name_of


def add_one(number: int) -> int:
    return number + 1


async def run(context: df.DurableOrchestrationContext) -> None:
    return None


async def use(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> str:
    return f"{req.method} {client}"


def new(function: Any) -> Any:
    """A function of its own, since a decorated one keeps its name."""
    return FunctionType(
        function.__code__, function.__globals__, function.__name__, function.__defaults__
    )


def test_a_decorated_function_can_be_called_as_before() -> None:
    app = df.DFApp()
    activity = app.activity_trigger(input_name="number")(add_one)
    assert assert_type(activity(2), int) == 3


def test_a_function_with_a_client_is_called_with_any_client() -> None:
    app = df.DFApp()
    decorated = app.route(route="x")(app.durable_client_input(client_name="client")(new(use)))
    request = func.HttpRequest("GET", "/", body=b"")
    coroutine = decorated(request, client="a fake")
    with pytest.raises(StopIteration, match="GET a fake"):
        coroutine.send(None)


def test_definitions_are_in_the_registry() -> None:
    app = df.DFApp()
    function = new(add_one)
    app.activity_trigger(input_name="number", queued=True)(function)
    app.orchestration_trigger(context_name="context")(new(run))
    assert app.durable.registry.activities == {
        "add_one": ActivityDefinition("add_one", function, "number", queued=True)
    }
    assert list(app.durable.registry.orchestrators) == ["run"]


@pytest.mark.parametrize("explicit", [None, "explicit"])
@pytest.mark.parametrize("above", [False, True])
def test_names(explicit: str | None, above: bool) -> None:
    app = df.DFApp()
    named = app.function_name("named")
    activity = app.activity_trigger(input_name="number", activity=explicit)
    orchestrator = app.orchestration_trigger(context_name="context", orchestration=explicit)
    decorated = [
        named(decorate(new(function))) if above else decorate(named(new(function)))
        for decorate, function in ((activity, add_one), (orchestrator, run))
    ]
    expected = explicit or "named"
    assert list(app.durable.registry.activities) == [expected]
    assert list(app.durable.registry.orchestrators) == [expected]
    assert [name_of(each) for each in decorated] == [expected, expected]


async def generator(number: int) -> AsyncIterator[int]:
    yield number


def plain_generator(number: int) -> Iterator[int]:
    yield number


def two(context: Any, more: int) -> Iterator[Any]:
    yield more


def three(context: Any, more: int, most: int) -> Iterator[Any]:
    yield most


def needy(req: func.HttpRequest, client: Any, more: int) -> str:
    return ""


def none() -> None:
    return None


@pytest.mark.parametrize(
    ("decorate", "function", "problem"),
    [
        (lambda app: app.activity_trigger(input_name="order"), add_one, "parameters are 'number'"),
        (lambda app: app.activity_trigger(input_name="order"), none, "it has no parameters"),
        (lambda app: app.activity_trigger(input_name="more"), two, "cannot yield"),
        (lambda app: app.activity_trigger(input_name="number"), generator, "cannot yield"),
        (lambda app: app.activity_trigger(input_name="number"), plain_generator, "cannot yield"),
        (lambda app: app.activity_trigger(input_name="more"), needy, "'req', 'client' can have"),
        (lambda app: app.activity_trigger("number", activity="a b"), add_one, "named 'a b'"),
        (lambda app: app.activity_trigger("number", activity=""), add_one, "named ''"),
        (lambda app: app.activity_trigger("number", concurrency=0), add_one, "from 1 to"),
        (lambda app: app.activity_trigger("number", key_concurrency=True), add_one, "from 1 to"),
        (lambda app: app.activity_trigger("number", rate=20), add_one, "is a durable.RateLimit"),
        (
            lambda app: app.activity_trigger("number", concurrency=1, key_concurrency=2),
            add_one,
            "more than its concurrency=1 ever lets run",
        ),
        (lambda app: app.orchestration_trigger(context_name="ctx"), run, "context_name is 'ctx'"),
        (lambda app: app.orchestration_trigger(context_name="context"), three, "one parameter"),
        (lambda app: app.orchestration_trigger("number"), generator, "is an async generator"),
        (lambda app: app.durable_client_input(client_name="starter"), use, "'req', 'client'"),
        (lambda app: app.entity_trigger(context_name="ctx"), run, "context_name is 'ctx'"),
        (lambda app: app.entity_trigger(context_name="context"), needy, "one parameter"),
        (lambda app: app.entity_trigger(context_name="context"), two, "cannot yield"),
    ],
)
@pytest.mark.parametrize("make", [df.DFApp, df.Blueprint])
def test_definition_errors_name_function_and_place(
    make: Callable[[], Any], decorate: Callable[[Any], Any], function: Any, problem: str
) -> None:
    app = make()
    with pytest.raises(DefinitionError) as refused:
        decorate(app)(new(function))
    line = function.__code__.co_firstlineno
    assert f"{__file__}:{line}: {function.__name__}" in str(refused.value)
    assert problem in str(refused.value)
    assert not app.durable.registry.activities
    assert not app.durable.registry.orchestrators


@pytest.mark.parametrize(
    "kind", ["orchestration_trigger", "activity_trigger", "entity_trigger", "durable_client_input"]
)
def test_a_decorator_without_parentheses_is_refused(kind: str) -> None:
    with pytest.raises(DefinitionError, match=rf"decorated with {kind} alone: write @{kind}\("):
        getattr(df.DFApp(), kind)(add_one)


@pytest.mark.parametrize("thing", [functools.partial(add_one, 1), 3, "name"])
def test_only_functions_can_be_decorated(thing: Any) -> None:
    with pytest.raises(DefinitionError, match="only functions can be decorated"):
        df.DFApp().activity_trigger(input_name="number")(thing)


def test_a_class_is_no_activity() -> None:
    class Activity:
        def __init__(self, number: int) -> None: ...

    with pytest.raises(DefinitionError, match="must be a function, and this is type"):
        df.DFApp().activity_trigger(input_name="number")(Activity)


def test_a_name_is_unique_in_an_app_and_its_blueprints() -> None:
    app, blueprint = df.DFApp(), df.Blueprint()
    app.activity_trigger(input_name="number")(new(add_one))
    with pytest.raises(DefinitionError, match="two functions are registered as activity 'add_one'"):
        app.activity_trigger(input_name="number")(new(add_one))
    blueprint.activity_trigger(input_name="number")(new(add_one))
    with pytest.raises(DefinitionError, match="two functions are registered as activity 'add_one'"):
        app.register_functions(blueprint)


def test_one_function_has_one_durable_part() -> None:
    app = df.DFApp()
    orchestrator = app.orchestration_trigger(context_name="context")
    entity = app.entity_trigger(context_name="context")
    client = app.durable_client_input(client_name="client")

    async def both(context: Any, client: Any = None) -> None: ...

    for trigger in (orchestrator, entity):
        with pytest.raises(DefinitionError, match="can have no durable client"):
            client(trigger(new(both)))
        with pytest.raises(DefinitionError, match="can have no durable client"):
            trigger(client(new(both)))
    with pytest.raises(DefinitionError, match="as a durable function twice"):
        app.activity_trigger("number", "one")(app.activity_trigger("number", "two")(new(add_one)))


@pytest.mark.parametrize("client_above", [True, False])
@pytest.mark.parametrize("registered", [True, False])
def test_the_decorators_of_a_function_may_be_of_an_app_and_a_blueprint(
    client_above: bool, registered: bool, tmp_path: Path
) -> None:
    app, blueprint = df.DFApp(), df.Blueprint()
    app.durable.folder = tmp_path
    route = app.route(route="x")
    client = blueprint.durable_client_input(client_name="client")
    client(route(new(use))) if client_above else route(client(new(use)))
    if registered:
        app.register_blueprint(blueprint)
    shown = [each for each in app.get_functions() if each.get_function_name() == "use"]
    (function,) = shown
    assert list(inspect.signature(function.get_user_function()).parameters) == ["req"]


@pytest.mark.parametrize("kind", ["activity", "orchestrator"])
def test_names_that_differ_only_in_case_are_one(kind: str) -> None:
    def named(name: str) -> df.Blueprint:
        blueprint = df.Blueprint()
        if kind == "activity":

            def act(value: int) -> int:
                return value

            blueprint.activity_trigger(input_name="value", activity=name)(act)
        else:

            async def orchestrate(context: df.DurableOrchestrationContext) -> None: ...

            blueprint.orchestration_trigger(context_name="context", orchestration=name)(orchestrate)
        return blueprint

    app = df.DFApp()
    app.register_functions(named("Charge"))
    with pytest.raises(
        DefinitionError, match=f"as {kind} 'Charge' and as 'charge', and names that differ only in"
    ):
        app.register_functions(named("charge"))
    with pytest.raises(UnknownFunctionError, match=r"'charge'.* write 'Charge', names are told"):
        getattr(app.durable.registry, kind)("charge")


def test_a_name_of_another_kind_is_said_and_the_nearest_of_many_comes_first() -> None:
    app = df.DFApp()
    for number in range(20):

        def act(value: int) -> int:
            return value

        app.activity_trigger(input_name="value", activity=f"act_{number:02}")(act)
    app.orchestration_trigger(context_name="context")(run)
    with pytest.raises(UnknownFunctionError, match=r"this app has run; 'act_03' is an activity$"):
        app.durable.registry.orchestrator("act_03")
    with pytest.raises(UnknownFunctionError, match=r"named 'act_O17'; this app has act_17, "):
        app.durable.registry.activity("act_O17")
