"""What earlier versions stored replays in each form that a user can have it in."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from durable.client import DurableOrchestrationClient
from durable.exporting.formats import content_of
from durable.replaying import (
    StoredHistory,
    UnreadableHistory,
    Verdict,
    read_histories,
    replay,
    replay_instances,
)
from tests.golden.test_histories import FILES, golden, hub_of, stored_in

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
FITS = {Verdict.SAME, Verdict.MENDED}
NO_CODE_RAN = "a fork that took nothing over: instance"


@golden
async def test_all_forms_of_it_fit(path: Path) -> None:
    hub, _ = await hub_of(stored_in(path))
    client = DurableOrchestrationClient(hub.hub)
    report = await replay_instances(client, hub.registry)
    assert report.instances
    ran = [each for each in report.instances if not each.why.startswith(NO_CODE_RAN)]
    assert {each.verdict for each in ran} <= FITS, report.text
    found = []
    async for history in read_histories(client):
        assert isinstance(history, StoredHistory)
        found.append(history)
        status = await client.get_status(history.instance_id)
        events = await client.get_history(history.instance_id, payloads=True)
        assert status is not None
        saved = json.loads(json.dumps(history.to_dict()))
        assert replay(saved, hub.registry).ok
        assert replay(StoredHistory.of(status, events), hub.registry).ok
        for kind in ("json", "jsonl.gz"):
            exported = replay(content_of(status, events, kind), hub.registry)
            assert exported.ok, exported.text
    assert replay(found, hub.registry).instances == report.instances


async def test_a_row_of_a_newer_version_is_said_to_be_one() -> None:
    stored = stored_in(next(path for path in FILES if path.name == "chain.end.json"))
    for row in stored["tables"]["TestHistoryDx"]:
        if row["key"].startswith("!"):
            row["values"]["v"] = 99
    hub, _ = await hub_of(stored)
    (row,) = (await hub.hub.projection.page())[0]
    histories = read_histories(DurableOrchestrationClient(hub.hub), [row.instance_id])
    (history,) = [each async for each in histories]
    assert isinstance(history, UnreadableHistory)
    assert "newer" in history.why
