"""Show what durable execution is: an order, a batch, an approval, and a worker that dies.

    .venv/bin/python tools/demo.py

Starts an Azurite and two workers of its own, on free ports and in a temporary folder, and
leaves nothing behind. Exits 0 when everything went as it says.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from processes import (
    Process,
    ProcessFailed,
    connection_string,
    free_ports,
    run,
    start_azurite,
    worker_command,
)

LIMIT_SECONDS = 88.0
SETTINGS_OF_OTHERS = ("AZUREWEBJOBS", "AZUREFUNCTIONSJOBHOST", "WEBSITE_", "DURABLE_")
ORDER = {"customer": "Ada", "lines": [{"sku": "book", "quantity": 2, "unit_cents": 1250}]}
BATCH_SIZE = 200
BATCH_LIMIT = 20
BATCH_ITEM_SECONDS = 0.2
BAR_WIDTH = 30
LOG_SECONDS = 5.0

FURTHER = """
How to look further:

  make start                                 # the same app on port 7071, until Ctrl-C

  curl -d '{"customer":"Ada","lines":[{"sku":"book"}],"cancel_window_seconds":60}' \\
       'http://localhost:7071/api/orders?id=order-1'
  curl http://localhost:7071/api/orders/order-1
  curl -X POST http://localhost:7071/api/orders/order-1/cancel
  curl http://localhost:7071/api/durabletask/instances

  orchestrators/order.py                     # the order, as it is written
  docs/guide/README.md                       # how to write your own
