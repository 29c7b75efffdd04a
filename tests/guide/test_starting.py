"""docs/guide/starting.md"""

from __future__ import annotations

from datetime import timedelta

import pytest

import durable as df
from durable.codec import decode
from durable.model.instance import OrchestrationRuntimeStatus as Status
from tests.guide.running import Guide, result


async def test_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    async with Guide("starting") as guide:
        await guide.snippet("instance_id = ")
        for instance_id in ("order-1", guide.page.names["instance_id"]):
            await guide.client.raise_event(instance_id, "paid")
            assert result(await guide.wait(instance_id)) == f"tea for {instance_id}"

        # a finished one is left alone by "skip", and so is a running one
        await guide.snippet('Order("milk"), if_exists')
        assert await item_of(guide, "order-1") == "tea"
        # the policy is not about completed ones, and replaces running ones
        with pytest.raises(df.InstanceExistsError):
            await guide.snippet("IdReusePolicy")
        await guide.start("process_order", {"item": "milk"}, "order-1")
        await guide.snippet('Order("milk"), if_exists')
        await guide.snippet("IdReusePolicy")
        assert await item_of(guide, "order-1") == "coffee"

        for _ in range(2):
            await guide.snippet("start_many")
            assert guide.page.names["started"] == [f"order-{number}" for number in range(100, 160)]
        for instance_id in guide.page.names["started"]:
            await guide.client.raise_event(instance_id, "paid")
            assert result(await guide.wait(instance_id)) == f"tea for {instance_id}"

        begun = guide.clock.now()
        await guide.snippet("days=400")
        for instance_id in ("subscription-7", "books-2026"):
            await guide.client.raise_event(instance_id, "paid")
        await guide.run(600)
        for instance_id in ("subscription-7", "books-2026"):
            status = await guide.status(instance_id)
            assert status.runtime_status is Status.PENDING
            assert status.scheduled_start_time is not None
        assert await guide.messages() == 0
        assert result(await guide.wait("subscription-7")) == "tea for subscription-7"
        assert guide.clock.now() - begun >= timedelta(days=400)
        assert result(await guide.wait("books-2026")) == "books for books-2026"

        await guide.snippet("tags=")
        assert (await guide.status("order-2")).tags == {"tier": "gold"}
        capsys.readouterr()
        await guide.snippet("wait_for_start")
        assert capsys.readouterr().out == 'Completed "tea for order-2"\n'


async def test_what_becomes_of_an_id_that_is_taken() -> None:
    """The table of the page, row by row."""
    table = {
        "replace": ("new", None),
        "terminate": ("new", "new"),
        "skip": ("old", "old"),
        "error": (None, None),
    }
    for word, (of_ended, of_running) in table.items():
        for ends, expected in ((True, of_ended), (False, of_running)):
            assert await taken(word, ends=ends) == expected, (word, ends)


@pytest.mark.parametrize("bad", [*"/\\#?%\"'\n", " a", "a ", "@a", "", "a" * 201])
async def test_ids_that_cannot_be(bad: str) -> None:
    async with Guide("starting", checked=False) as guide:
        with pytest.raises(df.errors.InvalidInstanceIdError):
            await guide.client.start_new("process_order", bad)
        await guide.client.start_new("process_order", "a" * 200)


async def taken(if_exists: str, *, ends: bool) -> str | None:
    """Whose item the instance has once a second start of its id was tried; None if refused."""
    async with Guide("starting", checked=False) as guide:
        await guide.start("process_order", {"item": "old"}, "i")
        if ends:
            await guide.client.raise_event("i", "paid")
            await guide.wait("i")
        new = {"item": "new"}
        try:
            await guide.during(
                guide.client.start_new("process_order", "i", new, if_exists=if_exists)  # type: ignore[call-overload]
            )
        except df.InstanceExistsError:
            return None
        return await item_of(guide, "i")


async def item_of(guide: Guide, instance_id: str) -> str:
    """What the input of an instance says."""
    found: str = decode((await guide.status(instance_id)).input)["item"]
    return found
