"""The same apps under a Functions host: the real Python worker library, and its triggers."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest

from tests.azurite import Azurite
from tests.functions.host.host import FUNCTION_KEY, FunctionsHost
from tests.functions.instances import delete_hub, ended
from tests.patterns.site import STYLES, copied

BUILT_IN = {
    "durable_control_00": "queueTrigger",
    "durable_http": "queueTrigger",
    "durable_links": "httpTrigger",
    "durable_management": "httpTrigger",
    "durable_sweeper": "timerTrigger",
}
ACTIVITIES = {"count_words", "discard", "job_state", "load_parcel", "note_order", "open_store"} | {
    "proofread",
    "publish",
    "walk_round",
    "write_draft",
}


@pytest.mark.parametrize("style", STYLES)
async def test_an_app_is_indexed_and_runs(style: str, azurite: Azurite, tmp_path: Path) -> None:
    settings = {
        "AzureWebJobsStorage": azurite.connection_string,
        "AZURE_FUNCTIONS_ENVIRONMENT": "Development",
        "HUB": f"Pattern{secrets.token_hex(5)}",
        "STORE_KEY": str(tmp_path / "key"),
        "EXPORTS": str(tmp_path / "exports"),
    }
    folder = copied(style, tmp_path, host=True)
    async with FunctionsHost(folder, settings, tmp_path / "worker.log") as host:
        triggers = {name: each.trigger["type"] for name, each in host.functions.items()}
        assert triggers.items() >= BUILT_IN.items()
        queued = {name for name, kind in triggers.items() if kind == "queueTrigger"}
        exports = set() if style == "one_x" else {"durable_export"}
        assert queued - BUILT_IN.keys() - {"ask_manager"} == ACTIVITIES | exports
        routes = {name for name, kind in triggers.items() if kind == "httpTrigger"}
        assert {"act", "decide", "look", "look_closer"} < routes
        started = await host.request("POST", "/api/orchestrators/publish_article", '"tea"')
        assert started.status == 202, started.body
        status = await ended(host, started.json())
        assert (status["runtimeStatus"], status["output"]) == ("Completed", "/tea?words=3")
        listed = await host.request("GET", "/api/durabletask/instances", key=FUNCTION_KEY)
        assert [each["name"] for each in listed.json()] == ["publish_article"]
    await delete_hub(host)
