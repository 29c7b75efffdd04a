"""Steps whose activities take too long, or say how far they are: in some seeds' programs."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any, cast

from durable.engine.context import DurableOrchestrationContext as Context
from durable.hub.keys import details_key, encode
from durable.model.retry import RetryPolicy
from durable.runtime.activities import ActivityContext, activity_context
from durable.runtime.attempts import Attempt
from tests.simulation.site import HUB, Site

KINDS = ("late", "beats")
TIMEOUT = timedelta(seconds=4)
SILENCE = timedelta(seconds=5)
FOR_EVER = 1000.0
STEPS = 4
TOO_LATE = -1
"""What an attempt returns that was told to end: it counts for nobody."""


def is_limited(seed: int) -> bool:
    """Whether this seed's programs have such steps."""
    return seed % 11 in (1, 4)


def step(rnd: random.Random, number: int) -> list[Any]:
    """One such step."""
    kind = rnd.choice(KINDS)
    return [kind, number, rnd.randint(0, 2)] if kind == "late" else [kind, number]


class Said:
    """What attempts said and heard."""

    def __init__(self) -> None:
        self.interrupted = 0
        self._by_call: dict[str, set[int]] = {}

    def say(self, context: ActivityContext, value: int) -> None:
        """It is a heartbeat's."""
        self._by_call.setdefault(context.idempotency_key, set()).add(value)
        context.heartbeat(value)

    def was_said(self, context: ActivityContext, value: int | None) -> bool:
        """Whether an attempt of this call may be given that."""
        return value is None or value in self._by_call.get(context.idempotency_key, ())


def stored(hub: Site, context: ActivityContext) -> int | None:
    """What is stored of what the attempts of this call said."""
    item = cast(Attempt, context.signals).item
    key = details_key(item.incarnation, item.execution_id, item.call)
    row = hub.tables.rows(HUB.history, encode(item.instance_id)).get(key)
    return None if row is None else int(str(row.values["details"]))


def register(
    hub: Site,
    rnd: random.Random,
    runs: Counter[int],
    began: Callable[[ActivityContext, int], None],
    require: Callable[[object, str], None],
) -> Said:
    """The activities of such steps."""
    said = Said()

    @hub.activity
    async def late(value: list[int]) -> int:
        number, failures = value
        context = activity_context()
        began(context, number)
        runs[number] += 1
        is_slow = context.attempt <= failures
        try:
            await hub.clock.sleep(FOR_EVER if is_slow else rnd.choice((0, 3)))
        except asyncio.CancelledError:
            said.interrupted += context.is_cancelled
            if context.is_cancelled and number % 2:
                return TOO_LATE
            raise
        require(not is_slow, f"ran on after its time: {context}")
        return number

    @hub.activity
    async def beats(value: int) -> int:
        context = activity_context()
        began(context, value)
        runs[value] += 1
        first = context.heartbeat_details(int)
        require(said.was_said(context, first), f"given what was never said: {context} {first}")
        if context.attempt == runs[value] == 2:
            # what was said before is complete: nobody else runs the call
            kept = stored(hub, context)
            require(first == kept, f"given {first}, and {kept} is stored: {context}")
        for number in range(first or 0, STEPS):
            said.say(context, number + 1)
            is_silent = context.attempt == 1 and value % 3 == 0 and number == 2
            await hub.clock.sleep(FOR_EVER if is_silent else rnd.choice((0, 0.5, 3)))
            require(not is_silent, f"ran on though it was silent: {context}")
        return value

    return said


async def perform(context: Context, given: list[Any]) -> list[Any]:
    """Such a step, in a program."""
    match given:
        case ["late", number, failures]:
            policy = _policy(failures + 1)
            call = context.call_activity("late", [number, failures], retry=policy, timeout=TIMEOUT)
            return [await call]
        case ["beats", number]:
            policy = _policy(2)
            call = context.call_activity("beats", number, retry=policy, heartbeat_timeout=SILENCE)
            return [await call]
    return []


def _policy(attempts: int) -> RetryPolicy:
    return RetryPolicy(first_retry_interval=timedelta(seconds=1), max_number_of_attempts=attempts)
