"""What earlier versions stored, read, replayed and ended by today's code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from durable.model.event_json import event_from_dict
from durable.model.events import INCOMING
from durable.model.instance import OrchestrationRuntimeStatus as Status
from tests.golden.dumps import restore
from tests.golden.manifest import HISTORIES
from tests.golden.programs import registry_of
from tests.golden.replaying import as_json, comparable, histories, seen
from tests.golden.steps import outcome, perform
from tests.golden.world import World
from tests.memory_hub import MemoryHub

FILES = sorted(HISTORIES.glob("*.json"))

# what 1.x's names warn of is not what its histories show
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

golden = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


def stored_in(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


async def hub_of(stored: Any) -> tuple[MemoryHub, World]:
    hub = await restore(stored)
    world = World(hub.clock.sleep, stored["mended"])
    hub.registry = registry_of(world)
    return hub, world


@golden
async def test_replay_comes_to_the_same_state(path: Path) -> None:
    stored = stored_in(path)
    hub, _ = await hub_of(stored)
    found = await seen(hub)
    assert found.keys() == stored["orchestrations"].keys()
    for instance_id, recorded in stored["orchestrations"].items():
        assert {name: found[instance_id][name] for name in recorded} == recorded


@golden
async def test_each_turn_is_decided_as_it_was(path: Path) -> None:
    hub, _ = await hub_of(stored_in(path))
    async for history in histories(hub):
        for number, turn in enumerate(history.turns):
            # of a generation's first turn the beginning is in the one before; and a turn without
            # code ended what had not begun
            if turn.closing or not history.has_begun:
                continue
            assert history.again(number) == [comparable(event) for event in turn.events]


@golden
def test_each_event_is_read_without_loss(path: Path) -> None:
    for row in stored_in(path)["tables"]["TestHistoryDx"]:
        for event in _events_of(row):
            assert as_json(event_from_dict(event)) == event


@golden
async def test_a_worker_of_today_goes_on_to_the_same_end(path: Path) -> None:
    stored = stored_in(path)
    hub, world = await hub_of(stored)
    async with hub:
        await hub.add_runtime()
        for step in stored["then"]:
            await perform(hub, world, step)
        found, ends = await outcome(hub), stored["ends"]
    if stored["cut"].startswith("write"):
        # what a dead worker wrote for a commit that did not come stays until the purge
        assert found["rows left"].pop("payload") >= ends["rows left"].pop("payload")
    assert found == ends


# ---- what the files hold together ----


def test_every_kind_of_event_is_in_a_history() -> None:
    found = {
        event["type"]
        for path in FILES
        for row in stored_in(path)["tables"]["TestHistoryDx"]
        for event in _events_of(row)
    }
    assert {kind.__name__ for kind in INCOMING} <= found
    assert {"TaskScheduled", "TimerCreated", "TimerCanceled", "EventSent", "ContinueAsNew"} <= found
    assert {"EntityOperationCalled", "EntityOperationSignaled", "EntityLockRequested"} <= found
    assert {"EntityUnlockSent", "EntityOperation", "EntityLock", "EntityUnlock"} <= found
    assert {"EntityReplied", "ExecutionCompleted"} <= found
    assert {"SubOrchestrationInstanceCreated", "UpdateAnswered"} <= found


def test_every_kind_of_row_and_message_is_in_a_history() -> None:
    rows: set[str] = set()
    messages: set[str] = set()
    for path in FILES:
        stored = stored_in(path)
        for table, kept in stored["tables"].items():
            rows |= {f"{table} {_kind_of(table, row)}" for row in kept}
        for queue in stored["queues"].values():
            messages |= {message["body"]["json"]["kind"] for message in queue}
    history = {f"TestHistoryDx {kind}" for kind in ("head", "a", "b", "g", "h", "p")}
    assert rows >= {*history, "TestInstancesDx i", "TestInstancesDx e", "TestHubDx hub"}
    assert rows >= {"TestIndexDx timer", "TestIndexDx claim"}
    assert messages == {"ring", "work"}


def test_every_outcome_is_in_a_history() -> None:
    statuses = {
        end["status"]
        for path in FILES
        for end in stored_in(path)["ends"].values()
        if "status" in end
    }
    assert statuses == {Status.COMPLETED, Status.FAILED, Status.TERMINATED}


def _events_of(row: dict[str, Any]) -> list[dict[str, Any]]:
    """Of a turn, or of an inbox row, where they lie in the row itself."""
    data = row["values"].get("data")
    if not isinstance(data, dict) or "json" not in data:
        return []
    stored = data["json"]
    return [stored["event"]] if "event" in stored else stored["events"] + stored.get("closing", [])


def _kind_of(table: str, row: dict[str, Any]) -> str:
    """Of history by the keys, of the other tables by the partitions."""
    if table != "TestHistoryDx":
        return str(row["partition"]).rstrip("0123456789")
    key = str(row["key"])
    return "head" if key.startswith("!") else key.split("|")[1]
