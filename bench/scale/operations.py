"""Which storage calls a workload makes, in order, and what each of them loads.

The one table that both the arithmetic and the simulation go by. `tests/bench` counts the calls
of the real runtime and holds the table to them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from bench.scale.limits import Site


@dataclass(frozen=True, slots=True)
class Call:
    """One request. `units` are the entities or messages at its site that it touches, or one."""

    verb: str
    site: Site
    units: int = 1


class By(StrEnum):
    """Who makes the calls of a part, and what has to be free for it."""

    CLIENT = "client"
    CONTROL = "control queue"
    """A run that a doorbell begins, in one of a worker's slots for orchestrations."""
    HERE = "same process"
    """A run that goes on in the process of the part before, or by doorbell if that has no room."""
    WORK = "work queue"
    """A work item, in one of a worker's slots for activities."""
    SWEEPER = "sweeper"


@dataclass(frozen=True, slots=True)
class Part:
    """Calls in a row by one party. `rings` is the index of the call that sends the message which
    begins the next part, -1 for none."""

    by: By
    calls: tuple[Call, ...]
    rings: int = -1


@dataclass(frozen=True, slots=True)
class Workload:
    """`parts` in order, for one instance."""

    name: str
    parts: tuple[Part, ...]
    activities: int = 0
    events: int = 0
    shares: float = 1.0
    """How many units of work share the calls: those of an entity's turn are for all it took."""

    @property
    def calls(self) -> tuple[Call, ...]:
        """All calls."""
        return tuple(call for part in self.parts for call in part.calls)

    @property
    def requests(self) -> int:
        """How many they are."""
        return len(self.calls)

    def units(self) -> Counter[Site]:
        """What they load, by site."""
        return total(self.calls)


def total(calls: Iterable[Call]) -> Counter[Site]:
    """Units by site."""
    found: Counter[Site] = Counter()
    for call in calls:
        found[call.site] += call.units
    return found


# ---- calls, by what the protocol does with them ----

ANNOUNCE = Call("transact", Site.PROJECTION)
CREATE = Call("transact", Site.HISTORY, 2)
HEAD = Call("get", Site.HISTORY)
INBOX = Call("query", Site.HISTORY)
INBOX_OF_ONE = Call("query", Site.HISTORY, 2)
TURN = Call("transact", Site.HISTORY)
LAST = Call("transact", Site.HISTORY, 2)
LAST_ON_EVENT = Call("transact", Site.HISTORY, 3)
CROSS_OFF = Call("transact", Site.HISTORY)
DELIVER = Call("transact", Site.HISTORY, 2)
ADD_TIMER = Call("transact", Site.TIMERS)
LIST_TIMER = Call("query", Site.TIMERS)
DROP_TIMER = Call("transact", Site.TIMERS)
RING = Call("send", Site.CONTROL)
RECEIVE = Call("receive", Site.CONTROL)
FORGET = Call("delete", Site.CONTROL)
SEND_ITEM = Call("send", Site.WORK)
RECEIVE_ITEM = Call("receive", Site.WORK)
FORGET_ITEM = Call("delete", Site.WORK)
WRITE_ROW = Call("transact", Site.PROJECTION)
"""Of a run that knows the row's etag, in the process that wrote it last."""

SHOW = (Call("get", Site.PROJECTION), HEAD, WRITE_ROW)

STEPS = 5
ENTITY_BATCH = 89
"""Operations that one turn of an entity takes at most."""

# ---- parts ----

