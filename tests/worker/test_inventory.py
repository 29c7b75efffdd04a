"""Which functions of an app are served, and which are named instead."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import azure.functions as func
import pytest

from durable.errors import ConfigurationError
from durable.worker.app_loader import DEFAULT_APP, index, load_app
from durable.worker.inventory import Inventory, take_inventory


def resolve(text: str, where: str) -> str:
    if "%MISSING%" in text:
        raise ConfigurationError(f"{where}: no setting MISSING")
    return text.replace("%NAME%", "Resolved")


def inventory(define: Callable[[func.FunctionApp], None], **options: Any) -> Inventory:
    app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
    define(app)
    return take_inventory(app.get_functions(), resolve=resolve, **options)


def test_http_in_the_order_of_names() -> None:
    def define(app: func.FunctionApp) -> None:
        @app.route(route="{*all}", methods=["GET", func.HttpMethod.POST])  # type: ignore[arg-type]
        def zebra(req: func.HttpRequest) -> str: ...

        @app.function_name("Beta")
        @app.route(auth_level="admin")
        def whatever(req: func.HttpRequest) -> str: ...

        @app.route(route="a")
        def alpha(req: func.HttpRequest) -> str: ...

        @app.generic_trigger(arg_name="r", type="httpTrigger", route="g", methods=["PUT"])
        def generic(r: func.HttpRequest) -> str: ...

    found = inventory(define).http
    assert [each.call.name for each in found] == ["alpha", "Beta", "generic", "zebra"]
    alpha, beta, generic, zebra = found
    assert (alpha.methods, alpha.level) == (None, func.AuthLevel.ANONYMOUS)
    assert (beta.route.text, beta.level) == ("Beta", func.AuthLevel.ADMIN)
    assert (generic.call.argument, generic.methods) == ("r", frozenset({"PUT"}))
    assert zebra.methods == frozenset({"GET", "POST"})


def test_timers_and_queues_are_resolved() -> None:
    def define(app: func.FunctionApp) -> None:
        @app.timer_trigger(arg_name="t", schedule="0 */5 * * * *", run_on_startup=True)
        def tick(t: func.TimerRequest) -> None: ...

        @app.queue_trigger(arg_name="m", queue_name="%NAME%-Box", connection="Other")
        def take(m: func.QueueMessage) -> None: ...

    found = inventory(define)
    assert (found.timers[0].expression, found.timers[0].run_on_startup) == ("0 */5 * * * *", True)
    assert (found.queues[0].queue, found.queues[0].connection) == ("resolved-box", "Other")


def test_what_is_not_served_is_named_with_its_reason() -> None:
    def define(app: func.FunctionApp) -> None:
        @app.blob_trigger(arg_name="b", path="x/{name}", connection="C")
        def blob(b: func.InputStream) -> None: ...

        @app.route(route="out")
        @app.queue_output(arg_name="msg", queue_name="q", connection="C")
        def out(req: func.HttpRequest, msg: func.Out[str]) -> str: ...

        @app.route(route="Admin/x")
        def reserved(req: func.HttpRequest) -> str: ...

        @app.route(route="runtimes")
        def reserved_too(req: func.HttpRequest) -> str: ...

        @app.route(route="a/{b")
        def unparsable(req: func.HttpRequest) -> str: ...

        @app.timer_trigger(arg_name="t", schedule="often")
        def often(t: func.TimerRequest) -> None: ...

        @app.timer_trigger(arg_name="t", schedule="%MISSING%")
        def unset(t: func.TimerRequest) -> None: ...

        @app.queue_trigger(arg_name="m", queue_name="no_such_name", connection="C")
        def misnamed(m: func.QueueMessage) -> None: ...

        @app.route(route="fine")
        def fine(req: func.HttpRequest) -> str: ...

    found = inventory(define)
    assert [each.call.name for each in found.http] == ["fine"]
    assert not found.timers
    assert not found.queues
    reasons = {each.name: each.reason for each in found.refused}
    expected = {
        "blob": "blobTrigger",
        "out": "msg (queue)",
        "reserved": "keeps for itself",
        "reserved_too": "keeps for itself",
        "unparsable": "no partner",
        "often": "six fields",
        "unset": "MISSING",
        "misnamed": "no_such_name",
    }
    assert set(reasons) == set(expected)
    for name, part in expected.items():
        assert part in reasons[name]


def test_builtin_functions_are_skipped_and_retry_policies_warned_of() -> None:
    def define(app: func.FunctionApp) -> None:
        @app.timer_trigger(arg_name="t", schedule="* * * * *")
        @app.retry(strategy="fixed_delay", max_retry_count="3", delay_interval="00:00:01")
        def tick(t: func.TimerRequest) -> None: ...

        @app.timer_trigger(arg_name="t", schedule="* * * * *")
        def own(t: func.TimerRequest) -> None: ...

    found = inventory(define, skip=frozenset({"own"}))
    assert [each.call.name for each in found.timers] == ["tick"]
    assert found.warnings == ("function tick: its retry policy is not applied by this worker",)


def test_parameters_that_the_functions_host_would_not_load() -> None:
    def missing(app: func.FunctionApp) -> None:
        @app.route(route="a")
        def nameless(request: func.HttpRequest) -> str: ...

    def extra(app: func.FunctionApp) -> None:
        @app.route(route="a")
        def greedy(req: func.HttpRequest, more: str) -> str: ...

    with pytest.raises(ConfigurationError, match=r"test_inventory\.py:\d+: .*no parameter 'req'"):
        inventory(missing)
    with pytest.raises(ConfigurationError, match=r"test_inventory\.py:\d+: parameter 'more'"):
        inventory(extra)


def test_an_index_error_is_a_configuration_error() -> None:
    app = func.FunctionApp()

    @app.function_name("same")
    @app.route(route="a")
    def one(req: func.HttpRequest) -> str: ...

    @app.function_name("same")
    @app.route(route="b")
    def two(req: func.HttpRequest) -> str: ...

    with pytest.raises(ConfigurationError, match=r"cannot be indexed: .*same"):
        index(app)


@pytest.mark.parametrize("target", ["", "app", ":app", "module:"])
def test_a_target_is_module_and_name(target: str) -> None:
    with pytest.raises(ConfigurationError, match="write module:name"):
        load_app(target, Path())


APP = "import azure.functions as func\n"


@pytest.mark.parametrize(
    "code",
    [
        f"{APP}myApp = func.FunctionApp()\n",
        f"{APP}app = object()\nsite = again = func.FunctionApp()\n",
        f"{APP}other = func.FunctionApp()\napp = func.FunctionApp()\n",
    ],
)
def test_an_app_has_any_name(code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = _loaded(code, tmp_path, monkeypatch)
    assert isinstance(found, func.FunctionApp)


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("value = 1\n", "has no 'app'"),
        ("app = 1\n", "is a int, not a function app"),
        (f"{APP}a, b = func.FunctionApp(), func.FunctionApp()\n", "several function apps, a, b"),
    ],
)
def test_an_app_that_cannot_be_told(
    code: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigurationError, match=says):
        _loaded(code, tmp_path, monkeypatch)


def test_an_app_may_be_part_of_something(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = f"{APP}class site:\n    app = func.FunctionApp()\n"
    found = _loaded(code, tmp_path, monkeypatch, "function_app:site.app")
    assert isinstance(found, func.FunctionApp)
    with pytest.raises(ConfigurationError, match=r"has no 'site\.other'"):
        _loaded(code, tmp_path, monkeypatch, "function_app:site.other")


def _loaded(
    code: str, folder: Path, monkeypatch: pytest.MonkeyPatch, target: str = DEFAULT_APP
) -> object:
    (folder / "function_app.py").write_text(code)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "function_app", raising=False)
    try:
        return load_app(target, folder, {"DURABLE_COMPAT": "0"})
    finally:
        sys.modules.pop("function_app", None)
