"""The patterns of the public samples, each as an app of three styles, over HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.azurite import Azurite
from tests.patterns.site import STYLES, Site, partner, served


@pytest.fixture(scope="module", params=STYLES)
def site(
    request: pytest.FixtureRequest, azurite: Azurite, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    with served(request.param, tmp_path_factory.mktemp("app"), azurite) as running:
        yield running


newer = pytest.mark.parametrize("site", STYLES[1:], indirect=True)
"""For what azure-functions-durable 1.x does not have."""


def entity(site: Site, key: str) -> str:
    return f"counters/{key}" if site.style == "one_x" else f"entities/Counter/{key}"


def test_chaining(site: Site) -> None:
    assert site.output("publish_article", "tea") == "/tea?words=3"


def test_a_step_that_fails_is_made_good(site: Site) -> None:
    outcome = site.output("publish_article", "forbidden")
    expected = {
        "one_x": "discarded: ActivityFailedError",
        "two_x": "discarded: ValueError: this will not be printed",
        "native": "discarded: ValueError: this will not be printed",
    }
    assert outcome == expected[site.style]


def test_fan_out_and_fan_in(site: Site) -> None:
    texts = ["one", "one two", "", "one two three"]
    assert site.output("CountWords", texts) == {"counts": [1, 2, 0, 3], "total": 6}
    assert site.output("CountWords", []) == {"counts": [], "total": 0}


def test_a_caller_may_wait_for_the_output(site: Site) -> None:
    answer = site.call("POST", "wait/CountWords", ["a b"])
    assert (answer.status, answer.json) == (200, {"counts": [2], "total": 2})


@pytest.mark.parametrize(("answer", "outcome"), [(True, "approved"), (False, "turned down")])
def test_a_human_decides(site: Site, answer: bool, outcome: str) -> None:
    links = site.begin("expense_claim", {"amount": 7, "patience": 600})
    site.until(
        lambda: site.status(links), lambda it: it["customStatus"] == "waiting for the manager"
    )
    decided = site.call("POST", f"claims/{links['id']}", {"approved": answer})
    assert decided.status == 202
    assert site.ended(links)["output"] == outcome


def test_nobody_decides_in_time(site: Site) -> None:
    assert site.output("expense_claim", {"amount": 7, "patience": 0.3}) == "escalated"


@newer
def test_one_orchestration_answers_others(site: Site) -> None:
    claims = [site.begin("expense_claim", {"amount": n, "patience": 600}) for n in range(2)]
    assert site.output("decide_for_all", [links["id"] for links in claims]) == 2
    assert [site.ended(links)["output"] for links in claims] == ["approved", "approved"]


def test_a_monitor_sees_the_end(site: Site) -> None:
    shown = site.ended(site.begin("watch_job", {"name": "short", "takes": 0.3, "patience": 60}))
    assert (shown["output"], shown["customStatus"]["state"]) == ("done", "done")
    assert shown["customStatus"]["looks"] > 1


def test_a_monitor_gives_up(site: Site) -> None:
    assert site.output("watch_job", {"name": "long", "takes": 60, "patience": 0.3}) == "given up"


def test_an_orchestration_without_end_begins_anew(site: Site) -> None:
    assert site.output("night_watch") == "3 rounds"


def test_a_counter_counts_for_orchestrations(site: Site) -> None:
    assert site.output("count_visits", "visits") == [5, 5]


def test_a_counter_counts_for_clients(site: Site) -> None:
    path = entity(site, "clicks")
    assert site.call("GET", path).status == 404
    for amount in (3, 4):
        assert site.call("POST", f"{path}/add", amount).status == 202
    read = site.until(lambda: site.call("GET", path), lambda it: it.text == "7")
    assert read.status == 200
    site.call("POST", f"{path}/end")
    site.until(lambda: site.call("GET", path), lambda it: it.status == 404)


@newer
def test_money_moves_between_locked_accounts_once(site: Site) -> None:
    site.call("POST", "entities/Account/mine/deposit", 100)
    order = {"source": "mine", "target": "yours", "amount": 60}
    both = [site.begin("transfer", order) for _ in range(2)]
    outcomes: list[Any] = [site.ended(links)["output"] for links in both]
    assert sorted(outcomes, key=str) == [[40, 60], "not enough money"]
    withdrawals = entity(site, "withdrawals")
    assert site.until(lambda: site.call("GET", withdrawals).text, lambda it: it == "1")


def test_orchestrations_in_orchestrations_are_tried_again(site: Site) -> None:
    links = site.begin("ship_order", ["light", "heavy"])
    shown = site.ended(links)
    assert shown["output"] == {
        "id": f"{links['id']}-invoice",
        "parent": links["id"],
        "lines": ["light on board after 1", "heavy on board after 4"],
    }
    assert shown["customStatus"] == {"shipped": 2, "of": 2}


def test_durable_http_polls_until_the_partner_is_done(site: Site) -> None:
    with partner() as address:
        item, missing = site.output("order_from_partner", address)
    assert item == ('{"item": "tea"}' if site.style == "two_x" else "tea")
    assert missing == 404


def test_events_wait_for_whoever_asks_and_come_in_order(site: Site) -> None:
    links = site.begin("gather_letters")
    for name, letter in (("Letter", "a"), ("LETTER", "b"), ("letter", "c")):
        raised = site.call("POST", f"instances/{links['id']}/raise?event={name}", letter)
        assert raised.status == 202
    assert site.ended(links)["output"] == "abc"


def test_a_suspended_orchestration_rests(site: Site) -> None:
    links = site.begin("gather_letters")
    act = f"instances/{links['id']}"
    site.until(lambda: site.status(links), lambda it: it["runtimeStatus"] == "Running")
    assert site.call("POST", f"{act}/suspend").status == 202
    site.until(lambda: site.status(links), lambda it: it["runtimeStatus"] == "Suspended")
    for letter in "xyz":
        site.call("POST", f"{act}/raise?event=Letter", letter)
    assert site.status(links)["runtimeStatus"] == "Suspended"
    assert site.call("POST", f"{act}/resume").status == 202
    assert site.ended(links)["output"] == "xyz"


def test_a_terminated_orchestration_is_found_and_purged(site: Site) -> None:
    links = site.begin("gather_letters")
    act = f"instances/{links['id']}"
    assert site.call("POST", f"{act}/terminate").status == 202
    assert site.ended(links)["runtimeStatus"] == "Terminated"
    found = site.until(
        lambda: [
            each
            for each in site.call("GET", "instances?status=Terminated").json
            if each["instanceId"] == links["id"]
        ],
        bool,
    )
    assert found[0]["name"] == "gather_letters"
    if site.style != "one_x":
        assert found[0]["tags"] == {"by": "http"}
    assert site.call("POST", f"{act}/purge").text == "1"
    assert site.call("GET", act).status == 404
    assert site.call("POST", f"{act}/purge").text == "0"


def test_what_failed_is_rewound(site: Site) -> None:
    links = site.begin("restock", "tea")
    failed = site.ended(links)
    assert failed["runtimeStatus"] == "Failed"
    assert "the store is locked" in str(failed["output"])
    site.store_key.touch()
    assert site.call("POST", f"instances/{links['id']}/rewind").status == 202
    done = site.until(lambda: site.status(links), lambda it: it["runtimeStatus"] == "Completed")
    assert done["output"] == ["noted", "tea fetched"]


def test_an_orchestration_is_started_again(site: Site) -> None:
    links = site.begin("CountWords", ["again and again"])
    site.ended(links)
    again = site.call("POST", f"instances/{links['id']}/restart").text
    assert again != links["id"]
    shown = site.until(
        lambda: site.call("GET", f"instances/{again}").json,
        lambda it: it["runtimeStatus"] == "Completed",
    )
    assert (shown["input"], shown["output"]["total"]) == (["again and again"], 3)


def test_a_client_shows_input_output_and_history(site: Site) -> None:
    links = site.begin("publish_article", "milk")
    site.ended(links)
    shown = site.call("GET", f"instances/{links['id']}").json
    assert (shown["input"], shown["output"]) == ("milk", "/milk?words=3")
    assert shown["runtimeStatus"] == "Completed"
    kinds = [
        event if isinstance(event, str) else event["EventType"] for event in shown["historyEvents"]
    ]
    completed = [kind for kind in kinds if kind.startswith("TaskCompleted")]
    assert len(completed) == 3
    assert kinds[-1].startswith("ExecutionCompleted")


def test_an_id_of_a_running_instance_is_taken(site: Site) -> None:
    links = site.begin("gather_letters", query="id=only-one")
    again = site.call("POST", "orchestrators/gather_letters?id=only-one")
    assert again.status == 500
    for letter in "abc":
        site.call("POST", "instances/only-one/raise?event=Letter", letter)
    assert site.ended(links)["output"] == "abc"


@pytest.mark.parametrize("version", ["1.0", "2.0", "30"])
def test_a_worker_without_a_version_takes_all(site: Site, version: str) -> None:
    way = "by horse" if version == "1.0" else "by rail"
    assert site.output("deliver", None, f"version={version}") == [version, way]


@newer
def test_an_orchestration_moves_to_a_new_version(site: Site) -> None:
    assert site.output("move_house", None, "version=1.0") == ["1.0", "2.0"]


@newer
def test_a_schedule_starts_orchestrations(site: Site) -> None:
    begun = site.call("POST", "schedules/nightly/create")
    assert begun.text.startswith("ACTIVE"), begun
    site.until(
        lambda: site.call("GET", "instances?status=Completed").json,
        lambda found: any(each["instanceId"].startswith("nightly") for each in found),
    )
    paused = site.call("POST", "schedules/nightly/pause")
    assert paused.text.startswith("PAUSED")
    assert int(paused.text.split()[1]) > 0
    assert site.call("POST", "schedules/nightly/delete").text == "gone"


@newer
def test_histories_are_exported_in_a_batch(site: Site) -> None:
    links = site.begin("publish_article", "exported")
    site.ended(links)
    # a list is a projection, which may be a moment late
    site.until(
        lambda: site.call("GET", "instances?status=Completed").text, lambda it: links["id"] in it
    )
    assert site.call("POST", "exports/june/batch").status == 200
    job = site.until(
        lambda: site.call("POST", "exports/june/look").json, lambda it: it[1] != "Active"
    )
    assert job[:2] == ["Batch", "Completed"]
    files = [json.loads(path.read_text()) for path in (site.exports / "june/histories").iterdir()]
    assert len(files) == job[2]
    ids = {each.get("instance_id") or each["instanceId"]: each for each in files}
    exported = ids[links["id"]]
    if site.style == "two_x":
        kinds = [event["event_type"].removesuffix("Event") for event in exported["events"]]
        assert exported["metadata"]["serialized_output"] == '"/exported?words=3"'
    else:
        kinds = [event["type"] for event in exported["history"]]
        assert exported["output"] == "/exported?words=3"
    assert (kinds[0], kinds[-1]) == ("ExecutionStarted", "ExecutionCompleted")
    assert kinds.count("TaskCompleted") == 3
    assert site.call("POST", "exports/june/delete").status == 404


@newer
def test_histories_are_exported_until_the_job_is_deleted(site: Site) -> None:
    assert site.call("POST", "exports/all/continuous").json[:2] == ["Continuous", "Active"]
    assert site.call("POST", "exports/all/continuous").status == 409
    assert site.call("POST", "exports/all/look").json[1] == "Active"
    assert site.call("POST", "exports/all/delete").status == 404
    assert site.call("POST", "exports/all/look").text == "gone"
