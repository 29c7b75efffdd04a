"""docs/guide/finding.md"""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.guide.running import Guide


async def test_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    gold, silver = {"tier": "gold", "customer": "c-17"}, {"tier": "silver"}
    async with Guide("finding") as guide:
        client = guide.client
        for number, (instance_id, value, tags) in enumerate(
            [("order-1", 20, gold), ("order-2", 0, gold), ("order-3", 0, silver), ("x", 0, gold)]
        ):
            await client.start_new("process_order", instance_id, value, tags=tags)
            await guide.run(number + 10)
        await guide.snippet("get_history")
        lines = capsys.readouterr().out.splitlines()
        assert lines[0] == "Completed 5 None"
        assert "ExecutionStarted" in lines[1]
        assert "ExecutionCompleted" in lines[-1]
        assert not await guide.page.names["client"].get_status("nobody")

        await guide.snippet("list_instances")
        failed = "ZeroDivisionError: integer division or modulo by zero"
        assert capsys.readouterr().out.splitlines() == [f"x {failed}", f"order-2 {failed}"]
        await guide.snippet("count_by_status")
        by_status, count = capsys.readouterr().out.splitlines()
        assert "Failed" in by_status
        assert ": 3" in by_status
        assert ": 1" in by_status
        assert count == "3"

        # both ends of a time span are in it
        third = await guide.status("order-3")
        created, ended = third.created_time, third.last_updated_time
        exact = {"created_time_from": created, "created_time_to": created}
        assert await client.list_instance_ids(**exact) == (["order-3"], None)  # type: ignore[arg-type]
        exact = {"completed_time_from": ended, "completed_time_to": ended}
        assert await client.list_instance_ids(**exact) == (["order-3"], None)  # type: ignore[arg-type]
        later = created + timedelta(microseconds=1)
        assert await client.count_instances(created_time_from=later) == 1
        page, token = await client.list_page(top=3)
        assert [each.instance_id for each in page] == ["x", "order-3", "order-2"]
        assert token is not None
