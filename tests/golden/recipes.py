"""How golden histories are brought about: steps, and the moments at which the hub is dumped.

A recipe gives one file for each of its cuts, for each write of a worker that `writes` counts
(the worker ends there, between two calls to storage), for each write of a purging client that
`purges` counts (so does that client), and for the end.
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.golden.steps import Step, cut, event, mend, on, purge, run, signal, start, wait

DAY = 86_400.0


@dataclass(frozen=True)
class Recipe:
    """`about` says what the history shows."""

    name: str
    about: str
    steps: list[Step]
    writes: tuple[int, ...] = ()
    purges: tuple[int, ...] = ()


RECIPES = [
    Recipe(
        "chain",
        "three activities one after the other",
        [start("chain", "c", 3), run(2), cut("in-an-activity"), wait("c")],
        writes=(2, 4, 6),
    ),
    Recipe(
        "fan",
        "fan-out and fan-in, twice, with a custom status",
        [start("fan", "f", 8), run(2), cut("out"), wait("f")],
        writes=(3, 5),
    ),
    Recipe(
        "queued",
        "activities through their queue, and one that runs so long that it is claimed",
        [start("queued", "q", 3), cut("not-begun"), run(40), cut("claimed"), wait("q")],
        writes=(3, 5, 7),
    ),
    Recipe(
        "restarted",
        "an instance takes the place of a finished one of its id",
        [
            start("chain", "c", 1),
            wait("c"),
            run(10),
            start("chain", "c", 2),
            cut("both"),
            run(2),
            wait("c"),
        ],
        writes=(9, 11),
    ),
    Recipe(
        "first-wins",
        "when_any of an event and a far timer: one is cancelled by the event, one fires",
        [
            start("first_wins", "early", 3),
            start("first_wins", "late", 1),
            run(5),
            cut("both-wait"),
            event("early", "go", 7),
            run(2),
            cut("timer-cancelled"),
            wait("early"),
            wait("late"),
        ],
    ),
    Recipe(
        "retried",
        "an activity that fails, its backoff, and the attempt that works",
        [start("retried", "r"), run(20), cut("backs-off"), mend(), wait("r")],
    ),
    Recipe(
        "retries-used-up",
        "all attempts of a retry policy fail",
        [start("retried", "r"), run(60), cut("last-wait"), wait("r")],
    ),
    Recipe(
        "failures",
        "a failure that is handled and one that is not",
        [start("careful", "handled"), start("careless", "unhandled"), wait("handled")],
    ),
    Recipe(
        "timers",
        "timers: at once, near, far, further than a queue can hide a message",
        [
            start("sleeps", "near", [0, 40, 100]),
            start("sleeps", "far", [1, 8 * DAY]),
            run(10),
            cut("near-and-far"),
            wait("near"),
            run(7 * DAY),
            cut("a-week-later"),
            wait("far"),
        ],
    ),
    Recipe(
        "timers-400-days",
        "a timer of 400 days",
        [start("sleeps", "s", [400 * DAY]), run(90 * DAY), cut("90-days"), wait("s")],
    ),
    Recipe(
        "events",
        "events buffered before they are awaited, in other cases, too late, and sent on",
        [
            start("listens", "listener"),
            start("events", "e"),
            event("e", "APPROVAL", "one"),
            event("e", "approval", "two"),
            event("e", "Last", {"n": 3}),
            run(2),
            cut("buffered"),
            run(30),
            cut("one-waits-with-a-timeout"),
            wait("e"),
            wait("listener"),
        ],
        writes=(9, 14),
    ),
    Recipe(
        "sub-orchestrations",
        "children with ids of their own and derived ones, with tags, and one that fails",
        [start("parent", "p"), run(2), cut("children-run"), wait("p")],
        writes=(5, 9, 13, 20),
    ),
    Recipe(
        "continue-as-new",
        "generations; events that nobody awaited are kept, a buffered one in each",
        [
            start("eternal", "g", [3, []]),
            event("g", "e", 1),
            event("g", "e", 2),
            run(8),
            cut("second-generation"),
            event("g", "e", 3),
            wait("g"),
        ],
        writes=(6, 10, 14),
    ),
    Recipe(
        "long-generations",
        "generations with payloads in rows of their own, which go with their generation",
        [
            start("eternal_long", "l", [3, ""]),
            event("l", "e", "0123456789", times=3_000),
            run(5),
            event("l", "e", "0123456789", times=3_000),
            cut("event-not-taken"),
            run(5),
            event("l", "e", "0123456789", times=3_000),
            wait("l"),
        ],
        writes=(8, 12, 16),
    ),
    Recipe(
        "wide-turn",
        "a turn that is too long for its row, in a generation that ends",
        [start("wide", "w", 1), run(5), cut("waits"), event("w", "go"), wait("w")],
        writes=(3,),
    ),
    Recipe(
        "entities",
        "signals, calls under two locks, a signal for later, an orchestration begun by an entity",
        [
            signal("@account@one", "deposit", 5),
            start("transfer", "t", 30),
            run(3),
            cut("locked"),
            wait("t"),
            run(10),
            cut("signal-for-later"),
            run(400),
        ],
        writes=(6, 14, 22, 30, 40),
    ),
    Recipe(
        "entity-fails",
        "a call that fails under a lock: the orchestration fails, and the locks are released",
        [start("transfer", "t", 1_000), wait("t"), run(400)],
        writes=(20, 26, 32, 34, 36),
    ),
    Recipe(
        "custom-status",
        "custom statuses of several types, one taken back, and a uuid",
        [
            start("reports", "s", version="7"),
            run(10),
            cut("first"),
            run(22),
            cut("second"),
            wait("s"),
        ],
    ),
    Recipe(
        "versions",
        "an instance without version becomes 2.0; a child of another version",
        [
            start("versioned", "v", tags={"team": "red", "cost center": "4711"}),
            run(2),
            cut("without"),
            event("v", "go"),
            run(2),
            cut("of-2.0"),
            wait("v"),
        ],
    ),
    Recipe(
        "http",
        "call_http: 202 twice, then the answer",
        [start("asks", "h"), run(10), cut("first-poll"), run(20), cut("second-poll"), wait("h")],
    ),
    Recipe(
        "suspended",
        "suspended while an activity runs, events come, resumed",
        [
            start("events", "s"),
            event("s", "approval", "one"),
            run(1),
            on("s", "suspend"),
            run(20),
            event("s", "approval", "two"),
            run(2),
            cut("suspended"),
            on("s", "resume"),
            run(2),
            event("s", "last", {}),
            wait("s"),
        ],
    ),
    Recipe(
        "terminated",
        "a parent and its child are terminated; another's activity goes on for nobody",
        [
            start("waits_for_child", "p"),
            start("chain", "c", 1),
            run(2),
            on("p", "terminate", recurse=True),
            cut("asked"),
            wait("p"),
            wait("grandchild"),
            on("c", "terminate", recurse=False),
            wait("c"),
            run(20),
        ],
    ),
    Recipe(
        "rewound",
        "a parent that failed by its child is rewound, twice, and so is the child",
        [
            start("head_of_family", "father", "it"),
            wait("father"),
            on("father", "rewind"),
            run(1),
            wait("father"),
            run(10),
            cut("failed-again"),
            mend(),
            on("father", "rewind"),
            cut("rewound"),
            wait("father"),
        ],
    ),
    Recipe(
        "rewound-fan",
        "of a fan-out two have failed; rewound they succeed, and the code goes on to wait",
        [
            start("two_failures", "w", ["a", "b"]),
            wait("w"),
            run(5),
            mend(),
            on("w", "rewind"),
            run(10),
            cut("goes-on"),
            event("w", "end", "well"),
            wait("w"),
        ],
    ),
    Recipe(
        "scheduled",
        "starts for later, near and far; one is terminated before",
        [
            start("chain", "near", 1, in_seconds=60),
            start("chain", "far", 2, in_seconds=2 * DAY),
            start("chain", "never", 3, in_seconds=2 * DAY),
            run(10),
            cut("none-has-begun"),
            on("never", "terminate", recurse=False),
            wait("near"),
            wait("far"),
        ],
    ),
    Recipe(
        "long-payloads",
        "payloads in rows of their own: results, events, statuses, inputs and outputs of children",
        [
            start("long_payloads", "l", 60_000),
            run(5),
            cut("waits"),
            event("l", "text", "lorem ipsum ", times=3_000),
            wait("l"),
        ],
        writes=(5, 10),
    ),
    Recipe(
        "purged",
        "a purge whose client dies: marked, without its rows, without its listing, "
        "without its head",
        [
            start("long_payloads", "l", 60_000),
            run(5),
            event("l", "text", "lorem ipsum ", times=3_000),
            wait("l"),
            run(10),
            purge("l"),
            run(60),
        ],
        purges=(2, 3, 4, 5),
    ),
    Recipe(
        "long-answers",
        "an entity whose answers lie in rows of their own, which go once they were given",
        [start("asks_at_length", "a", 60_000), run(60)],
        writes=(13, 14, 15, 21),
    ),
    Recipe(
        "face-of-1x",
        "a generator of Durable Functions 1.x: fan-out, when_any, entities, retries, a child",
        [
            start("pipeline_1x", "one"),
            run(10),
            cut("waits"),
            event("one", "approval", "yes"),
            run(2),
            cut("backs-off"),
            wait("one"),
        ],
    ),
    Recipe(
        "face-of-2x",
        "a generator of 2.x: when_all, locks, an event, a far timer, a child",
        [
            start("pipeline_2x", "two", [1, 2, 3]),
            run(3),
            cut("fan-out"),
            run(10),
            event("two", "go", "gone"),
            run(3),
            cut("far-timer"),
            wait("two"),
        ],
    ),
    Recipe(
        "limited",
        "calls of a limited activity: an urgent one, one with a key that is in use, two that run",
        [
            start("pays", "p", [["a", "1"], ["a", "2"], ["a", "3"], ["b", "4"], ["c", "5"]]),
            run(1),
            cut("urgent"),
            run(3.5),
            cut("two-run"),
            wait("p"),
        ],
        writes=(5, 12),
    ),
]
