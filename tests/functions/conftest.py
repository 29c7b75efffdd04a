"""What the tests under a Functions host share."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.azurite import Azurite
from tests.functions.host.host import FunctionsHost

APPS = Path(__file__).resolve().parent / "apps"


@pytest.fixture
def functions_host(azurite: Azurite, tmp_path: Path) -> Callable[..., FunctionsHost]:
    """Makes hosts for one of the apps, or for that of a folder, on a queue and a hub of the
    test's own; several are instances of one deployed app. Their output goes to `worker.log`, which
    is shown when a test fails."""
    mark = secrets.token_hex(5)
    settings = {
        "AzureWebJobsStorage": azurite.connection_string,
        "AZURE_FUNCTIONS_ENVIRONMENT": "Development",
        "QUEUE": f"Q-{mark}",
        "HUB": f"Hub{mark}",
    }

    def make(app: str | Path, *, lease: int | None = None, **more: str) -> FunctionsHost:
        log = tmp_path / "worker.log"
        options = {} if lease is None else {"lease": lease}
        return FunctionsHost(APPS / app, settings | more, log, **options)

    return make


@pytest.fixture(autouse=True)
def _worker_log(tmp_path: Path, request: pytest.FixtureRequest) -> object:
    yield
    log = tmp_path / "worker.log"
    if log.exists():
        print(log.read_text(errors="replace")[-20_000:])