"""


class Worker(Process):
    """A worker and where it listens."""

    def __init__(self, name: str, folder: Path, environment: dict[str, str]) -> None:
        (self.port,) = free_ports(1)
        super().__init__(
            f"worker {name}",
            worker_command("--port", str(self.port)),
            log=folder / f"worker-{name}.log",
            environment=environment,
        )

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}/api/{path}"


class Demo:
    """The show; each act prints what it does and fails loudly when it does not happen."""

    def __init__(self, workers: list[Worker]) -> None:
        self.workers = workers
        self.started = time.monotonic()
        self.live = sys.stdout.isatty()
        self.said = self.started

    def order(self) -> None:
        say("\n[1] An order: charge, reserve, confirm, wait 2 s for a cancellation, ship")
        begun = time.monotonic()
        order_id = self.post("orders", {**ORDER, "cancel_window_seconds": 2})["id"]
        steps: list[str] = []

        def shipped() -> Any:
            order = self.get(f"orders/{order_id}")
            if order["step"] not in (None, *steps[-1:]):
                steps.append(order["step"])
                self.progress(" > ".join(steps), last=False)
            return order if is_over(order["status"]) else None

        order = self.until(shipped, "the order to end")
        self.progress(" > ".join(steps), last=True)
        self.expect(order["result"]["outcome"] == "shipped", f"the order was not shipped: {order}")
        say(f"    shipped with {order['result']['tracking']} after {since(begun)}")

    def batch(self) -> None:
        say(f"\n[2] A batch of {BATCH_SIZE} items, {BATCH_LIMIT} at a time on two workers")
        begun = time.monotonic()
        items = [f"item number {number} of the batch" for number in range(BATCH_SIZE)]
        started = self.post(
            "batches",
            {"items": items, "limit": BATCH_LIMIT, "seconds_per_item": BATCH_ITEM_SECONDS},
        )

        def ended() -> Any:
            status = request("GET", started["statusQueryGetUri"])
            done = (status["customStatus"] or {"done": 0})["done"]
            filled = BAR_WIDTH * done // BATCH_SIZE
            bar = "#" * filled + "." * (BAR_WIDTH - filled)
            over = is_over(status["runtimeStatus"])
            self.progress(f"[{bar}] {done}/{BATCH_SIZE}", last=over)
            return status if over else None

        result = self.until(ended, "the batch to end")["output"]
        words = 6 * BATCH_SIZE
        expected = {"items": BATCH_SIZE, "words": words, "failed": []}
        self.expect(result == expected, f"the batch ended with {result}")
        say(f"    all {BATCH_SIZE} counted once, {words} words, after {since(begun)}")

    def approval(self) -> None:
        say("\n[3] An approval: the approver says nothing, so that the manager is asked")
        request_ = {
            "subject": "A new laptop",
            "approver": "Ann",
            "manager": "Max",
            "escalate_after_seconds": 2,
            "timeout_seconds": 60,
        }
        started = self.post("approvals", request_)
        seen: list[str] = []

        def waiting_for_max() -> Any:
            status = request("GET", started["statusQueryGetUri"])
            waiting = (status["customStatus"] or {}).get("waiting_for")
            if waiting is not None and waiting not in seen:
                seen.append(waiting)
                say(f"    waiting for {waiting} ...")
            return waiting == "Max" or is_over(status["runtimeStatus"])

        self.until(waiting_for_max, "the escalation")
        self.post(f"approvals/{started['id']}/decision", {"approved": True, "by": "Max"})

        def decided() -> Any:
            status = request("GET", started["statusQueryGetUri"])
            return status["output"] if is_over(status["runtimeStatus"]) else None

        result = self.until(decided, "the decision")
        self.expect(result["outcome"] == "approved", f"the approval ended with {result}")
        say(f"    {result['outcome']} by {result['decision']['by']}, after an escalation")

    def crash(self) -> None:
        say("\n[4] An order whose worker is killed with -9 in the middle of the charge")
        order_id = self.post("orders", {**ORDER, "card": "slow", "cancel_window_seconds": 1})["id"]

        def charged() -> Any:
            order = self.get(f"orders/{order_id}")
            return order["attempts"] if count(order["entries"], "kind", "charge") else None

        (attempt,) = self.until(charged, "the charge")
        victim = next((w for w in self.workers if w.pid == attempt["process"]), None)
        if victim is None:
            raise ProcessFailed(f"no worker has the process id {attempt['process']}")
        victim.kill()
        self.workers.remove(victim)
        begun = time.monotonic()
        say(f"    {victim.name} (process {victim.pid}) has taken the money and is dead:")
        say("    nobody knows of the charge but the bank")

        def shipped() -> Any:
            order = self.get(f"orders/{order_id}")
            over = is_over(order["status"])
            self.progress(f"{order['step']} ... {since(begun)} since the kill", last=over)
            return order if over else None

        order = self.until(shipped, "another worker to finish the order")
        charges = count(order["entries"], "kind", "charge")
        attempts = count(order["attempts"], "activity", "charge_card")
        self.expect(order["result"]["outcome"] == "shipped", f"the order was not shipped: {order}")
        self.expect(charges == 1, f"the card was charged {charges} times")
        self.expect(attempts > 1, f"the charge was attempted {attempts} times")
        for entry in order["entries"]:
            cents = f"  {entry['cents']} cents" if entry["cents"] else ""
            say(f"      ledger: {entry['kind']:<8}{cents}  {entry['detail']}".rstrip())
        say(f"    shipped by {self.workers[0].name}: {attempts} attempts, {charges} charge")

    # ---- helpers ----

    def post(self, path: str, body: object) -> Any:
        return request("POST", self.workers[0].url(path), body)

    def get(self, path: str) -> Any:
        return request("GET", self.workers[0].url(path))

    def until(self, look: Callable[[], Any], what: str) -> Any:
        """What `look` answers as soon as it is something."""
        while True:
            found = look()
            if found:
                return found
            for worker in self.workers:
                if not worker.is_running:
                    worker.fail("ended by itself")
            if time.monotonic() - self.started > LIMIT_SECONDS:
                self.expect(False, f"gave up waiting for {what}")
            time.sleep(0.1)

    def expect(self, fine: bool, otherwise: str) -> None:
        if not fine:
            logs = "\n".join(f"{worker.name}:\n{worker.tail()}" for worker in self.workers)
            raise ProcessFailed(f"{otherwise}\n{logs}")

    def progress(self, text: str, *, last: bool) -> None:
        """One line that changes; in a log, a line now and then."""
        if self.live:
            print(f"\r\033[K    {text}", end="\n" if last else "", flush=True)
        elif last or time.monotonic() - self.said > LOG_SECONDS:
            self.said = time.monotonic()
            say(f"    {text}")


def main() -> int:
    with ExitStack() as children:
        folder = Path(children.enter_context(tempfile.TemporaryDirectory(prefix="durable-demo-")))
        ports = free_ports(3)
        say("Starting Azurite and two workers ...")
        azurite = start_azurite(folder, ports, log=folder / "azurite.log")
        children.callback(azurite.stop)
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.upper().startswith(SETTINGS_OF_OTHERS)
        }
        environment["AzureWebJobsStorage"] = connection_string(ports)
        workers = []
        for name in ("A", "B"):
            worker = Worker(name, folder, environment)
            children.callback(worker.stop)
            workers.append(worker)
        for worker in workers:
            worker.wait_for_port(worker.port)
            say(f"    {worker.name}: process {worker.pid}, {worker.url('')}")
        demo = Demo(workers)
        demo.order()
        demo.batch()
        demo.approval()
        demo.crash()
        say("\nEverything was stored in Queues and Tables of the storage emulator; it is gone now.")
    say(FURTHER)
    return 0


def request(method: str, url: str, body: object = None) -> Any:
    """The JSON of an answer; ProcessFailed when it is an error."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    message = urllib.request.Request(url, data, headers, method=method)  # noqa: S310
    try:
        with urllib.request.urlopen(message, timeout=30) as answer:  # noqa: S310
            return json.load(answer)
    except urllib.error.HTTPError as error:
        said = error.read().decode(errors="replace")[:1000]
        raise ProcessFailed(f"{method} {url} answered {error.code}: {said}") from error
    except (OSError, ValueError) as error:
        raise ProcessFailed(f"{method} {url} failed: {error}") from error


def is_over(status: str) -> bool:
    return status in ("Completed", "Failed", "Terminated", "Canceled", "Stuck")


def count(rows: list[dict[str, Any]], column: str, value: str) -> int:
    return sum(row[column] == value for row in rows)


def since(moment: float) -> str:
    return f"{time.monotonic() - moment:.1f} s"


def say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    run(main, "demo")
