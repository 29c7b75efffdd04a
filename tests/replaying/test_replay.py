"""What replay of a stored history says, verdict by verdict, without opening the engine."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pydantic
import pytest

import durable as df
from durable.errors import InvalidRequestError
from durable.hub.keys import encode
from durable.model.events import PayloadRef
from durable.model.functions import OrchestratorDefinition, Registry
from durable.model.versioning import VersioningOptions, VersionMatchStrategy
from durable.replaying import (
    ReplayReport,
    StoredHistory,
    Verdict,
    read_histories,
    replay,
    replay_instances,
)
from durable.testing import replay as replay_of_the_kit
from tests.memory_hub import MemoryHub

Context = df.DurableOrchestrationContext


async def order(context: Context) -> Any:
    receipt = await context.call_activity("charge", context.get_input())
    if context.get_input() == "wait":
        await context.wait_for_external_event("go")
    if context.get_input() == "bad":
        raise ValueError("a bad order")
    await context.call_activity("ship", receipt)
    return receipt


async def monitor(context: Context) -> Any:
    left: Any = context.get_input()
    await context.create_timer(timedelta(hours=1))
    if left:
        context.continue_as_new(left - 1)


async def parent(context: Context) -> Any:
    return await context.call_sub_orchestrator("order", "tea", instance_id="child")


def app(**orchestrators: Callable[..., Any]) -> Registry:
    registry = Registry()
    known = {"order": order, "monitor": monitor, "parent": parent, **orchestrators}
    for name, function in known.items():
        registry.add(OrchestratorDefinition(name, function))
    return registry


@pytest.fixture
async def hub() -> AsyncIterator[MemoryHub]:
    """With an order that is done, one that waits, one that failed, a monitor in its third
    generation, a parent, and a counter."""
    hub = MemoryHub()

    @hub.activity
    def charge(value: Any) -> str:
        return f"paid {value}"

    @hub.activity
    def ship(value: Any) -> None:
        return None

    @hub.entity
    def counter(context: Any) -> None:
        context.set_state(1)

    hub.registry.update(app())
    async with hub:
        start = hub.client.start_new
        await start("order", "done", "tea")
        await start("order", "waits", "wait")
        await start("order", "failed", "bad")
        await start("monitor", "monitor", 5)
        await start("parent", "parent")
        await hub.client.signal_entity(df.EntityId("counter", "a"), "add")
        await hub.run(2.5 * 3600)
        yield hub


async def report_of(hub: MemoryHub, *ids: str, **changed: Callable[..., Any]) -> ReplayReport:
    return await replay_instances(hub.client, app(**changed), ids)


def only(report: ReplayReport) -> Any:
    (found,) = report.instances
    return found


async def test_unchanged_code_is_the_same(hub: MemoryHub) -> None:
    report = await report_of(hub)
    assert report.ok
    assert bool(report)
    found = {each.instance_id: str(each.status) for each in report.instances}
    assert found == {
        "done": "Completed",
        "waits": "Running",
        "failed": "Failed",
        "monitor": "Running",
        "parent": "Completed",
        "child": "Completed",
    }
    assert {each.verdict for each in report.instances} == {Verdict.SAME}
    assert report.text == "6 histories: 6 same"
    report.check()


async def test_a_mismatch_says_what_where_and_what_to_do(hub: MemoryHub) -> None:
    async def order(context: Context) -> Any:
        receipt = await context.call_activity("charge", context.get_input())
        await context.call_activity("notify", receipt)

    report = await report_of(hub, "done", order=order)
    found = only(report)
    assert (found.verdict, report.ok, bool(report)) == (Verdict.MISMATCH, False, False)
    line = order.__code__.co_firstlineno + 2
    assert (found.place.file, found.place.line) == (__file__, line)
    assert (found.step.turn, found.step.turns) == (2, 3)
    assert report.text == (
        "MISMATCH  order\n"
        "      instance  done (Completed)\n"
        f"          step  turn 2 of 3, {found.step.time:%Y-%m-%d %H:%M:%SZ}, after activity "
        "'charge' (task 0) completed\n"
        "   history has  activity 'ship' (task 1)\n"
        "  the code has  activity 'notify' (task 1)\n"
        f"            at  {__file__}:{line}, in {order.__qualname__}\n"
        '                await context.call_activity("notify", receipt)\n'
        "            so  it has ended, and no worker replays it unless it is rewound; instances "
        "like it that are under way would become Stuck\n"
        "\n"
        "1 history: 1 different"
    )
    with pytest.raises(AssertionError, match="history has  activity 'ship'"):
        report.check()
    document = json.loads(json.dumps(report.to_dict()))
    assert document["ok"] is False
    assert document["counts"]["mismatch"] == 1
    assert document["instances"][0]["line"]["text"] == (
        'await context.call_activity("notify", receipt)'
    )


async def test_what_differs_in_the_same_way_is_told_once(hub: MemoryHub) -> None:
    async def order(context: Context) -> Any:
        await context.call_activity("reserve")

    report = await report_of(hub, order=order)
    assert report.counts[Verdict.MISMATCH] == 4
    assert len(report.differing) == 4
    assert report.text.count("MISMATCH") == 1
    assert "4 of them" in report.text
    assert "with this code it becomes Stuck at its next turn" in report.text
    assert report.text.endswith("6 histories: 2 same, 4 different")


async def test_code_that_fails_where_history_goes_on(hub: MemoryHub) -> None:
    async def order(context: Context) -> Any:
        receipt = await context.call_activity("charge", context.get_input())
        return receipt["id"]

    found = only(await report_of(hub, "done", order=order))
    assert found.verdict is Verdict.FAILS
    assert found.place.text == 'return receipt["id"]'
    assert found.failure.error_type == "TypeError"
    assert found.expected == "activity 'ship' (task 1)"
    assert "FAILS  order" in found.text


@pytest.mark.parametrize("library", [json.loads, pydantic.TypeAdapter(int).validate_json])
async def test_code_that_fails_in_a_library_is_named_and_not_the_library(
    hub: MemoryHub, library: Callable[[str], Any]
) -> None:
    async def order(context: Context) -> Any:
        return library("no JSON")

    found = only(await report_of(hub, "done", order=order))
    assert (found.verdict, found.place.text) == (Verdict.FAILS, 'return library("no JSON")')


async def test_code_that_fails_at_the_end(hub: MemoryHub) -> None:
    async def parent(context: Context) -> Any:
        await context.call_sub_orchestrator("order", "tea", instance_id="child")
        raise KeyError("late")

    found = only(await report_of(hub, "parent", parent=parent))
    assert (found.verdict, found.expected) == (Verdict.FAILS, "the end")


async def test_code_that_succeeds_where_history_failed_is_mended(hub: MemoryHub) -> None:
    async def order(context: Context) -> Any:
        await context.call_activity("charge", context.get_input())
        return await context.call_activity("refuse")

    found = only(await report_of(hub, "failed", order=order))
    assert (found.verdict, found.ok) == (Verdict.MENDED, True)

    async def other(context: Context) -> Any:
        return await context.call_activity("refuse")

    found = only(await report_of(hub, "failed", order=other))
    assert found.verdict is Verdict.MISMATCH


async def test_an_orchestrator_that_is_gone(hub: MemoryHub) -> None:
    report = await replay_instances(hub.client, Registry(), ["waits"])
    found = only(report)
    assert found.verdict is Verdict.GONE
    assert "keep it till then" in report.text


async def test_a_running_instance_is_held_to_as_far_as_it_has_come(hub: MemoryHub) -> None:
    async def later(context: Context) -> Any:
        await context.call_activity("charge", context.get_input())
        await context.wait_for_external_event("go")
        return await context.call_activity("quite another")

    assert only(await report_of(hub, "waits", order=later)).ok

    async def sooner(context: Context) -> Any:
        await context.call_activity("charge", context.get_input())
        await context.call_activity("audit")
        await context.wait_for_external_event("go")

    found = only(await report_of(hub, "waits", order=sooner))
    assert (found.expected, found.actual) == ("nothing more", "activity 'audit' (task 1)")


async def test_of_generations_the_last_is_held(hub: MemoryHub) -> None:
    async def monitor(context: Context) -> Any:
        if context.get_input() == 5:
            await context.call_activity("first time only")
        await context.create_timer(timedelta(hours=1))

    assert only(await report_of(hub, "monitor", monitor=monitor)).ok

    async def other(context: Context) -> Any:
        await context.call_activity("instead")

    assert not (await report_of(hub, "monitor", monitor=other)).ok


async def test_versions_and_entities_that_are_not_replayed(hub: MemoryHub) -> None:
    await hub.client.start_new("order", "newer", "wait", version="3.0")
    await hub.run(1)
    versioning = VersioningOptions("2.0", "2.0", VersionMatchStrategy.CURRENT_OR_OLDER)
    report = await replay_instances(hub.client, Registry(), ["newer"], versioning=versioning)
    found = only(report)
    assert (found.verdict, found.ok) == (Verdict.SKIPPED, True)
    assert "version '3.0', is newer than this worker" in found.why

    async def branching(context: Context) -> Any:
        if context.version == "3.0":
            return await order(context)
        return await context.call_activity("old")

    assert only(await report_of(hub, "newer", order=branching)).ok
    entity = StoredHistory("@counter@a", "counter", ())
    assert only(replay(entity, app())).verdict is Verdict.SKIPPED


async def test_rewound_suspended_and_terminated_ones(hub: MemoryHub) -> None:
    await hub.client.suspend("waits")
    await hub.client.raise_event("waits", "go")
    await hub.run(1)
    assert only(await report_of(hub, "waits")).ok
    await hub.client.resume("waits")
    await hub.client.rewind("failed", "again")
    await hub.client.terminate("monitor", "enough")
    await hub.run(10)
    report = await report_of(hub, "waits", "failed", "monitor")
    assert [each.verdict for each in report.instances] == [Verdict.SAME] * 3


async def test_what_is_not_there(hub: MemoryHub) -> None:
    report = await report_of(hub, "nobody")
    found = only(report)
    assert (found.verdict, found.why) == (Verdict.UNREADABLE, "there is no such instance")
    assert report.unreadable == (found,)
    assert report.differing == ()


async def test_limit_and_filters(hub: MemoryHub) -> None:
    report = await replay_instances(hub.client, app(), limit=2)
    assert len(report.instances) == 2
    report = await replay_instances(hub.client, app(), name="monitor")
    assert [each.instance_id for each in report.instances] == ["monitor"]
    with pytest.raises(InvalidRequestError):
        await replay_instances(hub.client, app(), limit=0)


async def test_long_payloads_are_read(hub: MemoryHub) -> None:
    long = "x" * 50_000
    await hub.client.start_new("order", "long", long)
    await hub.wait("long")

    async def checking(context: Context) -> Any:
        assert context.get_input() == long
        assert await context.call_activity("charge", "") == f"paid {long}"
        await context.call_activity("ship")

    assert only(await report_of(hub, "long", order=checking)).ok
    events = await hub.client.get_history("long")
    assert any(isinstance(getattr(e, "result", None), PayloadRef) for _, e in events)
    found = only(replay(events, app(), instance_id="long"))
    assert found.verdict is Verdict.UNREADABLE
    assert "payloads=True" in found.why


async def test_events_of_the_client_are_a_history(hub: MemoryHub) -> None:
    async def naming(context: Context) -> Any:
        assert context.instance_id == "done"
        return await order(context)

    events = await hub.client.get_history("done", payloads=True)
    assert replay_of_the_kit(events, app(order=naming), instance_id="done").ok

    async def both_at_once(context: Context) -> Any:
        tasks = [context.call_activity("charge"), context.call_activity("ship")]
        await context.when_all(tasks)

    found = only(replay(events, app(order=both_at_once)))
    assert (found.expected, found.actual) == ("nothing more", "activity 'ship' (task 1)")


def test_a_report_of_no_histories_is_not_ok() -> None:
    report = replay([], app())
    assert not report.ok
    with pytest.raises(AssertionError, match="no histories: nothing was replayed"):
        report.check()


async def test_files_and_folders(hub: MemoryHub, tmp_path: Path) -> None:
    async for history in read_histories(hub.client):
        assert isinstance(history, StoredHistory)
        folder = tmp_path / history.name
        folder.mkdir(exist_ok=True)
        (folder / f"{history.instance_id}.json").write_text(json.dumps(history.to_dict()))
    (tmp_path / "notes.txt").write_text("no history")
    assert len(replay(tmp_path, app()).instances) == 6
    assert replay(str(tmp_path / "order"), app()).ok
    assert replay((tmp_path / "order" / "done.json").read_text(), app()).ok
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidRequestError, match="holds no histories"):
        replay(tmp_path / "empty", app())
    with pytest.raises(InvalidRequestError, match="cannot be read"):
        replay(tmp_path / "absent.json", app())


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"not json", "it is no JSON"),
        (b"\x1f\x8bnot gzip", "it is no JSON"),
        (b"[1]", "no JSON object"),
        (b'{"instanceId": "a", "historyEvents": []}', "--save"),
        (b'{"instanceId": "a"}', "it is no history: KeyError"),
        (b'{"format": 7, "instanceId": "a", "turns": []}', "its format is 7"),
        (
            b'{"instanceId": "a", "executionId": "e", "input": null, "history": '
            b'[{"timestamp": "2026-01-01T00:00:00+00:00", "type": "Novelty"}]}',
            "unknown event type 'Novelty'",
        ),
    ],
)
def test_what_is_no_history(content: bytes, why: str) -> None:
    found = only(replay(content, app()))
    assert found.verdict is Verdict.UNREADABLE
    assert why in found.why


async def test_events_that_make_no_history_are_unreadable(hub: MemoryHub) -> None:
    (history,) = [each async for each in read_histories(hub.client, ["failed"])]
    assert isinstance(history, StoredHistory)
    headless = replace(history, turns=history.turns[1:])
    assert only(replay(headless, app())).verdict is not Verdict.SAME


@pytest.mark.parametrize("given", [7, None])
def test_what_replay_does_not_take(given: object) -> None:
    with pytest.raises(InvalidRequestError):
        replay(given, app())
    with pytest.raises(InvalidRequestError):
        replay(b"{}", given)


async def test_nothing_is_written(hub: MemoryHub) -> None:
    async def contents() -> Any:
        tables = {t: (await hub.tables.query(t, [])).rows for t in hub.hub.names.tables}
        return tables, {name: dict(q.messages) for name, q in hub.queues._queues.items()}

    before = await contents()
    assert encode("done") in {row.partition for row in before[0][hub.hub.names.history]}
    await report_of(hub)
    await report_of(hub, "done", "nobody", order=monitor)
    assert await contents() == before


async def test_names_that_an_app_gives_late_are_known() -> None:
    function_app = df.DFApp()

    @function_app.function_name("order")
    @function_app.orchestration_trigger(context_name="context")
    async def another_name(context: Context) -> Any:
        return "done"

    assert only(replay(StoredHistory("a", "order", ()), function_app)).ok
