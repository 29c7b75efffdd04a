"""One worker for the tests that leave it alive, one for each that kills it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.agents.environment import agents_python
from tests.agents.model import Model
from tests.agents.site import Site, Visitor
from tests.azurite import Azurite


@pytest.fixture(scope="session")
def python() -> Path:
    """The Python that has agent-framework."""
    return agents_python()


@pytest.fixture(scope="module")
def model() -> Iterator[Model]:
    with Model() as running:
        yield running


@pytest.fixture(scope="module")
def shared_site(
    python: Path, azurite: Azurite, model: Model, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("agents")
    with closing(Site(folder, python, azurite.connection_string, model.url)) as site:
        yield site


@pytest.fixture
async def visitor(shared_site: Site) -> AsyncIterator[Visitor]:
    before = len(shared_site.process.lines)
    async with shared_site.visitor() as visitor:
        yield visitor
    print("".join(shared_site.process.lines[before:]))


@pytest.fixture
def mortal_site(python: Path, azurite: Azurite, model: Model, tmp_path: Path) -> Iterator[Site]:
    with closing(Site(tmp_path, python, azurite.connection_string, model.url)) as site:
        yield site
        print(site.process.log)
