"""A host on Azurite counts what it does, the thread that renews guards included."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest

import durable as df
from durable.client import HubStats
from durable.functions import DFApp
from durable.settings import load_settings
from tests.azurite import Azurite


@pytest.mark.parametrize("under_functions", [False, True])
async def test_a_host_leaves_its_figures(
    azurite: Azurite, tmp_path: Path, under_functions: bool
) -> None:
    app = DFApp()

    @app.activity_trigger(input_name="value")
    async def add(value: int) -> int:
        return value + 1

    @app.orchestration_trigger(context_name="context")
    async def adding(context: df.DurableOrchestrationContext) -> int:
        value = 0
        for _ in range(3):
            value = await context.call_activity(add, value)
        return value

    hub = f"Cost{secrets.token_hex(4)}"
    values = {
        "AzureWebJobsStorage": azurite.connection_string,
        "AzureFunctionsJobHost__extensions__durableTask__hubName": hub,
    }
    settings = load_settings(tmp_path, values)
    host = await app.durable.open(settings, under_functions=under_functions)
    instance_id = await host.client.start_new("adding")
    status = await host.client.wait_for_completion(instance_id, 30)
    assert status.output == "3"
    host.usage.note_trigger()
    await host.sweep()
    assert (await host.client.get_stats()).workers == ()
    await host.drain(10)
    stats = await host.client.get_stats()
    await host.hub.delete()
    await host.close()

    (worker,) = stats.workers
    assert worker.host == ("functions" if under_functions else "worker")
    work, upkeep = worker.usage.work, worker.usage.upkeep
    assert (work.started, work.ended, work.inline_activities, work.turns) == (1, 1, 3, 4)
    # the guard was put and deleted from the other thread
    assert (work.sends, work.deletes, work.triggers) == (1, 1, 1)
    assert work.transactions >= 1 + 1 + 4 + 1
    assert upkeep.queries > 0
    assert _is_plausible(stats)


def _is_plausible(stats: HubStats) -> bool:
    per_orchestration, per_activity = (
        stats.operations_per_orchestration,
        stats.operations_per_activity,
    )
    assert per_orchestration is not None
    assert per_activity is not None
    return per_orchestration == pytest.approx(3 * per_activity) and stats.cost() > 0
