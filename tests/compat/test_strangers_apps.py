"""Small apps as users of Durable Functions write them, unmodified, and what they answer."""

from __future__ import annotations

import json
import secrets
import shutil
import urllib.request
from pathlib import Path
from typing import Any

import azure.functions as func

from tests.azurite import Azurite
from tests.compat.visiting import visiting
from tests.worker.running import worker


async def test_trips_are_booked_by_sub_orchestrations(tmp_path: Path) -> None:
    async with visiting("trips", tmp_path) as trips:
        order = {"who": "Ada", "parts": ["train", "slow flight"]}
        status, answer = await trips.http("book_trip_http", order)
        assert (status, answer["who"], answer["same"]) == (200, "Ada", True)
        first, second = answer["booked"]
        assert (first["number"], second["number"]) == ("train #1", "slow flight #3")
        assert second["me"] == f"{second['parent']}:1"
        assert first["nothing"] == {}
        status, shown = await trips.http("trip_status", id=first["parent"])
        assert (status, shown["state"], shown["custom"]) == (200, "Completed", "booked")
        assert shown["input"] == order
        assert shown["done"] == ["BookPart", "BookPart"]
        assert (await trips.http("trip_status", id="nobody"))[0] == 404


def test_trips_are_booked_where_an_app_is_just_started(azurite: Azurite, tmp_path: Path) -> None:
    app = Path(__file__).resolve().parent / "apps/trips.py"
    shutil.copy(app, tmp_path / "function_app.py")
    (tmp_path / "host.json").write_text('{"version": "2.0"}')
    settings = {
        "AzureWebJobsStorage": azurite.connection_string,
        "AzureFunctionsJobHost__extensions__durableTask__hubName": f"Trips{secrets.token_hex(5)}",
    }
    with worker(tmp_path, **settings) as process:
        order = {"who": "Ada", "parts": ["train", "hotel"]}
        request = urllib.request.Request(
            f"{process.address}/api/trips", json.dumps(order).encode(), method="POST"
        )
        with urllib.request.urlopen(request, timeout=40) as answer:
            booked = json.loads(answer.read())["booked"]
    assert [each["number"] for each in booked] == ["train #1", "hotel #1"]


async def test_trips_that_fail_are_undone(tmp_path: Path) -> None:
    async with visiting("trips", tmp_path) as trips:
        order = {"who": "Bob", "parts": ["train", "full hotel"]}
        assert await trips.http("book_trip_http", order) == (200, {"error": True, "booked": []})
        assert trips.module.BOOKED == []
        assert trips.module.TRIES["full hotel"] == 3


async def test_a_monitor_for_each_city(tmp_path: Path) -> None:
    async with visiting("weather", tmp_path) as weather:
        for _ in range(2):
            await weather.call("keep_watching", timer=None)
        await weather.hub.run(3 * 3600 + 60)
        oslo = await weather.hub.client.get_status("watch-Oslo")
        assert oslo is not None
        assert oslo.custom_status == '"round 3 of Oslo"'
        weather.module.SKY["Rome"] = True
        assert (await weather.http("tell", {}, city="Rome", what="looknow"))[0] == 202
        rome = await weather.hub.wait("watch-Rome")
        assert json.loads(json.loads(rome.output or "")) == {"city": "Rome", "clear": True}
        assert (await weather.http("tell", {"by": "me"}, city="Oslo", what="Stop"))[0] == 202
        assert (await weather.hub.wait("watch-Oslo")).output == '"Oslo: stopped by me after 3"'
        status, text = await weather.http("tell", {}, city="Bonn", what="Stop")
        assert (status, "watch-Bonn" in text) == (400, True)
        await weather.call("keep_watching", timer=None)
        assert str((await weather.hub.client.get_status("watch-Oslo")).runtime_status) in (  # type: ignore[union-attr]
            "Pending",
            "Running",
        )


