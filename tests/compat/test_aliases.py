"""`import azure.durable_functions` and `durabletask`, answered by this package."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import durable as df
from durable.compat import aliases
from durable.compat.names import MODULES
from durable.worker.app_loader import load_app
from tests.compat.running import aliased


@pytest.mark.parametrize("name", sorted(MODULES))
def test_every_name_of_every_module_is_there(name: str) -> None:
    with aliased():
        module = importlib.import_module(name)
        for each in module.__all__:
            assert getattr(module, each) is not None
        assert set(module.__all__) <= set(dir(module))
        assert "durable" in str(module.__spec__)


def test_the_imports_of_packages_that_know_nothing_of_us() -> None:
    with aliased():
        names: dict[str, Any] = {}
        exec(  # the imports of agent-framework-azurefunctions and -durabletask
            "import azure.durable_functions as df\n"
            "from azure.durable_functions.models import TaskBase\n"
            "from azure.durable_functions.models.actions.NoOpAction import NoOpAction\n"
            "from azure.durable_functions.models.Task import CompoundTask, TaskState\n"
            "from azure.durable_functions import DurableOrchestrationContext\n"
            "from durabletask.client import TaskHubGrpcClient\n"
            "from durabletask.entities import DurableEntity, EntityInstanceId\n"
            "from durabletask.task import CompletableTask, CompositeTask, OrchestrationContext\n"
            "from durabletask.task import ActivityContext, Task, when_all, when_any\n"
            "from durabletask.worker import TaskHubGrpcWorker\n"
            "from durabletask import task, entities, client, worker\n",
            names,
        )
        assert names["df"].EntityId("a", "b") == df.EntityId("a", "b")
        assert names["df"].__version__
        assert names["task"].Task is names["Task"]
        assert issubclass(names["CompoundTask"], names["TaskBase"])


def test_a_class_keeps_its_name_from_a_submodule_of_that_name() -> None:
    with aliased():
        importlib.import_module("azure.durable_functions.models.RetryOptions")
        models: Any = importlib.import_module("azure.durable_functions.models")
        assert models.RetryOptions is df.RetryOptions
        actions: Any = importlib.import_module("azure.durable_functions.models.actions")
        importlib.import_module("azure.durable_functions.models.actions.NoOpAction")
        assert isinstance(actions.NoOpAction, type)


def test_what_is_not_here_says_so() -> None:
    with aliased():
        with pytest.raises(ModuleNotFoundError, match="DURABLE_COMPAT=0"):
            importlib.import_module("durabletask.azuremanaged")
        module: Any = importlib.import_module("durabletask.task")
        with pytest.raises(AttributeError, match="DURABLE_COMPAT=0"):
            _ = module.no_such_name


def test_originals_that_are_loaded_are_replaced() -> None:
    azure: Any = importlib.import_module("azure")
    original = ModuleType("azure.durable_functions")
    sys.modules["azure.durable_functions"] = azure.durable_functions = original
    with aliased():
        aliases.install()
        found = importlib.import_module("azure.durable_functions")
        assert found is not original
        assert azure.durable_functions is found
    assert "azure.durable_functions" not in sys.modules
    assert not hasattr(azure, "durable_functions")


def test_importing_durable_changes_nothing_and_loads_little() -> None:
    code = (
        "import sys, durable; "
        "loaded = [m for m in sys.modules if m.startswith('durable.compat')]; "
        "assert set(loaded) <= {'durable.compat', 'durable.compat.faces', "
        "'durable.compat.reading'}, loaded; "
        "assert not [f for f in sys.meta_path if 'durable' in repr(f)]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_worker_installs_the_names_unless_it_is_told_not_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "aliased_app.py").write_text(
        "import azure.durable_functions as df\napp = df.DFApp()\n"
    )
    try:
        app = load_app("aliased_app:app", tmp_path, {})
        assert isinstance(app, df.DFApp)
    finally:
        aliases.uninstall()
        sys.modules.pop("durable.compat.activate", None)
        sys.modules.pop("aliased_app", None)
    with pytest.raises(df.errors.ConfigurationError, match=r"azure\.durable_functions"):
        load_app("aliased_app:app", tmp_path, {"DURABLE_COMPAT": "0"})
