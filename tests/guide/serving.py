"""The app of a page of the guide, served by `durable start` on Azurite."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.azurite import Azurite
from tests.guide.pages import Page
from tests.patterns.site import Site
from tests.worker.running import worker


@contextmanager
def served(page: Path, folder: Path, azurite: Azurite, **settings: str) -> Iterator[Site]:
    """The page's examples as the file of an app, which is all that the app has."""
    examples = Page(page)
    (folder / "function_app.py").write_text(examples.source())
    hub = f"Guide{secrets.token_hex(5)}"
    host = {"version": "2.0", "extensions": {"durableTask": {"hubName": hub}}}
    (folder / "host.json").write_text(json.dumps(host))
    storage = azurite.connection_string
    with worker(folder, AzureWebJobsStorage=storage, **settings) as process:
        yield Site("native", process.address, process, folder, folder)
    assert examples.missing() == []
