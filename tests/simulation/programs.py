"""Generated programs, the functions that run them, and what has to come out.

A program is JSON: the input of the one orchestrator `program`, which goes through its steps
and answers what each gave. So the outcome is known from the program alone.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from durable.engine.context import DurableOrchestrationContext as Context
from durable.engine.entities import EntityContext
from durable.errors import TaskFailedError
from durable.model.entities import EntityId
from durable.model.retry import RetryPolicy
from durable.runtime.activities import ActivityContext, activity_context
from tests.memory_hub import MemoryHub
from tests.simulation import asking, flow, limits

Step = list[Any]

PROGRAM = "program"
LONG = 17_000
"""More than a row holds inline."""
LONGER = 120_000
"""Two of these are more than a turn's row holds."""
ANY_NUMBER = "any"
"""Stands for an outcome that time decides."""

_SIMPLE = ("act", "act", "flaky", "fails", "all", "sub", "broken", "timer", "status", "signal")
_OTHER = ("call", "lock", "race", "told", "free", "long", "loose")
_RARE = ("event", "event", "again", "wide")
_ASKED = ("asked", "asked", "asked")
_LIMITED = (*limits.KINDS, *flow.KINDS)
KINDS = frozenset({*_SIMPLE, *_OTHER, *_RARE, *_ASKED, *_LIMITED, "once", "deadly"} - {"wide"})
"""The kinds of steps."""


class Programs:
    """Makes programs; every activity call and mark has a number of its own."""

    def __init__(
        self,
        rnd: random.Random,
        *,
        far: bool,
        asked: bool = False,
        limited: random.Random | None = None,
        paced: random.Random | None = None,
    ) -> None:
        """`far` allows timers that are the sweeper's to ring for, `asked` steps that wait for
        updates; `limited` draws a step with a limit for each program, of its own chance, so that
        other seeds stay what they are, and `paced` calls of activities with limits over the hub."""
        self._limited, self._paced = limited, paced
        self._random = rnd
        self._kinds = _SIMPLE + _OTHER + _RARE + (_ASKED if asked else ())
        self._number = 0
        self._far = far

    def make(self, *, size: int | None = None) -> list[Step]:
        """A program for an instance that users feed."""
        size = size or self._random.randint(1, 6)
        steps = [self._step(self._kinds, 0) for _ in range(size)]
        if self._limited is not None:
            place = self._limited.randint(0, len(steps))
            steps.insert(place, limits.step(self._limited, self._next()))
        if self._paced is not None:
            flow.add_steps(self._paced, steps, self._next)
        return steps

    def failing(self) -> list[Step]:
        """One that fails, and comes to its end once it is rewound."""
        steps: list[Step] = [["act", self._next()], ["once", self._next()]]
        if self._random.random() < 0.5:
            steps.insert(1, ["sub", [["once", self._next()], ["act", self._next()]], 0])
        steps.append(["all", [self._next() for _ in range(2)]])
        return steps

    def deadly(self) -> list[Step]:
        """One whose activity ends its process until it is mended."""
        return [["act", self._next()], ["deadly", self._next()], ["act", self._next()]]

    def _next(self) -> int:
        self._number += 1
        return self._number

    def _step(self, kinds: tuple[str, ...], depth: int) -> Step:
        rnd = self._random
        kind = rnd.choice(kinds)
        match kind:
            case "all" | "wide":
                count = rnd.randint(20, 60) if kind == "wide" else rnd.randint(0, 4)
                return ["all", [self._next() for _ in range(count)]]
            case "sub" | "free":
                count = rnd.randint(1, 2)
                inner = _SIMPLE + _OTHER if depth == 0 else ("act", "timer")
                steps = [self._step(inner, depth + 1) for _ in range(count)]
                return [kind, steps, self._next()]
            case "timer":
                far = self._far and rnd.random() < 0.2
                return ["timer", 150 if far else rnd.choice((0, 1, 5, 20))]
            case "event" | "asked":
                return [kind, rnd.randint(1, 3)]
            case "lock":
                return ["lock", rnd.sample(("a", "b"), rnd.choice((1, 1, 2))), self._next()]
            case "signal" | "call":
                late = rnd.choice((0, 0, 15)) if kind == "signal" else 0
                return [kind, rnd.choice(("a", "b")), self._next(), late]
            case "flaky":
                return ["flaky", self._next(), rnd.randint(1, 2)]
            case "long":
                return ["long", self._next(), rnd.choice((LONG, LONG, LONGER))]
        return [kind, self._next()]


def events_of(steps: list[Step]) -> int:
    """How many events the program waits for."""
    return sum(step[1] for step in steps if step[0] == "event")


