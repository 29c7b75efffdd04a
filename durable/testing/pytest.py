"""Fixtures: write `pytest_plugins = ["durable.testing.pytest"]` in the conftest.py of the rootdir.

Nothing is loaded unless that is asked for. The app is `function_app:app` of the rootdir; another
is named by a fixture `durable_app` of your own, and `durable_activities` replaces activities.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from durable.testing.apps import TestedApp
from durable.testing.blocking import SyncTestHub
from durable.worker.app_loader import DEFAULT_APP, load_app


@pytest.fixture(scope="session")
def durable_app(pytestconfig: pytest.Config) -> TestedApp:
    """The app under test, for `TestHub(durable_app)` and for `durable_hub`."""
    return load_app(DEFAULT_APP, pytestconfig.rootpath)


@pytest.fixture
def durable_activities() -> Mapping[str, object]:
    """What `durable_hub` replaces, by name: see `TestHub.replace`."""
    return {}


@pytest.fixture
def durable_hub(
    durable_app: TestedApp, durable_activities: Mapping[str, object]
) -> Iterator[SyncTestHub]:
    """A new hub for each test that is a plain function; others enter a TestHub themselves."""
    with SyncTestHub(durable_app, activities=durable_activities) as hub:
        yield hub
