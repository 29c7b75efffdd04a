"""Workers of one hub that take instances by their version, and what becomes of the others."""

from __future__ import annotations

import secrets
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.azurite import Azurite
from tests.patterns.site import STYLES, Site, served

HOST = "AzureFunctionsJobHost__extensions__durableTask__"


def taking(style: str, version: str, match: str, failure: str) -> dict[str, str]:
    """The settings of a worker: by host.json's names, and in the native app by its own."""
    if style == "native":
        names = {"CurrentOrOlder": "CURRENT_OR_OLDER"}
        takes = names.get(match, match.upper())
        return {"APP_VERSION": version, "APP_TAKES": takes, "APP_REFUSES": failure.upper()}
    return {
        f"{HOST}defaultVersion": version,
        f"{HOST}versionMatchStrategy": match,
        f"{HOST}versionFailureStrategy": failure,
    }


def begun(site: Site, version: str) -> dict[str, str]:
    return site.begin("deliver", query=f"version={version}")


def shown(site: Site, name: str) -> Any:
    return site.call("GET", f"instances/{name}").json


@pytest.mark.parametrize("style", STYLES)
def test_a_worker_takes_the_versions_that_it_is_told_to(
    style: str, azurite: Azurite, tmp_path: Path
) -> None:
    hub = f"Versions{secrets.token_hex(5)}"
    old = taking(style, "1.0", "Strict", "Reject")
    with served(style, tmp_path / "old", azurite, HUB=hub, **old) as site:
        assert site.ended(begun(site, "1.0"))["output"] == ["1.0", "by horse"]
        left = [begun(site, version) for version in ("2.0", "0.9")]
        for links in left:
            waiting = site.until(partial(site.status, links), lambda it: "waiting" in it)
            assert waiting["runtimeStatus"] == "Pending"
            assert "'deliver'" in waiting["waiting"]
        ids = [links["id"] for links in left]
    new = taking(style, "2.0", "CurrentOrOlder", "Fail")
    with served(style, tmp_path / "new", azurite, HUB=hub, **new) as site:
        ended = [
            site.until(
                partial(shown, site, name),
                lambda it: it["runtimeStatus"] == "Completed",
            )["output"]
            for name in ids
        ]
        assert ended == [["2.0", "by rail"], ["0.9", "by rail"]]
        refused = site.ended(begun(site, "3.0"))
        assert refused["runtimeStatus"] == "Failed"
        assert "is newer than this worker, version '2.0'" in str(refused["output"])
