"""docs/guide/durable-http.md"""

from __future__ import annotations

from pathlib import Path

from tests.azurite import Azurite
from tests.guide.pages import GUIDE
from tests.guide.serving import served
from tests.patterns.site import Site, partner

ALLOWED = {"DURABLE_HTTP_ALLOWED_PRIVATE_TARGETS": "127.0.0.1"}


def test_the_page(azurite: Azurite, tmp_path: Path) -> None:
    with served(GUIDE / "durable-http.md", tmp_path, azurite, **ALLOWED) as site:
        with partner() as address:
            # the partner answers 202 until it is done
            assert output(site, "order_from_partner", address) == "tea"
        refused = output(site, "order_from_partner", f"{site.address}/x")
        assert refused == "refused: 404"
        assert output(site, "look_inside") == "durable.errors.HttpTargetRefusedError"


def output(site: Site, name: str, value: object = None) -> str:
    """Of an instance that the management API starts."""
    started = site.call("POST", f"durabletask/orchestrators/{name}", value)
    assert started.status == 202, started
    shown = site.ended(started.json)
    assert shown["runtimeStatus"] == "Completed", shown
    text: str = shown["output"]
    return text
