"""What users ask running instances, and how the answers are known: an update gets twice its
number, and those that three divides are refused."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from durable.engine.context import DurableOrchestrationContext as Context
from durable.errors import UpdateRejectedError

if TYPE_CHECKING:
    from tests.simulation.users import User

WISHES = frozenset({"update", "query"})
PATIENCE = 60.0


def is_asked(seed: int) -> bool:
    """Whether the instances of this seed's world are asked something."""
    return seed % 10 in (3, 8)


@dataclass
class Asked:
    """What one life of an instance was asked, by the numbers."""

    doubled: set[int] = field(default_factory=set)
    """For its handler, answered or not."""
    known: set[int] = field(default_factory=set)
    """Those of them that were acknowledged."""
    taken: set[int] = field(default_factory=set)
    """For its code, and acknowledged."""


def answers(context: Context) -> None:
    """Set what answers in each program."""
    doubled: list[int] = []

    def double(number: int) -> int:
        result = answer_to(number)
        doubled.append(number)
        return result

    context.set_update_handler("double", double)
    context.set_query_handler("doubled", lambda: doubled)


def answer_to(number: int) -> int:
    """Twice a number that three does not divide."""
    if number % 3 == 0:
        raise ValueError(f"no {number}")
    return number * 2


async def take(context: Context, count: int) -> list[Any]:
    """Take so many updates, and answer each, some later."""
    out: list[Any] = []
    for place in range(count):
        update = await context.wait_for_update("u", int)
        if place % 2:
            await context.call_activity("turned", "later")
        out.append(["asked", update.data])
        try:
            update.answer(answer_to(update.data))
        except ValueError as error:
            update.reject(error)
    return out


async def ask(user: User, asked: Asked, count: int, *, keeps: bool) -> None:
    """Give its code as many updates as it waits for, and its handler some; look now and then.
    `keeps` says that no new generation forgets what it doubled."""
    rnd = user.random
    for number in _numbers(user, count):
        await user.sleep(20)
        if not await _update(user, "u", number):
            return
        asked.taken.add(number)
    for number in _numbers(user, rnd.randint(0, 4)):
        await user.sleep(20)
        asked.doubled.add(number)
        if not await _update(user, "double", number):
            return
        asked.known.add(number)
        if rnd.random() < 0.5 and not await _query(user, asked, keeps=keeps):
            return


def _numbers(user: User, count: int) -> list[int]:
    user.asked_so_far += count
    return [user.asked_so_far - place for place in range(count)]


async def _update(user: User, name: str, number: int) -> bool:
    wanted: Any = f"no {number}" if number % 3 == 0 else number * 2

    async def once() -> None:
        try:
            answer = await user.client.update(
                user.instance_id, name, number, timeout=PATIENCE, update_id=f"{number}"
            )
        except UpdateRejectedError as error:
            answer = error.failure.message
        assert answer == wanted, f"update {number} was answered with {answer}"

    return await user.insist("update", once)


async def _query(user: User, asked: Asked, *, keeps: bool) -> bool:
    async def once() -> None:
        known = {number for number in asked.known if number % 3}
        found = await user.client.query(user.instance_id, "doubled", timeout=PATIENCE)
        assert len(set(found)) == len(found), f"doubled twice: {found}"
        assert set(found) <= asked.doubled, (found, asked)
        assert not keeps or known <= set(found), (found, asked)

    return await user.insist("query", once)


def check_taken(asked: Asked, output: list[Any]) -> None:
    """Each update was taken once, and each whose answer is known was."""
    taken = [each[1] for each in output if isinstance(each, list) and each[:1] == ["asked"]]
    assert len(set(taken)) == len(taken), f"taken twice: {taken}"
    assert asked.taken <= set(taken), f"answered, and never taken: {asked.taken} {taken}"
