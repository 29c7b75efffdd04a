"""What an app says of versions and of what a worker takes, and what the Functions host sees."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import durable as df
from durable.errors import ConfigurationError, DefinitionError


def app_in(folder: Path, **durable_task: Any) -> df.DFApp:
    host = {"version": "2.0", "extensions": {"durableTask": durable_task}}
    (folder / "host.json").write_text(json.dumps(host))
    app = df.DFApp()
    app.durable.folder = folder

    @app.activity_trigger(input_name="value")
    def add(value: int) -> int:
        return value + 1

    @app.orchestration_trigger(context_name="context")
    async def chain(context: df.DurableOrchestrationContext) -> None: ...

    return app


def names(app: df.DFApp) -> set[str]:
    """The functions that take work from queues."""
    found = {function.get_function_name() or "" for function in app.get_functions()}
    return {name for name in found if "management" not in name and "links" not in name}


def test_an_app_has_a_function_for_what_is_taken(tmp_path: Path) -> None:
    everything = {"durable_control_00", "durable_sweeper", "durable_http", "add"}
    assert names(app_in(tmp_path)) == everything
    app = app_in(tmp_path)
    app.configure_work_item_filters(df.WorkItemFilters(activities=["add"]))
    assert names(app) == {"durable_sweeper", "add"}
    app.configure_work_item_filters(df.WorkItemFilters(["chain"]))
    assert names(app) == everything - {"add"}
    app.configure_work_item_filters(None)
    assert names(app) == everything


def test_settings_go_before_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = app_in(tmp_path, workItemFilters={"orchestrations": ["chain"]})
    app.configure_work_item_filters(df.WorkItemFilters(activities=["add"]))
    assert "add" not in names(app)
    monkeypatch.setenv("DURABLE_ONLY_ACTIVITIES", "add")
    assert names(app) == {"durable_sweeper", "add"}


def test_filters_that_name_what_is_not_there_load_no_function(tmp_path: Path) -> None:
    app = app_in(tmp_path)
    app.configure_work_item_filters(df.WorkItemFilters(["chains"]))
    with pytest.raises(ConfigurationError, match="names the orchestrator 'chains'"):
        app.get_functions()


def test_other_options_are_refused(tmp_path: Path) -> None:
    app = app_in(tmp_path)
    with pytest.raises(DefinitionError, match="configure_versioning takes VersioningOptions, not"):
        app.configure_versioning("2.0")  # type: ignore[arg-type]
    with pytest.raises(DefinitionError, match="configure_work_item_filters takes WorkItemFilters"):
        app.configure_work_item_filters(["chain"])  # type: ignore[arg-type]
