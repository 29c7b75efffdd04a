"""What orchestrators, activities and the HTTP starters hand to each other.

Each class checks itself, so that a value which cannot be worked with is refused where it
comes in: the starters answer such a one with 400.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

HOUR = 3600.0
YEAR = 365 * 24 * HOUR
MAX_ITEMS = 5000


# ---- order, and the cart before it ----


@dataclass(frozen=True, slots=True)
class Line:
    """One article of an order."""

    sku: str
    quantity: int = 1
    unit_cents: int = 100

    def __post_init__(self) -> None:
        _check(
            re.fullmatch(r"[a-z0-9-]{1,40}", self.sku) is not None,
            f"sku is 1 to 40 of a-z, 0-9 and '-', not {self.sku!r}",
        )
        _check(1 <= self.quantity <= 1000, f"quantity is 1 to 1000, not {self.quantity}")
        _check(
            0 <= self.unit_cents <= 10_000_000,
            f"unit_cents is 0 to 10000000, not {self.unit_cents}",
        )


@dataclass(frozen=True, slots=True)
class Order:
    """What a customer asks for; the id of the instance is the id of the order."""

    customer: str
    lines: tuple[Line, ...]
    card: str = "valid"
    """For the pretend bank, which declines "declined" and takes its time for "slow"."""
    cancel_window_seconds: float = HOUR / 2

    def __post_init__(self) -> None:
        _check(bool(self.customer.strip()), "customer must not be empty")
        _check(1 <= len(self.lines) <= 20, f"an order has 1 to 20 lines, not {len(self.lines)}")
        skus = [line.sku for line in self.lines]
        _check(len(set(skus)) == len(skus), "each sku may be in one line only")
        _check_seconds("cancel_window_seconds", self.cancel_window_seconds, 0)

    @property
    def total_cents(self) -> int:
        """What the card is charged."""
        return sum(line.quantity * line.unit_cents for line in self.lines)


@dataclass(frozen=True, slots=True)
class Checkout:
    """What ends a cart."""

    card: str = "valid"


@dataclass(frozen=True, slots=True)
class Cart:
    """A cart as it is now; `outcome` is open, ordered or abandoned."""

    customer: str
    lines: tuple[Line, ...]
    total_cents: int
    outcome: str


@dataclass(frozen=True, slots=True)
class Charge:
    """Input of `charge_card`."""

    order_id: str
    card: str
    cents: int


@dataclass(frozen=True, slots=True)
class Receipt:
    """A charge that was made."""

    payment_id: str
    cents: int


@dataclass(frozen=True, slots=True)
class Goods:
    """Input of the activities that move stock."""

    order_id: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Notice:
    """Input of `send_notice`: one message to one person."""

    to: str
    subject: str


@dataclass(frozen=True, slots=True)
class OrderResult:
    """How an order ended. `undone` names the compensations that ran, in their order."""

    order_id: str
    outcome: Literal["shipped", "cancelled", "failed"]
    reason: str = ""
    tracking: str | None = None
    undone: tuple[str, ...] = ()


# ---- batch ----


@dataclass(frozen=True, slots=True)
class Batch:
    """Texts to count the words of, `limit` at a time; each is made to take some seconds, so that
    there is something to watch."""

    items: tuple[str, ...]
    limit: int = 10
    seconds_per_item: float = 0.0

    def __post_init__(self) -> None:
        _check(
            len(self.items) <= MAX_ITEMS,
            f"a batch has at most {MAX_ITEMS} items, not {len(self.items)}",
        )
        _check(1 <= self.limit <= 100, f"limit is 1 to 100, not {self.limit}")
        _check(
            0 <= self.seconds_per_item <= 60,
            f"seconds_per_item is 0 to 60, not {self.seconds_per_item:g}",
        )


@dataclass(frozen=True, slots=True)
class Item:
    """Input of `count_words`."""

    text: str
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class BatchResult:
    """The sum over all items that could be counted, and the positions of the others."""

    items: int
    words: int
    failed: tuple[int, ...]


# ---- payouts ----


@dataclass(frozen=True, slots=True)
class Payout:
    """Money for a customer."""

    customer: str
    cents: int

    def __post_init__(self) -> None:
        _check(
            re.fullmatch(r"[A-Za-z0-9-]{1,40}", self.customer) is not None,
            f"customer is 1 to 40 letters, digits and '-', not {self.customer!r}",
        )
        _check(0 < self.cents <= 10_000_000, f"cents is 1 to 10000000, not {self.cents}")


@dataclass(frozen=True, slots=True)
class PayoutRun:
    """Payouts to make; those of an `urgent` run come before all others."""

    payouts: tuple[Payout, ...]
    urgent: bool = False

    def __post_init__(self) -> None:
        _check(
            len(self.payouts) <= MAX_ITEMS,
            f"a run has at most {MAX_ITEMS} payouts, not {len(self.payouts)}",
        )


@dataclass(frozen=True, slots=True)
class PayoutInput:
    """Input of `send_payout`."""

    run_id: str
    payout: Payout


@dataclass(frozen=True, slots=True)
class PayoutResult:
    """What a run has paid."""

    payouts: int
    cents: int


# ---- approval ----


@dataclass(frozen=True, slots=True)
class ApprovalRequest:
    """A question to one person, and to that person's manager when no answer comes."""

    subject: str
    approver: str = "approver"
    manager: str = "manager"
    escalate_after_seconds: float = 24 * HOUR
    timeout_seconds: float = 48 * HOUR

    def __post_init__(self) -> None:
        _check(bool(self.subject.strip()), "subject must not be empty")
        _check_seconds("escalate_after_seconds", self.escalate_after_seconds, 0)
        _check_seconds("timeout_seconds", self.timeout_seconds, self.escalate_after_seconds)


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer; data of the event `decision`."""

    approved: bool
    by: str = "unknown"
    comment: str = ""


@dataclass(frozen=True, slots=True)
class ApprovalResult:
    """What became of the question."""

    outcome: Literal["approved", "rejected", "expired"]
    escalated: bool
    decision: Decision | None = None


# ---- monitor ----


@dataclass(frozen=True, slots=True)
class Watch:
    """An endpoint to poll until it answers `status` with `contains` in its body.

    `polls` and `expires_at` are what one generation of the monitor hands to the next.
    """

    url: str
    status: int = 200
    contains: str = ""
    interval_seconds: float = 60.0
    expires_after_seconds: float = 24 * HOUR
    polls: int = 0
    expires_at: datetime | None = None

    def __post_init__(self) -> None:
        _check(
            re.match(r"https?://[^/\s]", self.url) is not None,
            f"url is an http or https address, not {self.url!r}",
        )
        _check_seconds("interval_seconds", self.interval_seconds, 0.1)
        _check_seconds("expires_after_seconds", self.expires_after_seconds, 0)


@dataclass(frozen=True, slots=True)
class Probe:
    """One look at an endpoint; `status` is 0 when it could not be reached."""

    status: int
    found: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class WatchResult:
    """Why the monitor ended."""

    outcome: Literal["met", "expired"]
    polls: int


# ---- invoice ----


@dataclass(frozen=True, slots=True)
class Invoice:
    """What a customer owes, and where the invoice goes."""

    customer: str
    email: str
    cents: int

    def __post_init__(self) -> None:
        _check(bool(self.customer.strip()), "customer must not be empty")
        _check(bool(self.email.strip()), "email must not be empty")
        _check(0 < self.cents <= 10**9, f"cents is 1 to 1000000000, not {self.cents}")


@dataclass(frozen=True, slots=True)
class Booking:
    """What is owed for an invoice."""

    number: str
    cents: int


@dataclass(frozen=True, slots=True)
class Delivery:
    """Which invoice goes where."""

    number: str
    email: str


@dataclass(frozen=True, slots=True)
class InvoiceSent:
    """An invoice that has reached its customer."""

    number: str
    email: str


# ---- catalogue ----


@dataclass(frozen=True, slots=True)
class Catalogue:
    """A supplier's catalogue, of so many pages; `rounds` is how much work its seal takes."""

    supplier: str
    pages: int = 100
    seconds_per_page: float = 0.0
    rounds: int = 100_000

    def __post_init__(self) -> None:
        _check(bool(self.supplier.strip()), "supplier must not be empty")
        _check(1 <= self.pages <= 10_000, f"pages is 1 to 10000, not {self.pages}")
        _check_seconds("seconds_per_page", self.seconds_per_page, 0)
        _check(0 <= self.rounds <= 10**8, f"rounds is 0 to 100000000, not {self.rounds}")


@dataclass(frozen=True, slots=True)
class CatalogueResult:
    """What was taken over, and its seal."""

    pages: int
    seal: str


def _check(fine: bool, otherwise: str) -> None:
    if not fine:
        raise ValueError(otherwise)


def _check_seconds(name: str, seconds: float, least: float) -> None:
    _check(least <= seconds <= YEAR, f"{name} is {least:g} to {YEAR:g}, not {seconds:g}")
