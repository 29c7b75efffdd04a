"""What must be true once a simulated world has come to rest."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from durable.client import DurableOrchestrationClient
from durable.hub.permits import PERMITS
from durable.hub.projection import Listed
from durable.hub.rows import Head
from durable.model.events import EventRaised
from durable.model.instance import OrchestrationRuntimeStatus as Status
from durable.replaying import StoredHistory, read_histories, replay
from durable.replaying.grouping import turns_of
from tests.simulation import flow
from tests.simulation.asking import check_taken
from tests.simulation.programs import expected, free_starts, matches, taken_events
from tests.simulation.site import HUB
from tests.simulation.users import Life, User
from tests.simulation.watch import read_turns

if TYPE_CHECKING:
    from tests.simulation.world import World

Heads = dict[str, Head]


async def check(world: World) -> None:
    """Outcomes, effects, the projection, and that nothing is left over."""
    heads: Heads = {}
    for row in world.site.heads():
        head = await world.plain.instances.head(row["instance"])
        assert head is not None
        assert (head.stale, head.holdings) == ((), ()), head
        heads[head.instance_id] = head
    client = world.client
    for user in world.users:
        await check_outcome(world, client, user, heads)
    if world.planner is not None:
        await world.planner.check(client)
    if world.forker is not None:
        world.forker.check(heads)
    await check_free(world, client)
    await check_entities(world, client)
    await check_projection(world, heads)
    await check_litter(world, heads)
    await check_replay(world)
    check_purged(world)
    if world.site.told is not None:
        world.site.told.check()
    for runtime in world.site.runtimes:
        used = runtime.activities.used, runtime.turns.used, runtime.entities.used
        assert used == (0, 0, 0), f"slots of activities, turns, entities still in use: {used}"
    shared = {key: numbers for key, numbers in world.effects.calls.items() if len(numbers) > 1}
    assert not shared, f"one idempotency key for several calls: {shared}"


async def check_outcome(
    world: World, client: DurableOrchestrationClient, user: User, heads: Heads
) -> None:
    """The instance ended as its program does, or is gone where it was purged."""
    head = heads.get(user.instance_id)
    if user.purged:
        assert head is None, f"not purged: {head}"
        return
    assert head is not None, f"{user.instance_id} was started, and is gone"
    status = await client.get_status(user.instance_id, show_input=False)
    assert status is not None
    life = user.lives[head.tags["life"]]
    if life.terminated and status.runtime_status is Status.TERMINATED:
        world.done["terminated"] += 1
    else:
        assert status.runtime_status is Status.COMPLETED, status
        output = json.loads(status.output or "null")
        assert matches(output, expected(life.steps)), f"{output} of {life.steps}"
        check_events(world, user, life, taken_events(output))
        check_taken(life.updates, output)
        world.done["completed"] += 1
    if not any(step[0] == "again" for step in life.steps):
        raised = raised_events(world, head)
        lost = set(life.sent) - raised
        assert not lost, f"{user.instance_id}: events {lost} were acknowledged, and are lost"


def check_events(world: World, user: User, life: Life, taken: list[int]) -> None:
    """Each event was taken once, and none that was not sent."""
    if not user.doubts:
        assert sorted(taken) == sorted(life.asked[: len(taken)]), (taken, life.asked)
    elif user.doubts == 0:
        assert len(set(taken)) == len(taken), f"taken twice: {taken}"


def raised_events(world: World, head: Head) -> set[int]:
    """The numbers of the events in an instance's history."""
    rows = world.site.tables.rows(HUB.history, head.instance_id)
    turns = read_turns(head, rows)
    events = [event for turn in turns for event in turn.events if isinstance(event, EventRaised)]
    return {json.loads(str(event.input)) for event in events if event.name in ("e", "x")}


async def check_free(world: World, client: DurableOrchestrationClient) -> None:
    """What entities started has ended well, and was there where its starter completed."""
    for user in world.users:
        for life in user.lives.values():
            for instance_id, steps in free_starts(life.steps).items():
                status = await client.get_status(instance_id, show_input=False)
                if status is None:
                    continue
                assert status.runtime_status is Status.COMPLETED, status
                assert matches(json.loads(status.output or ""), expected(steps)), status


