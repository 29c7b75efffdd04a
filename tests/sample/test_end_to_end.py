"""The sample over HTTP: a worker in a process of its own, on Azurite."""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.azurite import Azurite
from tools.processes import Process, free_ports, worker_command

ORDER = {"customer": "Ada", "lines": [{"sku": "book", "quantity": 2, "unit_cents": 1250}]}
ENDED = ("Completed", "Failed", "Terminated", "Stuck")
PATIENCE = 60.0


@pytest.fixture(scope="module")
def base_url(azurite: Azurite, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A worker of the sample app, and where its routes are."""
    name = f"Sample{secrets.token_hex(6)}"
    log = tmp_path_factory.mktemp("worker") / "worker.log"
    environment = {
        **os.environ,
        "AzureWebJobsStorage": azurite.connection_string,
        "AzureFunctionsJobHost__extensions__durableTask__hubName": name,
        "LEDGER_TABLE": f"Ledger{name}",
    }
    (port,) = free_ports(1)
    command = worker_command("--port", str(port))
    worker = Process("the worker", command, log=log, environment=environment)
    try:
        worker.wait_for_port(port)
        yield f"http://127.0.0.1:{port}/api"
        assert worker.is_running, Path(log).read_text()
        assert worker.stop() == 0, Path(log).read_text()
    finally:
        worker.stop()


@pytest.fixture
async def app(base_url: str) -> AsyncIterator[Client]:
    timeout = aiohttp.ClientTimeout(total=30)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        yield Client(session, base_url)


class Client:
    """Answers as (status code, JSON)."""

    def __init__(self, session: aiohttp.ClientSession, base_url: str) -> None:
        self._session = session
        self._base_url = base_url

    async def post(self, path: str, body: object = None) -> tuple[int, Any]:
        return await self._send("POST", path, json=body)

    async def post_text(self, path: str, body: str) -> tuple[int, Any]:
        return await self._send("POST", path, data=body.encode())

    async def get(self, path: str) -> tuple[int, Any]:
        return await self._send("GET", path)

    async def start(self, path: str, body: object = None) -> str:
        code, links = await self.post(path, body)
        assert code == 202, links
        instance_id: str = links["id"]
        return instance_id

    async def until(
        self, instance_id: str, reached: Callable[[dict[str, Any]], bool] = lambda _: False
    ) -> dict[str, Any]:
        """The status once it is as wanted, or once the instance has ended."""
        async with asyncio.timeout(PATIENCE):
            while True:
                code, status = await self.get(f"durabletask/instances/{instance_id}")
                assert code in (200, 202), status
                found: dict[str, Any] = status
                if found["runtimeStatus"] in ENDED or reached(found):
                    return found
                await asyncio.sleep(0.1)

    async def _send(self, method: str, path: str, **options: Any) -> tuple[int, Any]:
        async with self._session.request(method, f"{self._base_url}/{path}", **options) as answer:
            return answer.status, await answer.json(content_type=None)


def kinds(order: dict[str, Any]) -> list[str]:
    return sorted(entry["kind"] for entry in order["entries"])


async def test_an_order_ships_with_one_charge(app: Client) -> None:
    order_id = await app.start("orders", {**ORDER, "cancel_window_seconds": 0.5})
    status = await app.until(order_id)
    assert status["runtimeStatus"] == "Completed"
    assert status["output"]["outcome"] == "shipped"

    code, order = await app.get(f"orders/{order_id}")
    assert code == 200
    assert order["status"] == "Completed"
    assert order["step"] == "shipped"
    assert kinds(order) == ["charge", "confirm", "notice", "reserve", "ship"]
    assert sum(entry["cents"] for entry in order["entries"]) == 2500


async def test_a_cancelled_order_is_undone_in_reverse(app: Client) -> None:
    order_id = await app.start("orders", ORDER)
    status = await app.until(order_id, lambda status: "waiting" in str(status["customStatus"]))
    assert status["runtimeStatus"] == "Running"
    code, _ = await app.post(f"orders/{order_id}/cancel")
    assert code == 202
    result = (await app.until(order_id))["output"]
    assert result["outcome"] == "cancelled"
    assert result["undone"] == ["release_stock", "refund_card"]

    _, order = await app.get(f"orders/{order_id}")
    assert kinds(order) == ["charge", "confirm", "refund", "release", "reserve"]
    assert sum(entry["cents"] for entry in order["entries"]) == 0
    code, answer = await app.post(f"orders/{order_id}/cancel")
    assert (code, "has ended" in answer["error"]) == (410, True)


async def test_an_order_without_stock_is_refunded(app: Client) -> None:
    order_id = await app.start("orders", {**ORDER, "lines": [{"sku": "unicorn"}]})
    result = (await app.until(order_id))["output"]
    assert result["outcome"] == "failed"
    assert "OutOfStock" in result["reason"]
    _, order = await app.get(f"orders/{order_id}")
    assert kinds(order) == ["charge", "refund"]


async def test_the_same_order_sent_twice_is_one_order(app: Client) -> None:
    body = {**ORDER, "cancel_window_seconds": 0}
    name = f"twice-{secrets.token_hex(4)}"
    assert await app.start(f"orders?id={name}", body) == name
    await app.until(name)
    assert await app.start(f"orders?id={name}", body) == name
    _, order = await app.get(f"orders/{name}")
    assert kinds(order).count("charge") == 1


async def test_a_batch_of_fifty(app: Client) -> None:
    items = ["two words"] * 49 + [" "]
    batch_id = await app.start("batches", {"items": items, "limit": 10})
    status = await app.until(batch_id)
    assert status["output"] == {"items": 50, "words": 98, "failed": [49]}
    assert status["customStatus"] == {"done": 50, "of": 50, "running": 0, "failed": 1}


async def test_an_approval_is_escalated_and_given(app: Client) -> None:
    request = {"subject": "A desk", "manager": "Max", "escalate_after_seconds": 0.5}
    approval_id = await app.start("approvals", request)
    await app.until(approval_id, lambda status: "Max" in str(status["customStatus"]))
    code, _ = await app.post(f"approvals/{approval_id}/decision", {"approved": True, "by": "Max"})
    assert code == 202
    result = (await app.until(approval_id))["output"]
    assert result["outcome"] == "approved"
    assert result["escalated"] is True
    assert result["decision"]["by"] == "Max"


async def test_a_monitor_meets_its_condition_and_expires(app: Client, base_url: str) -> None:
    watched = f"{base_url}/orders/nobody"
    monitor_id = await app.start(
        "monitors", {"url": watched, "status": 404, "contains": "there is no"}
    )
    assert (await app.until(monitor_id))["output"] == {"outcome": "met", "polls": 1}
    monitor_id = await app.start(
        "monitors", {"url": watched, "interval_seconds": 0.2, "expires_after_seconds": 0.5}
    )
    result = (await app.until(monitor_id))["output"]
    assert result["outcome"] == "expired"
    assert 2 <= result["polls"] <= 3


async def test_an_invoice_is_corrected_from_its_delivery(app: Client) -> None:
    invoice = {"customer": "Ada", "email": "ada at home", "cents": 1200}
    wrong = await app.start("invoices", invoice)
    failed = await app.until(wrong)
    assert failed["runtimeStatus"] == "Failed"
    right = await app.start(f"invoices/{wrong}/correct", {**invoice, "email": "ada@home"})
    sent = await app.until(right)
    assert sent["output"] == {"number": failed["customStatus"]["number"], "email": "ada@home"}
    assert sent["forkedFrom"] == {"instanceId": wrong, "step": 2}


async def test_a_catalogue_is_taken_over_and_sealed(app: Client) -> None:
    catalogue = {"supplier": "Acme", "pages": 3, "seconds_per_page": 0.1, "rounds": 1}
    catalogue_id = await app.start("catalogues", catalogue)
    status = await app.until(catalogue_id)
    seal = hashlib.sha256(b"Acme").hexdigest()
    assert status["output"] == {"pages": 3, "seal": seal}


async def test_hello(app: Client) -> None:
    hello_id = await app.start("hello", ["Oslo"])
    assert (await app.until(hello_id))["output"] == ["Hello Oslo!"]


@pytest.mark.parametrize(
    ("path", "body", "complaint"),
    [
        ("orders", "{", "not JSON"),
        ("orders", "", "expected Order"),
        ("orders", "[]", "expected Order"),
        ("orders", '{"customer":"Ada","lines":[]}', "1 to 20 lines"),
        ("orders", '{"customer":"Ada","lines":[{"sku":"Book"}]}', "$.lines[0]"),
        ("orders", '{"customer":"Ada","lines":[{"sku":"book","quantity":0}]}', "quantity"),
        ("orders?id=a%2Fb", '{"customer":"Ada","lines":[{"sku":"book"}]}', "instance id"),
        ("batches", '{"items":["a"],"limit":0}', "limit"),
        ("approvals", '{"subject":"x","timeout_seconds":1}', "timeout_seconds"),
        ("approvals/nobody/decision", "{}", "without approved"),
        ("catalogues", '{"supplier":"Acme","pages":0}', "pages is 1 to 10000"),
        ("monitors", '{"url":"file:///etc/passwd"}', "http"),
        ("invoices", '{"customer":"Ada","email":"a@b","cents":0}', "cents"),
        ("hello", '"Oslo"', "expected"),
    ],
)
async def test_bad_input_is_refused_with_a_reason(
    app: Client, path: str, body: str, complaint: str
) -> None:
    code, answer = await app.post_text(path, body)
    assert code == 400
    assert complaint in answer["error"]


async def test_who_is_not_there(app: Client) -> None:
    for method, path in ((app.get, "orders/nobody"), (app.post, "orders/nobody/cancel")):
        code, answer = await method(path)
        assert (code, answer) == (404, {"error": "there is no process_order 'nobody'"})
    hello_id = await app.start("hello", ["Oslo"])
    code, _ = await app.get(f"orders/{hello_id}")
    assert code == 404