def updates_of(steps: list[Step]) -> int:
    """How many updates the program waits for."""
    return sum(step[1] for step in steps if step[0] == "asked")


def free_starts(steps: list[Step]) -> dict[str, list[Step]]:
    """The instances that a program starts and does not wait for, by id, with their programs."""
    found: dict[str, list[Step]] = {}
    for step in steps:
        if step[0] in ("sub", "free"):
            found |= free_starts(step[1])
        if step[0] == "free":
            found[f"free-{step[2]}"] = step[1]
    return found


def kinds_of(steps: list[Step]) -> Counter[str]:
    """How often each kind of step stands in a program."""
    found = Counter(step[0] for step in steps)
    for step in steps:
        if step[0] in ("sub", "free"):
            found += kinds_of(step[1])
    return found


def marks_of(steps: list[Step]) -> list[int]:
    """What a program leaves with entities, each once."""
    found: list[int] = []
    for step in steps:
        match step:
            case ["signal" | "call", _, mark, _]:
                found.append(mark)
            case ["lock", names, mark]:
                found += [mark * 10 + place + 1_000_000 for place in range(len(names))]
            case ["sub" | "free", inner, *_]:
                found += marks_of(inner)
    return found


def expected(steps: list[Step]) -> list[Any]:
    """What the program answers, an element a step; `matches` compares."""
    return [outcome for step in steps for outcome in _expected(step)]


def _expected(step: Step) -> list[Any]:
    match step:
        case [
            "act" | "flaky" | "told" | "call" | "lock" | "once" | "deadly" | "late" | "beats",
            *_,
        ]:
            return [step[2] if step[0] in ("call", "lock") else step[1]]
        case ["fails" | "broken", number]:
            return [f"failed {number}"]
        case ["narrow", number]:
            return [number]
        case ["all" | "map" | "keyed", numbers, *_]:
            return [numbers]
        case ["sub", inner, *_]:
            return [expected(inner)]
        case ["event" | "asked" as kind, count]:
            return [kind] * count
        case ["race", _]:
            return [ANY_NUMBER]
        case ["long", number, size]:
            return [[number, size]]
    return []


def matches(output: Any, wanted: Any) -> bool:
    """Whether an answer is right; which event came when is not asked here."""
    if wanted == ANY_NUMBER or output == wanted:
        return True
    if not isinstance(output, list):
        return False
    if wanted in ("event", "asked"):
        return bool(output[:1] == [wanted])
    return (
        isinstance(wanted, list)
        and len(output) == len(wanted)
        and all(matches(have, want) for have, want in zip(output, wanted, strict=True))
    )


def taken_events(output: list[Any]) -> list[int]:
    """The numbers of the events that a program took."""
    return [each[1] for each in output if isinstance(each, list) and each[:1] == ["event"]]


class Effects:
    """What user code did, as the world outside sees it."""

    def __init__(self) -> None:
        self.runs: Counter[int] = Counter()
        """How often each activity was begun, by its number."""
        self.calls: dict[str, set[int]] = {}
        """Which numbers were run under an idempotency key."""
        self.mended = False
        """Whether deadly activities live."""


def entity(name: str) -> EntityId:
    """One of the two entities that all programs share."""
    return EntityId("till", name)


def register(
    hub: MemoryHub, rnd: random.Random, effects: Effects, began: Callable[[Any, int], None]
) -> None:
    """The functions that programs are made of. `began` is told of each activity as it starts."""

    async def doing(number: int) -> ActivityContext:
        context = activity_context()
        began(context, number)
        effects.runs[number] += 1
        effects.calls.setdefault(context.idempotency_key, set()).add(number)
        await hub.clock.sleep(rnd.choice((0, 0, 0, 0.1, 3, 25)))
        return context

    @hub.activity
    async def act(value: int) -> int:
        await doing(value)
        return value

    @hub.queued_activity
    async def queued(value: int) -> int:
        await doing(value)
        return value

    @hub.activity
    async def flaky(value: list[int]) -> int:
        number, failures = value
        context = await doing(number)
        if context.attempt <= failures:
            raise ValueError(f"attempt {context.attempt}")
        return number

    @hub.activity
    async def fails(value: int) -> int:
        await doing(value)
        raise ValueError(f"failed {value}")

    @hub.activity
    async def once(value: int) -> int:
        await doing(value)
        if effects.runs[value] == 1:
            raise ValueError("the first time")
        return value

    @hub.activity
    async def deadly(value: int) -> int:
        began(activity_context(), value)
        effects.runs[value] += 1
        if not effects.mended:
            hub.crash()
            await hub.clock.sleep(1000)
        return value

    @hub.activity
    async def turned(value: str) -> str:
        return value[::-1]

    @hub.entity
    async def till(context: EntityContext) -> Any:
        state = context.get_state(dict, dict)
        if context.operation_name == "count":
            return state.get("count", 0)
        if context.operation_name == "begin":
            context.start_new(PROGRAM, *context.get_input(list))
            return None
        mark = str(context.get_input(list)[0])
        marks = {**state.get("marks", {}), mark: state.get("marks", {}).get(mark, 0) + 1}
        await hub.clock.sleep(rnd.choice((0, 0, 0, 0.2, 4)))
        count = context.get_input(list)[1] if context.operation_name == "set" else None
        context.set_state({"marks": marks, "count": count or state.get("count", 0)})
        return int(mark)

    @hub.orchestrator
    async def broken(context: Context) -> Any:
        number = context.get_input(int)
        await context.call_activity(act, number)
        raise ValueError(f"failed {number}")

    @hub.orchestrator
    async def tells(context: Context) -> Any:
        parent, number = context.get_input(list)
        context.send_event(parent, f"told {number}", number)

    @hub.orchestrator
    async def program(context: Context) -> Any:
        steps, out = context.get_input(list)
        asking.answers(context)
        for place, step in enumerate(steps):
            if step[0] == "again":
                version = "2.0" if step[1] % 3 == 0 else None
                context.continue_as_new([steps[place + 1 :], out], new_version=version)
                return None
            out += await _perform(context, step)
        return out