async def test_baskets_of_a_half_moved_app(tmp_path: Path) -> None:
    async with visiting("baskets", tmp_path) as baskets:
        assert callable(baskets.module.main.entity_function)
        assert (await baskets.http("ReadBasket", key="mine"))[0] == 404
        for name, price in (("milk", 2), ("bread", 3)):
            message = {"basket": "mine", "name": name, "price": price}
            body = func.QueueMessage(body=json.dumps(message).encode())
            await baskets.call("item_arrived", msg=body)
        await baskets.hub.run(5)
        expected = {"items": ["milk", "bread"], "total": 5}
        assert await baskets.http("ReadBasket", key="mine") == (200, expected)
        status, links = await baskets.http("check_outs", action="start", params={"basket": "b"})
        assert status == 201
        ended = await baskets.hub.wait(links["id"])
        full = {"items": ["bag", "tea"], "total": 5, "who": ["basket", "b"]}
        assert json.loads(ended.output or "") == [True, 5, True, full, True]
        await baskets.hub.run(5)
        assert (await baskets.http("ReadBasket", key="b"))[0] == 404
        counted = await baskets.http("check_outs", action="count")
        assert counted == (200, [1, 1, ["check_out"]])
        assert await baskets.http("check_outs", action="purge") == (200, 1)


async def test_transfers_between_accounts(tmp_path: Path) -> None:
    async with visiting("transfers", tmp_path) as bank:
        assert (await bank.http("account_operation", 100, key="a", operation="deposit"))[0] == 202
        assert (await bank.http("account_operation", 2000, key="c", operation="deposit"))[0] == 202
        await bank.hub.run(5)
        order: dict[str, Any] = {"id": "t1", "source": "a", "target": "b", "amount": 60}
        status, answer = await bank.http("start_transfer", order)
        assert (status, answer["quick"]) == (200, True)
        assert answer["result"] == {"left": 40.0, "got": 60.0, "note": "noted 60 for t1"}
        status, answer = await bank.http("start_transfer", {**order, "id": "t2"})
        assert (status, answer) == (409, {"status": "FAILED", "error": "a has only 40.0"})
        status, answer = await bank.http(
            "start_transfer", {**order, "id": "t3", "amount": 1, "ledger": "closed"}
        )
        assert answer["result"]["note"] == "PermissionError: the ledger is closed"
        assert (await bank.http("accounts"))[1] == {"a": 39.0, "b": 61.0, "c": 2000.0}
        listed = await bank.http("list_transfers", params={"status": "COMPLETED,FAILED"})
        assert listed == (200, [[f"t{n}", "transfer", a] for n, a in ((1, 60), (2, 60), (3, 1))])


async def test_documents_are_reviewed(tmp_path: Path) -> None:
    async with visiting("documents", tmp_path) as documents:
        given = {"pages": 41, "reviewers": ["ann", "ben"], "version": "2.0"}
        status, links = await documents.http("submit", given, title="plan")
        assert status == 202
        one = links["id"]
        assert (await documents.http("act", id=one, action="pause"))[0] == 200
        await documents.hub.run(1)
        _, (state, custom, _) = await documents.http("act", id=one, action="go")
        assert (state, custom) == ("SUSPENDED", {"waiting": ["ann", "ben"]})
        for by in ("ann", "ben"):
            said = {"by": by, "good": "yes"}
            assert (await documents.http("act", id=one, action="say", params=said))[0] == 200
        ended = await documents.hub.wait(one)
        assert json.loads(ended.output or "") == [True, "plan 10 1.0"]
        _, links = await documents.http("submit", {"pages": 3, "reviewers": ["cy"]}, title="memo")
        await documents.hub.run(4 * 24 * 3600)
        late = await documents.http("act", id=links["id"], action="look")
        assert json.loads(late[1][2]) == {"title": "memo", "late": ["cy"]}
        assert await documents.http("act", id=links["id"], action="purge") == (200, 1)
        assert (await documents.http("act", id=links["id"], action="look"))[0] == 404
