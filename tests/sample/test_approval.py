"""The approval: an answer in time, one after the escalation, and none."""

from __future__ import annotations

from tests.sample.driver import Instance

REQUEST = {"subject": "New laptop", "approver": "Ann", "manager": "Max"}


def start() -> Instance:
    approval = Instance("request_approval", REQUEST)
    approval.run()
    return approval


def asked(approval: Instance) -> list[str]:
    return [notice["to"] for name, notice in approval.calls if name == "send_notice"]


def test_an_answer_in_time_asks_nobody_else() -> None:
    approval = start()
    approval.advance(hours=23)
    approval.event("decision", {"approved": True, "by": "Ann"})
    assert asked(approval) == ["Ann"]
    assert approval.output["outcome"] == "approved"
    assert approval.output["escalated"] is False
    assert approval.output["decision"]["by"] == "Ann"


def test_the_manager_hears_of_it_after_a_day_and_may_answer() -> None:
    approval = start()
    approval.advance(hours=24)
    assert asked(approval) == ["Ann", "Max"]
    approval.advance(hours=23)
    approval.event("decision", {"approved": False, "by": "Max"})
    assert approval.output["outcome"] == "rejected"
    assert approval.output["escalated"] is True
    assert approval.survives_a_crash_before_any_turn()


def test_without_an_answer_it_expires_after_two_days() -> None:
    approval = start()
    approval.advance(hours=47, minutes=59)
    assert not approval.is_over
    approval.advance(minutes=1)
    assert approval.output == {"outcome": "expired", "escalated": True, "decision": None}
    assert asked(approval) == ["Ann", "Max", "Ann"]
    assert approval.survives_a_crash_before_any_turn()
