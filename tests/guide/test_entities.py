"""docs/guide/entities.md"""

from __future__ import annotations

import pytest

import durable as df
from durable.codec import decode
from tests.guide.running import Guide, result

DAY = 24 * 3600


async def test_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    async with Guide("entities") as guide:
        assert await guide.outcome("click") == 2
        await guide.page.run("read_entity_state")
        assert capsys.readouterr().out == "True 2\n"
        await guide.run(1)
        assert await state(guide, "counter", "clicks") == 3
        assert await guide.outcome("click_tomorrow") is None
        await guide.run(DAY - 60)
        assert await state(guide, "counter", "clicks") == 3
        await guide.run(120)
        assert await state(guide, "counter", "clicks") == 4

        source = df.EntityId("Account", "source")
        await guide.client.signal_entity(source, "deposit", 100)
        # what raises changes nothing, signals included
        await guide.client.signal_entity(source, "withdraw", 500)
        await guide.run(1)
        assert await state(guide, "account", "source") == 100
        both = [await guide.client.start_new("transfer", client_input=60) for _ in range(2)]
        outcomes = [result(await guide.wait(each)) for each in both]
        assert sorted(outcomes) == ["done", "not enough money"]
        await guide.run(1)
        assert await state(guide, "counter", "withdrawals") == 1
        await guide.snippet("list_entities")
        assert capsys.readouterr().out.splitlines() == ["source 40 None", "target 60 None"]

        await guide.client.signal_entity(source, "delete")
        await guide.run(2 * 3600)
        assert (await guide.client.clean_entity_storage()).removed == 1
        assert await guide.client.read_entity_state(source) is None


async def state(guide: Guide, name: str, key: str) -> int | None:
    """The state of an entity that was there once."""
    found = await guide.client.read_entity_state(df.EntityId(name, key))
    assert found is not None
    value: int | None = decode(found.state)
    return value
