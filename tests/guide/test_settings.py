"""docs/guide/settings.md"""

from __future__ import annotations

from pathlib import Path

from durable.settings import load_settings
from tests.guide.pages import GUIDE, Page


def test_the_page(tmp_path: Path) -> None:
    (tmp_path / "host.json").write_text(Page(GUIDE / "settings.md").only("json", "hubName").text)
    override = "AzureFunctionsJobHost__extensions__durableTask__maxAttempts"
    settings = load_settings(tmp_path, {"ORDERS_VERSION": "2.0", override: "3"})
    assert settings.warnings == ()
    assert (settings.hub, settings.connection_name) == ("Orders", "OrdersStorage")
    assert (settings.control_queues, settings.max_concurrent_activities) == (4, 40)
    assert settings.versioning.default_version == "2.0"
    assert settings.retention.completed is not None
    assert settings.retention.completed.days == 90
    assert settings.http.allowed_private_targets == ("10.1.0.0/16",)
    assert settings.max_attempts == 3
