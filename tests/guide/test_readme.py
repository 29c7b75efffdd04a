"""README.md; its app runs as one of three files in tests/sample/test_documents.py as well."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass
from datetime import timedelta
from types import ModuleType

import azure.functions as func
import pytest

import durable as df
from durable.management.links import LinkSigner
from tests.guide.pages import ROOT
from tests.guide.running import Guide, result


class Written(ModuleType):
    """The page's second example is a file, which the third one imports."""

    @property
    def app(self) -> df.DFApp:
        written: df.DFApp = sys.modules["guide_README"].app
        return written


@dataclass
class Order:
    """What the first example speaks of."""

    card: str


async def test_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "function_app", Written("function_app"))
    # the first example is a fragment of an app that looks like this
    app = df.DFApp()
    did: list[str] = []

    @app.activity_trigger(input_name="order")
    def charge_card(order: Order) -> str:
        did.append(f"{order.card} charged")
        return "receipt"

    @app.activity_trigger(input_name="receipt")
    def ship(receipt: str) -> str:
        did.append("shipped")
        return f"shipped for {receipt}"

    page = Guide(
        ROOT / "README.md",
        app=app,
        df=df,
        timedelta=timedelta,
        Order=Order,
        charge_card=charge_card,
        ship=ship,
    )
    # the second example is an app of its own
    page.registry.update(app.durable.registry)
    async with page as guide:
        order = await guide.start("process_order", {"card": "visa"})
        assert did == ["visa charged"]
        await guide.run(3 * 24 * 3600 - 60)
        assert did == ["visa charged"]
        assert result(await guide.wait(order)) == "shipped for receipt"
        assert did == ["visa charged", "shipped"]

        now = guide.clock.now()
        links = LinkSigner(b"k" * 32, "https://app.example/api", now=lambda: now)
        guide.client._links = links
        request = func.HttpRequest("POST", "/api/hello", body=b'["Oslo", "Rome"]')
        start = guide.page.names["start"]
        response = await start(req=request, client=guide.page.names["client"])
        assert response.status_code == 202
        (hellos,) = [
            each async for each in guide.client.list_instances() if each.name == "say_hellos"
        ]
        ended = await guide.wait(hellos.instance_id)
        assert result(ended) == ["Hello Oslo!", "Hello Rome!"]
        await asyncio.to_thread(guide.page.names["test_hello"])
        assert ended.last_updated_time - now >= timedelta(seconds=20)