_START_HERE = Part(By.CLIENT, (ANNOUNCE, RING, CREATE))
_START = Part(By.CLIENT, (ANNOUNCE, CREATE, RING), rings=2)
_COLD = (RECEIVE, HEAD, INBOX)
_STEPS = (TURN,) * STEPS
_END = (LAST, WRITE_ROW, FORGET)
_COLD_END = (LAST, *SHOW, FORGET)
_OUT = (TURN, SEND_ITEM)
_RAISE = Part(By.CLIENT, (HEAD, DELIVER, RING), rings=2)
_ON_EVENT = Part(By.CONTROL, (RECEIVE, HEAD, INBOX_OF_ONE, LAST_ON_EVENT, *SHOW, FORGET))
_PARK = Part(By.CONTROL, (*_COLD, TURN, *SHOW, FORGET))
_PARK_TIMER = Part(By.CONTROL, (*_COLD, TURN, ADD_TIMER, HEAD, CROSS_OFF, *SHOW, FORGET))
_SWEPT = Part(By.SWEEPER, (LIST_TIMER, HEAD, RING), rings=2)
_FIRE = Part(
    By.CONTROL,
    (RECEIVE, HEAD, INBOX, LAST, DROP_TIMER, CROSS_OFF, *SHOW, FORGET),
)


def _queued(cold: bool) -> tuple[Part, ...]:
    """A step's result goes to the process that ran it: one without the code in memory reads."""
    first = Part(By.CONTROL, (*_COLD, *_OUT, *SHOW, FORGET), rings=4)
    parts = [_START, first]
    for step in range(1, STEPS + 1):
        # so short a history stands in the head
        reads = (HEAD, INBOX) if cold else ()
        calls = (RECEIVE_ITEM, *reads)
        if step == STEPS:
            # a cold run has looked into the inbox already
            last = (LAST, *SHOW) if cold else (INBOX, LAST, WRITE_ROW)
            parts.append(Part(By.WORK, (*calls, *last, FORGET_ITEM)))
        else:
            rings = len(calls) + 1
            parts.append(Part(By.WORK, (*calls, *_OUT, FORGET_ITEM), rings=rings))
    return tuple(parts)


INLINE_HERE = Workload(
    "5 inline steps, started in a worker",
    (_START_HERE, Part(By.HERE, (*_STEPS, *_END))),
    activities=STEPS,
)
INLINE = Workload(
    "5 inline steps, started elsewhere",
    (_START, Part(By.CONTROL, (*_COLD, *_STEPS, *_COLD_END))),
    activities=STEPS,
)
QUEUED = Workload("5 queued steps, code in memory", _queued(cold=False), activities=STEPS)
QUEUED_COLD = Workload("5 queued steps, code read anew", _queued(cold=True), activities=STEPS)
PARK = Workload("start, then wait for an event", (_START, _PARK))
EVENT = Workload("an event that ends the instance", (_RAISE, _ON_EVENT), events=1)
PARK_TIMER = Workload("start, then wait for a far timer", (_START, _PARK_TIMER))
TIMER = Workload("a far timer, swept once, that ends the instance", (_SWEPT, _FIRE), events=1)
SPARE = Workload(
    "a doorbell too many, after the end",
    (
        Part(
            By.CONTROL,
            (RECEIVE, HEAD, INBOX, HEAD, Call("get", Site.PROJECTION), HEAD, FORGET),
        ),
    ),
)
SIGNAL = Workload(
    "a signal to a hot entity",
    (
        Part(By.CLIENT, (Call("transact", Site.ENTITY), RING), rings=1),
        Part(By.CONTROL, (RECEIVE, FORGET)),
    ),
    events=1,
)
ENTITY_TURN = Workload(
    f"a turn of that entity over {ENTITY_BATCH} signals",
    (
        Part(
            By.CONTROL,
            (
                Call("query", Site.ENTITY, ENTITY_BATCH),
                Call("transact", Site.ENTITY, 2 + ENTITY_BATCH),
            ),
        ),
    ),
    shares=ENTITY_BATCH,
)

WORKLOADS = (
    INLINE_HERE,
    INLINE,
    QUEUED,
    QUEUED_COLD,
    PARK,
    EVENT,
    PARK_TIMER,
    TIMER,
    SPARE,
    SIGNAL,
    ENTITY_TURN,
)
