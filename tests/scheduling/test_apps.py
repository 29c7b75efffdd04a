"""Apps that take on schedules and history export."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import azure.functions as func
import pytest

import durable as df
from durable.errors import DefinitionError
from durable.exporting import LocalHistoryWriter


def an_app(folder: Path) -> df.DFApp:
    (folder / "host.json").write_text('{"version": "2.0"}')
    app = df.DFApp(http_auth_level=func.AuthLevel.FUNCTION)
    app.durable.folder = folder

    @app.orchestration_trigger(context_name="context")
    async def report(context: df.DurableOrchestrationContext) -> Any:
        return None

    return app


def names(app: df.DFApp) -> set[str]:
    return {str(function.get_function_name()) for function in app.get_functions()}


def test_who_does_not_ask_gets_nothing(tmp_path: Path) -> None:
    plain, taking = an_app(tmp_path), an_app(tmp_path)
    taking.configure_scheduled_tasks()
    assert set(plain.durable.registry.entities) == set()
    assert set(taking.durable.registry.entities) == {"durable_schedule"}
    # an entity needs no function of its own
    assert names(taking) == names(plain)
    taking.configure_history_export(LocalHistoryWriter(tmp_path))
    assert names(taking) - names(plain) == {"durable_export"}


def test_by_a_blueprint_and_more_than_once(tmp_path: Path) -> None:
    app, blueprint = an_app(tmp_path), df.Blueprint()
    for each in (app, blueprint, blueprint):
        each.configure_scheduled_tasks()
    app.register_functions(blueprint)
    assert set(app.durable.registry.entities) == {"durable_schedule"}
    app.configure_history_export(LocalHistoryWriter(tmp_path))
    with pytest.raises(DefinitionError, match="durable_export"):
        app.configure_history_export(LocalHistoryWriter(tmp_path))


def test_an_app_of_schedules_alone_is_served(tmp_path: Path) -> None:
    (tmp_path / "host.json").write_text('{"version": "2.0"}')
    app = df.DFApp()
    app.durable.folder = tmp_path
    app.configure_scheduled_tasks()
    assert {"durable_control_00", "durable_sweeper"} <= names(app)