async def _perform(context: Context, step: Step) -> list[Any]:
    match step:
        case ["act" | "once" | "deadly" | "queued" as name, number]:
            return [await context.call_activity(name, number)]
        case ["flaky", number, failures]:
            policy = RetryPolicy(
                first_retry_interval=timedelta(seconds=2), max_number_of_attempts=failures + 1
            )
            return [await context.call_activity("flaky", [number, failures], retry=policy)]
        case ["fails" | "broken" as name, number]:
            call = context.call_activity if name == "fails" else context.call_sub_orchestrator
            try:
                await call(name, number)
            except TaskFailedError as error:
                return [str(error)[-len(f"failed {number}") :]]
        case ["all", numbers]:
            names = ("act", "queued")
            calls = [context.call_activity(names[n % 2], n) for n in numbers]
            return [await context.when_all(calls)]
        case ["sub", inner, _]:
            return [await context.call_sub_orchestrator(PROGRAM, [inner, []])]
        case ["loose", number]:
            # nobody waits for it: its answer comes to whoever is there then
            context.call_activity("act", number)
        case ["timer", seconds]:
            await context.create_timer(timedelta(seconds=seconds))
        case ["status", number]:
            context.set_custom_status(number)
        case ["asked", count]:
            return await asking.take(context, count)
        case ["event", count]:
            return [["event", await context.wait_for_external_event("e")] for _ in range(count)]
        case ["race", _]:
            timer = context.create_timer(timedelta(seconds=10))
            event = context.wait_for_external_event("x")
            if await context.when_any([timer, event]) is event:
                timer.cancel()
                return [await event]
            return ["late"]
    return await _perform_more(context, step)


async def _perform_more(context: Context, step: Step) -> list[Any]:
    match step:
        case ["told", number]:
            told = context.wait_for_external_event(f"told {number}")
            await context.call_sub_orchestrator("tells", [context.instance_id, number])
            return [await told]
        case ["signal", name, mark, late]:
            due = context.current_utc_datetime + timedelta(seconds=late) if late else None
            context.signal_entity(entity(name), "mark", [mark, 0], signal_time=due)
        case ["call", name, mark, _]:
            return [await context.call_entity(entity(name), "mark", [mark, 0])]
        case ["lock", names, mark]:
            async with context.lock_entities([entity(name) for name in names]):
                for place, name in enumerate(names):
                    count = await context.call_entity(entity(name), "count")
                    await context.create_timer(timedelta(seconds=1))
                    own = mark * 10 + place + 1_000_000
                    await context.call_entity(entity(name), "set", [own, count + 1])
            return [mark]
        case ["long", number, size]:
            text = _text(number, size)
            turned = await context.call_activity("turned", text)
            assert turned == text[::-1]
            return [[number, len(turned)]]
        case ["keyed", numbers, key, priority]:
            given = [[number, key] for number in numbers]
            return [await context.map("keyed", given, key=key, priority=priority)]
        case ["narrow", number]:
            return [await context.call_activity("narrow", number)]
        case ["map", numbers, limit]:
            return [await context.map("narrow", numbers, limit=limit)]
        case ["free", inner, number]:
            begun = [inner, []], f"free-{number}"
            context.signal_entity(entity("a"), "begin", begun)
    return await limits.perform(context, step)


def _text(number: int, size: int) -> str:
    return (f"{number} " * (size // len(f"{number} ") + 1))[:size]