async def check_entities(world: World, client: DurableOrchestrationClient) -> None:
    """Each operation has left its mark once, or as often as forks ran it anew, no count was lost,
    and nothing is locked."""
    again = world.forker.repeated() if world.forker is not None else Counter[str]()
    async for entity in client.list_entities():
        assert entity.locked_by is None, entity
        state: Any = json.loads(entity.state or "{}")
        marks = state.get("marks", {})
        twice = [mark for mark, times in marks.items() if times > 1 + again[mark]]
        assert not twice, f"performed twice: {entity}"
        counted = sum(times for mark, times in marks.items() if int(mark) >= 1_000_000)
        assert state.get("count", 0) == counted, f"counted wrongly: {entity}"


async def check_projection(world: World, heads: Heads) -> None:
    """A settled row for each head, and no other."""
    rows = await _all_pages(world.plain.projection.page)
    listed = [row for row in rows if not _never_came_to_be(row, heads)]
    for row in listed:
        head = heads.get(row.instance_id)
        assert head is not None, f"a row of nothing: {row}"
        shown = (row.status, row.incarnation, row.settled)
        assert shown == (head.runtime_status, head.incarnation, True), (row, head)
    entities = await _all_pages(world.plain.projection.entities)
    assert all(row.settled for row in entities), entities
    listed += entities
    found = sorted(row.instance_id for row in listed)
    assert found == sorted(heads), f"listed: {found}; there are {sorted(heads)}"


async def _all_pages(read: Any) -> list[Listed]:
    rows, token = await read()
    found = list(rows)
    while token is not None:
        rows, token = await read(token=token)
        found += rows
    return found


def _never_came_to_be(row: Listed, heads: Heads) -> bool:
    """The row of a start that failed, which only a late audit removes."""
    head = heads.get(row.instance_id)
    came = head is not None and head.incarnation == row.incarnation
    return row.status == Status.PENDING and not came


async def check_litter(world: World, heads: Heads) -> None:
    """No claims, timers, inbox rows, and no rows of an earlier life."""
    site = world.site
    if world.sweeping:
        # the claims of dead processes are the sweeper's
        rows = [key for key in await site.keys(HUB.index) if not key.startswith(f"{PERMITS} ")]
        assert rows == []
        flow.check(site)
    for key in await site.keys(HUB.history):
        instance_id, _, rest = key.partition(" ")
        incarnation, _, kind = rest.partition("|")
        assert not kind.startswith("b|"), f"in an inbox: {key}"
        head = heads.get(instance_id)
        if kind.startswith("p|") and (head is None or incarnation != head.incarnation):
            # payloads of a start that failed: a late audit's
            continue
        assert head is not None, f"left after a purge: {key}"
        assert rest.startswith("!") or incarnation == head.incarnation, f"of an earlier life: {key}"


async def check_replay(world: World) -> None:
    """Each history fits the code that made it, also where only its events were kept."""
    registry = world.site.registry
    async for history in read_histories(world.client):
        assert isinstance(history, StoredHistory), history
        events = [(turn.time, event) for turn in history.turns for event in turn.events]
        flat = replace(history, turns=turns_of(events, history.execution_id))
        report = replay([history, flat], registry)
        assert report.ok, report.text


def check_purged(world: World) -> None:
    """Nothing says that a purged instance ever was, but the ids of children that outlived it."""
    for user in world.users:
        if not user.purged:
            continue
        name = user.instance_id
        words = {*world.site.watch.ids[name], f"'{name}'", f'"{name}"'}
        said = re.compile(rf"({'|'.join(words)})(?!:\d)")
        for text in world.site.everything():
            if f"fork-of-{name}." in text:
                # a fork says of whom it is
                continue
            begun = "'status': 'Pending'" in text and "'settled': 'False'" in text
            if begun or (text.startswith(f"{HUB.index} claim") and not world.sweeping):
                # what a start that failed has left, and a dead process, is the audit's
                continue
            assert not said.search(text), f"left after a purge: {words} in {text}"
